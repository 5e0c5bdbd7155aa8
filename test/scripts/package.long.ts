/** The packages as operators have them: made twice, looked at, and a life of the Debian one in a root of its own. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { agentApiVersion } from '../../schemas/agent.js'
import { releaseFile } from '../../schemas/upgrades.js'
import { readArchive, type TakeFile } from '../../src/bundles/archive.js'
import { readRelease } from '../../src/upgrades.js'
import { packageVersion } from '../../src/util.js'
import { directoryOf } from '../support/directory.js'
import { argumentsOf, cleanEnv } from '../support/environment.js'
import { lacks } from '../support/lacks.js'
import { makeRoot, packageAs, packager, run } from '../support/packages.js'
import { freePorts, portFlags } from '../support/ports.js'
import { writeExecutable } from '../support/release.js'
import { settingsOf } from '../support/settings.js'
import { until } from '../support/until.js'

const next = `${packageVersion}+next`

await t.test('packages', { skip: lacks(['dpkg-deb', 'xz']), timeout: 850_000 }, async t => {
  const [first, second] = [directoryOf(t), directoryOf(t)]
  const build = packager(t)
  if (build === undefined) return t.pass('', { skip: "npm's registry is not reached" })
  const files = await build(first)
  const find = (kind: RegExp) => files.find(file => kind.test(file))!
  const [tarball, bundle, deb, rpm] = [
    /-linux-(x64|arm64)\.tar\.xz$/,
    /-linux-(x64|arm64)\.bundle\.tar\.gz$/,
    /_(amd64|arm64)\.deb$/,
    /\.(x86_64|aarch64)\.rpm$/
  ].map(find)
  t.equal(files.length, lacks(['rpmbuild']) ? 3 : 4)

  await t.test('are the same whenever they are made', async t => {
    t.same(await build(second), files)
    for (const file of files) t.ok(readFileSync(join(first, file)).equals(readFileSync(join(second, file))), file)
  })

  await t.test('have no error that Debian knows of', { skip: lacks(['lintian']) }, async t => {
    const { stdout } = spawnSync('lintian', ['--no-cfg', '--tag-display-limit=0', join(first, deb!)], {
      env: cleanEnv,
      encoding: 'utf8'
    })
    t.same(
      stdout.split('\n').filter(line => line.startsWith('E:')),
      []
    )
  })

  await t.test('the tarball runs where it is unpacked, with its own Node', async t => {
    const place = directoryOf(t)
    run('tar', '-xf', join(first, tarball!), '-C', place)
    const [top] = readdirSync(place)
    t.equal(run(join(place, top!, 'bin/zeek-cluster'), '--version').trim(), packageVersion)
    const unit = readFileSync(join(place, top!, 'packaging/systemd/zeek-cluster-agent.service'), 'utf8')
    t.match(unit, /^ExecStart=\/opt\/zeek-cluster-controller\/bin\/zeek-cluster start --agent /m)
  })

  await t.test('the bundle is one, and says which release it is', async t => {
    let said = ''
    const take: TakeFile = async ({ path }, content) => {
      for await (const chunk of content) if (path === releaseFile) said += chunk.toString()
      return { sha256: path }
    }
    const { controller_bundle_max_bytes: bytes, controller_bundle_max_files: most } = settingsOf({})
    await readArchive(createReadStream(join(first, bundle!)), { bytes, files: most }, take)
    t.same(readRelease(said), {
      version: packageVersion,
      platform: `linux-${process.arch}`,
      agent_api_version: agentApiVersion
    })
  })

  await t.test('the package for RPM puts the same where it belongs', { skip: lacks(['rpmbuild', 'rpm']) }, async t => {
    const [file, root] = [join(first, rpm!), directoryOf(t)]
    t.match(run('rpm', '-qp', '--conflicts', '--requires', file), /^glibc >= 2\.28$/m)
    t.same(
      run('rpm', '-qp', '--configfiles', file).trim().split('\n').sort(),
      run('dpkg-deb', '--info', join(first, deb!), 'conffiles').trim().split('\n').sort()
    )
    run('rpm', '--install', '--nodeps', '--noscripts', '--dbpath', join(root, 'db'), '--root', root, file)
    t.equal(run(join(root, 'usr/bin/zeek-cluster'), '--version').trim(), packageVersion)
    const modes = run('rpm', '-qp', '--queryformat', '[%{FILEUSERNAME} %{FILENAMES}\n]', file).trim().split('\n')
    t.same(
      modes.filter(line => !line.startsWith('root /')),
      []
    )
    for (const unit of ['agent', 'controller']) {
      t.ok(existsSync(join(root, `usr/lib/systemd/system/zeek-cluster-${unit}.service`)))
    }
  })

  const skip = lacks(['debootstrap'], { root: true })
  await t.test(
    'the Debian package is installed, upgraded under a cluster that runs, removed and purged',
    { skip },
    async t => {
      await liveIn(t, noteAsked(await makeRoot(t)), join(first, deb!))
    }
  )
})

/** Puts a systemd into a root that only notes what it is asked. */
function noteAsked(root: string): string {
  mkdirSync(join(root, 'run/systemd/system'), { recursive: true })
  writeExecutable(
    join(root, 'usr/local/bin/systemctl'),
    `#!/bin/sh
echo "$*" >>/run/asked
case $1 in
show) cat /run/agent.pid 2>/dev/null || echo 0 ;;
disable) touch /run/disabled && kill $(cat /run/agent.pid /run/controller.pid) ;;
esac
`
  )
  return root
}

async function liveIn(t: Test, root: string, deb: string): Promise<void> {
  const inside = ['--mount', 'sh', '-c', 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', root]
  const within = (...command: string[]) => run('unshare', ...inside, ...command)
  const asked = () => readFileSync(join(root, 'run/asked'), 'utf8')
  const install = (file: string) => {
    cpSync(file, join(root, 'package.deb'))
    within('dpkg', '-i', '/package.deb')
  }
  /** Keeps a service running, as systemd does. */
  const serve = (user: string, pidFile: string, command: string) => {
    const launch = `runuser -u ${user} -- sh -c 'echo $$ >/run/${pidFile}; exec ${command}'`
    const script = `while [ ! -e /run/disabled ]; do ${launch}; done`
    const child = spawn('unshare', [...inside, 'sh', '-c', script], { env: cleanEnv, stdio: 'ignore', detached: true })
    const ended = once(child, 'exit')
    t.teardown(async () => {
      writeFileSync(join(root, 'run/disabled'), '')
      if (child.exitCode === null) process.kill(-child.pid!, 'SIGTERM')
      await ended
    })
    return ended
  }

  install(deb)
  t.equal(within('zeek-cluster', '--version').trim(), packageVersion)
  t.match(within('getent', 'passwd', 'zeek-cluster', 'zeek'), /zeek-cluster.*nologin\nzeek:.*nologin\n/)
  t.match(asked(), /^daemon-reload\n$/, 'neither service is started')

  const [http, agents] = await freePorts(2)
  const url = `http://127.0.0.1:${http}`
  for (const [user, role] of [
    ['zeek-cluster', 'controller'],
    ['zeek', 'agent']
  ]) {
    within('install', '-d', '-m', '0700', '-o', user!, `/var/lib/zeek-cluster-${role}`)
    writeFileSync(join(root, 'run', `${role}.pid`), '0')
    within('chown', user!, `/run/${role}.pid`)
  }
  const start = (role: 'controller' | 'agent', flags: Record<string, string>) =>
    [
      `env ZEEK_MANAGEMENT_STATE_DIR=/var/lib/zeek-cluster-${role}`,
      `zeek-cluster start --${role} --config /etc/zeek-cluster/${role}.yaml`,
      ...argumentsOf(flags)
    ].join(' ')
  const controller = serve(
    'zeek-cluster',
    'controller.pid',
    start('controller', {
      'controller-authentication': 'none',
      'controller-websocket-port': String(http),
      'controller-port': String(agents),
      ...portFlags()
    })
  )
  const agent = serve(
    'zeek',
    'agent.pid',
    start('agent', {
      'agent-name': 'sensor',
      'agent-controller': `127.0.0.1:${agents}`,
      'agent-archive-dir': '/var/lib/zeek-cluster-agent/archive',
      bin: '/opt/zeek/bin/zeek'
    })
  )
  const config = { instances: [{ name: 'sensor' }], nodes: [{ name: 'manager', instance: 'sensor', role: 'MANAGER' }] }
  writeFileSync(join(root, 'cluster.json'), JSON.stringify(config))
  const command = (...args: string[]) => within('zeek-cluster', ...args, '--url', url)
  const tries = async (...args: string[]) =>
    await until(() => {
      try {
        return command(...args)
      } catch {
        return undefined
      }
    }, `${args[0]} succeeds`)
  await tries('instances')
  command('deploy', '/cluster.json')
  const node = () => {
    // It ends with 1 where something is not as it should be.
    const { stdout } = spawnSync('unshare', [...inside, 'zeek-cluster', 'status', '--json', '--url', url], {
      encoding: 'utf8'
    })
    const { nodes = [] } = JSON.parse(stdout || '{}') as { nodes?: { node: string; pid?: number; state: string }[] }
    return nodes.find(({ node }) => node === 'manager')
  }
  const before = node()
  t.match(before, { state: 'RUNNING', pid: Number })

  const supervisor = readFileSync(join(root, 'run/agent.pid'), 'utf8')
  install(packageAs(next, deb, join(root, '..', 'newer')))
  t.match(asked(), /^try-restart zeek-cluster-controller\.service$/m)
  await until(() => readFileSync(join(root, 'run/agent.pid'), 'utf8') !== supervisor, 'the agent is started anew')
  await until(() => node()?.state === 'RUNNING', 'the node is known again')
  t.equal(node()?.pid, before?.pid, 'no node has noticed the upgrade')

  command('stop', 'manager')
  t.equal(node()?.state, 'STOPPED')
  within('dpkg', '-r', 'zeek-cluster-controller')
  t.match(asked(), /^disable --now zeek-cluster-agent\.service zeek-cluster-controller\.service$/m)
  await Promise.all([controller, agent])
  t.notOk(existsSync(join(root, 'usr/bin/zeek-cluster')))
  t.ok(existsSync(join(root, 'etc/zeek-cluster/agent.yaml')), 'settings stay')
  within('dpkg', '-P', 'zeek-cluster-controller')
  t.same(
    [
      'etc/zeek-cluster',
      'usr/lib/zeek-cluster-controller',
      'var/lib/zeek-cluster-controller',
      'var/lib/zeek-cluster-agent'
    ].filter(path => existsSync(join(root, path))),
    [],
    'nothing is left'
  )
}

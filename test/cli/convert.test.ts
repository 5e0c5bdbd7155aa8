import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { fixture } from '../support/environment.js'

/** Writes files, or links where a value begins with "->". */
function write(top: string, files: Record<string, string>): string {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(top, path)), { recursive: true })
    if (content.startsWith('->')) symlinkSync(content.slice(2), join(top, path))
    else writeFileSync(join(top, path), content)
  }
  return top
}

/** Makes an installation of ZeekControl with its own files, and more. */
function installation(t: Test, files: Record<string, string> = {}): string {
  const top = directoryOf(t)
  cpSync(fixture('zeekctl'), join(top, 'etc'), { recursive: true })
  return write(top, { 'share/zeek/site/local.zeek': '@load packages\n', ...files })
}

const pathsIn = (directory: string) =>
  (readdirSync(directory, { recursive: true }) as string[])
    .filter(path => statSync(join(directory, path)).isFile())
    .sort()
const networks = '10.0.0.0/8 Private\n'

await t.test('a directory is all the files of ZeekControl that are in it', async t => {
  const etc = join(installation(t, { 'etc/networks.cfg.d/x': '' }), 'etc')
  writeFileSync(join(etc, 'networks.cfg'), networks)
  const { code, stdout, stderr } = await runCommand(['convert', etc])
  t.equal(code, 0)
  t.match(JSON.parse(stdout).config.nodes[0].options, {
    'Notice::mail_dest': 'root@localhost',
    'Site::local_nets': '{10.0.0.0/8}'
  })
  t.match(stderr, /^LogDir = \/opt\/zeek\/logs: set agent_archive_dir/m)
  t.notMatch(stderr, /was not read/)
  const bare = write(directoryOf(t), { 'node.cfg': readFileSync(join(etc, 'node.cfg'), 'utf8') })
  t.match((await runCommand(['convert', bare])).stderr, /every node loads local\.zeek, ZeekControl's default/)
  t.match(await runCommand(['convert', directoryOf(t)]), { code: 2, stderr: /ENOENT.*\/node\.cfg/ })
})

await t.test('beside a node.cfg other files are named, or are not read', async t => {
  const etc = join(installation(t), 'etc')
  const more = write(directoryOf(t), { z: 'PrivateAddressSpaceIsLocal = 0\n', n: networks })
  const alone = await runCommand(['convert', join(etc, 'node.cfg')])
  t.equal(JSON.parse(alone.stdout).config.nodes[0].options, undefined)
  for (const name of ['zeekctl.cfg', 'networks.cfg']) {
    t.match(alone.stderr, `${name} is beside ${etc}/node.cfg, and was not read: give the directory, ${etc}, to have`)
  }
  const named = ['--zeekctl', join(more, 'z'), '--networks', join(more, 'n')]
  for (const path of [join(etc, 'node.cfg'), etc]) {
    const { stdout, stderr } = await runCommand(['convert', path, ...named])
    t.same(JSON.parse(stdout).config.nodes[0].options, {
      'Site::private_address_space_is_local': 'F',
      'Site::local_nets': '{10.0.0.0/8}'
    })
    t.notMatch(stderr, /was not read/)
  }
  t.match(await runCommand(['convert', etc, '--zeekctl', '/nowhere']), { code: 2, stderr: /ENOENT.*\/nowhere/ })
})

await t.test('what nodes load becomes a bundle, which the configuration names', async t => {
  const top = installation(t, {
    'share/zeek/site/sensors/north.zeek': '@load ./data\n',
    'share/zeek/site/sensors/data.zeek': '',
    'share/zeek/site/intel/bad.dat': 'x',
    'share/zeek/site/packages/packages.zeek': '@load ./hello\n',
    'share/zeek/site/packages/__load__.zeek': '->packages.zeek',
    'share/zeek/site/packages/hello/__load__.zeek': 'print "hello";\n',
    'share/zeek/site/hello': '->packages/hello',
    'share/zeek/site/alias': '->packages/hello',
    'share/zeek/site/linked.zeek': '->sensors/data.zeek',
    'lib/zeek/plugins/packages/demo/__zeek_plugin__': 'Demo',
    // What is left out.
    'share/zeek/site/.git/config': 'x',
    'share/zeek/site/sensors/north.zeek~': 'x',
    'share/zeek/site/self': '->.',
    'share/zeek/site/sensors/up': '->../..',
    'share/zeek/site/dangling': '->nowhere',
    'share/zeek/site/local-networks.zeek': 'x'
  })
  writeFileSync(join(top, 'etc', 'networks.cfg'), networks)
  execFileSync('mkfifo', [join(top, 'share/zeek/site/fifo')])
  const site = join(directoryOf(t), 'new', 'site')
  const { code, stdout, stderr } = await runCommand(['convert', join(top, 'etc'), '--bundle', site])
  t.equal(code, 0)
  t.same(pathsIn(site), [
    'packages/__load__.zeek',
    'packages/hello/__load__.zeek',
    'packages/packages.zeek',
    'plugins/packages/demo/__zeek_plugin__',
    'scripts/alias/__load__.zeek',
    'scripts/hello/__load__.zeek',
    'scripts/intel/bad.dat',
    'scripts/linked.zeek',
    'scripts/local-networks.zeek',
    'scripts/local.zeek',
    'scripts/sensors/data.zeek',
    'scripts/sensors/north.zeek'
  ])
  t.match(readFileSync(join(site, 'scripts/hello/__load__.zeek'), 'utf8'), '@load packages/hello\n')
  t.match(readFileSync(join(site, 'scripts/local-networks.zeek'), 'utf8'), '\t10.0.0.0/8, # Private\n')
  const place = join(top, 'share/zeek/site')
  t.same(
    stderr.split('\n').filter(line => line.startsWith('left out')),
    [
      `left out: ${place}/.git: it is what tools leave`,
      `left out: ${place}/dangling: a link to nothing`,
      `left out: ${place}/fifo: neither a file nor a directory`,
      `left out: ${place}/local-networks.zeek: networks.cfg is a script of this name`,
      `left out: ${place}/self: a link to a directory that it is in`,
      `left out: ${place}/sensors/north.zeek~: it is what tools leave`,
      `left out: ${place}/sensors/up: a link to a directory that it is in`
    ]
  )
  t.match(stderr, /^plugins are those of this host, /m)
  t.match(stderr, `${site} is made: upload it first, by zeek-cluster bundle push ${site} --name site\n`)
  const { config } = JSON.parse(stdout)
  t.match(config, {
    bundle: 'site',
    nodes: [{ scripts: ['local-networks.zeek'] }, { scripts: ['local-networks.zeek'] }]
  })
  t.notMatch(JSON.stringify(config), 'local_nets')

  await t.test('it can be uploaded, and staged', async t => {
    const controller = await startTestController(t)
    const pushed = await runCommand(['bundle', 'push', site, '--name', 'site'], {
      env: { ZEEK_CLUSTER_URL: controller.url }
    })
    t.match(pushed, { code: 0, stderr: /^12 files/ })
    t.equal((await controller.ask('stage_configuration', { config })).state, 'succeeded')
  })

  await t.test('a directory that holds something is not overwritten', async t => {
    const again = await runCommand(['convert', join(top, 'etc'), '--bundle', site])
    t.match(again, {
      code: 2,
      stdout: '',
      stderr: `zeek-cluster: ${site} is not empty: nothing of it is overwritten\n`
    })
    t.equal(pathsIn(site).length, 12)
    const empty = directoryOf(t)
    t.equal((await runCommand(['convert', join(top, 'etc'), '--bundle', empty])).code, 0)
    t.equal(pathsIn(empty).length, 12)
  })
})

await t.test('zeekctl.cfg says where scripts and plugins are; the first of two directories counts', async t => {
  const other = write(directoryOf(t), {
    'a/more.zeek': 'a',
    'a/local.zeek': 'a',
    'b/more.zeek': 'b',
    'b/other.zeek': 'b',
    'plugins/README': 'no plugin'
  })
  const top = installation(t)
  const cfg = `SitePolicyPath = ${other}/a:${other}/b:\nPluginZeekDir = ${other}/plugins\nSitePolicyScripts = more.zeek other.zeek\n`
  writeFileSync(join(top, 'etc', 'zeekctl.cfg'), cfg)
  const site = join(directoryOf(t), 'site')
  const { stdout, stderr } = await runCommand(['convert', join(top, 'etc'), '--bundle', site])
  t.same(pathsIn(site), ['scripts/more.zeek', 'scripts/other.zeek'])
  t.equal(readFileSync(join(site, 'scripts/more.zeek'), 'utf8'), 'a')
  t.same(JSON.parse(stdout).config.nodes[0].scripts, ['more.zeek', 'other.zeek'])
  t.match(
    stderr,
    `left out: ${other}/a/local.zeek: every node would load it of a bundle, and SitePolicyScripts does not`
  )
  t.match(stderr, `left out: ${other}/b/more.zeek: ${other}/a/more.zeek comes first\n`)
  t.notMatch(stderr, /SitePolicyPath =|PluginZeekDir =|plugins are/)
})

await t.test('packages that local.zeek does not load are told', async t => {
  const top = installation(t, {
    'share/zeek/site/local.zeek': '# @load packages\n',
    'share/zeek/site/packages/hello/__load__.zeek': ''
  })
  const { stderr } = await runCommand(['convert', join(top, 'etc'), '--bundle', join(directoryOf(t), 'site')])
  t.match(stderr, /^every node loads what is in packages\/ of a bundle; local\.zeek does not load it$/m)
})

await t.test('nothing is made where something is wrong', async t => {
  const top = installation(t)
  const parent = directoryOf(t)
  const site = join(parent, 'site')
  const refused = async (args: string[], message: RegExp, stdin = '') => {
    t.match(await runCommand(['convert', ...args], { stdin }), { code: 2, stdout: '', stderr: message })
    t.same(readdirSync(parent), [])
  }
  const nodeCfg = readFileSync(join(top, 'etc', 'node.cfg'), 'utf8')
  await refused(
    ['-', '--bundle', site],
    /it is not known where ZeekControl is: zeekctl\.cfg must have ZeekBase/,
    nodeCfg
  )
  await refused(
    [join(top, 'etc'), '--bundle', join(parent, 'a b')],
    /the name of the directory must be a name of 1 to 64/
  )
  await refused([join(top, 'etc'), '--bundle', join(top, 'etc', 'node.cfg')], /the name|ENOTDIR/)
  writeFileSync(join(top, 'etc', 'zeekctl.cfg'), 'SitePolicyPath = /nowhere\n')
  await refused([join(top, 'etc'), '--bundle', site], /ENOENT.*\/nowhere.*SitePolicyPath/)
  const none = directoryOf(t)
  writeFileSync(join(top, 'etc', 'zeekctl.cfg'), `SitePolicyPath = ${none}\n`)
  await refused([join(top, 'etc'), '--bundle', site], /ZeekControl has nothing that nodes load/)
})

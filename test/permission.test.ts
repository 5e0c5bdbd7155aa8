import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { messageOf } from '../src/errors.js'
import { obstacleTo } from '../src/permission.js'
import { packageRoot } from '../src/util.js'
import { findZeek } from '../src/zeek/executable.js'
import { cleanEnv, mainProgram, standIn } from './support/environment.js'
import { freePorts } from './support/ports.js'
import { until } from './support/until.js'

/** Root may do everything: then children are somebody else. What has mode 0 its owner may not open either. */
const isRoot = process.getuid!() === 0
const other: { uid?: number; gid?: number } = isRoot ? { uid: 65534, gid: 65534 } : {}
const cannotReach =
  spawnSync(process.execPath, ['-e', `require("fs").accessSync(${JSON.stringify(mainProgram)})`], other).status !== 0
const skip = cannotReach ? 'another user than root does not reach this checkout' : false

/** Where others may come, and write. */
function openDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'zeek-cluster-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  chmodSync(directory, 0o777)
  return directory
}

/** Closes a directory to all but the other one. */
function give(directory: string): void {
  chmodSync(directory, 0o700)
  if (isRoot) chownSync(directory, other.uid!, other.gid!)
}

/** A file that the other one may not open. */
function closed(path: string, text = ''): string {
  writeFileSync(path, text)
  chmodSync(path, 0)
  return path
}

function run(args: string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stderr } = spawnSync(process.execPath, [mainProgram, ...args], {
    ...other,
    env: { ...cleanEnv, ZEEK_BIN: standIn, ...env },
    encoding: 'utf8',
    timeout: 60_000
  })
  return {
    status,
    said: stderr.split('\n').filter(line => line.startsWith('zeek-cluster: ') || line.startsWith('    at '))
  }
}

/** What is said of an obstacle. */
const refusal = (what: string, path: string, mode: string) =>
  new RegExp(`cannot ${what} ${path}: it belongs to \\S+:\\S+ with mode ${mode}, and we are \\S+: \\S.*${path}`)

await t.test(
  'what keeps a host from starting is one line: path, owner and mode, who we are, what to do',
  { skip },
  async t => {
    const directory = openDirectory(t)
    const state = join(directory, 'state')
    const inState = (name: string) => join(state, name)
    const [http, agents] = await freePorts(2)
    const ports = ['--controller-websocket-port', String(http), '--controller-port', String(agents)]
    const cases: [
      string,
      '--controller' | '--agent',
      (path: string) => { path?: string; flags?: string[] },
      string,
      string
    ][] = [
      [
        'the state directory',
        '--controller',
        () => {
          chmodSync(state, 0o555)
          return { path: state }
        },
        'write in',
        '0555'
      ],
      [
        'a state directory that cannot be entered',
        '--controller',
        () => {
          chmodSync(state, 0o600)
          return { path: state }
        },
        'enter',
        '0600'
      ],
      [
        'the place of a state directory',
        '--controller',
        path => {
          mkdirSync(path, { mode: 0o555 })
          return { path, flags: ['--management-state-dir', join(path, 'a', 'b')] }
        },
        'write in',
        '0555'
      ],
      [
        "the supervisor's directory",
        '--controller',
        () => {
          mkdirSync(inState('supervisor'), { mode: 0o555 })
          return { path: inState('supervisor') }
        },
        'write in',
        '0555'
      ],
      [
        'a record of what runs',
        '--controller',
        () => {
          mkdirSync(inState('supervisor'))
          chmodSync(inState('supervisor'), 0o777)
          return { path: closed(inState('supervisor/worker-1.json'), '{}') }
        },
        'open',
        '0000'
      ],
      ['the database', '--controller', () => ({ path: closed(inState('controller.sqlite')) }), 'open', '0000'],
      [
        'its log',
        '--controller',
        () => {
          const database = new DatabaseSync(inState('controller.sqlite'))
          database.exec('PRAGMA journal_mode = WAL; CREATE TABLE it (x)')
          database.close()
          if (isRoot) chownSync(inState('controller.sqlite'), other.uid!, other.gid!)
          return { path: closed(inState('controller.sqlite-wal'), 'x') }
        },
        'open',
        '0000'
      ],
      [
        'the file of settings',
        '--controller',
        path => ({ path: closed(path), flags: ['--config', path] }),
        'open',
        '0000'
      ],
      [
        'a certificate',
        '--controller',
        path => ({ path: closed(path), flags: ['--controller-tls-cert', path, '--controller-tls-key', path] }),
        'open',
        '0000'
      ],
      [
        'an authority of the agent',
        '--agent',
        path => ({ path: closed(path), flags: ['--agent-tls-ca', path] }),
        'open',
        '0000'
      ],
      [
        'the first token',
        '--controller',
        path => ({ path: closed(path), flags: ['--controller-bootstrap-token-file', path] }),
        'open',
        '0000'
      ],
      [
        'the queue of logs',
        '--agent',
        path => {
          mkdirSync(path, { mode: 0o555 })
          return { path, flags: ['--management-spool-dir', path] }
        },
        'write in',
        '0555'
      ],
      [
        'what a check has left',
        '--agent',
        () => {
          mkdirSync(inState('checks/x'), { recursive: true })
          chmodSync(inState('checks'), 0o555)
          return { path: inState('checks') }
        },
        'write in',
        '0555'
      ]
    ]
    for (const [name, role, prepare, what, mode] of cases) {
      mkdirSync(state)
      give(state)
      const { path = state, flags = [] } = prepare(join(directory, 'it'))
      const { status, said } = run(['start', role, '--management-state-dir', state, ...ports, ...flags])
      t.ok(status === 1 || status === 2, `${name}: it ends`)
      t.match(said, [refusal(what, path, mode)], name)
      t.equal(said.length, 1, `${name}: ${said.join('\n')}`)
      for (const made of [state, join(directory, 'it')]) {
        spawnSync('chmod', ['-R', 'u+rwX', made])
        rmSync(made, { recursive: true, force: true })
      }
    }
  }
)

await t.test('what need not keep a host from starting is told in its log', { skip }, async t => {
  const state = openDirectory(t)
  const paths = {
    token: join(state, 'token'),
    memory: join(state, 'agent.json'),
    log: join(state, 'management-agent-1.log')
  }
  for (const path of Object.values(paths)) closed(path)
  give(state)
  const flags = [
    '--management-state-dir',
    state,
    '--agent-name',
    'agent-1',
    '--agent-token-file',
    paths.token,
    '--agent-controller',
    `127.0.0.1:${(await freePorts(1))[0]}`
  ]
  const host = spawn(process.execPath, [mainProgram, 'start', '--agent', ...flags], {
    ...other,
    env: { ...cleanEnv, ZEEK_BIN: standIn },
    stdio: ['ignore', 'ignore', 'pipe']
  })
  t.teardown(async () => {
    if (host.exitCode !== null) return
    host.kill()
    await once(host, 'exit')
  })
  let told = ''
  host.stderr.on('data', text => {
    told += text
  })
  await until(() => told.includes('cannot reach the controller'), 'it has looked for its token')
  for (const [why, path] of [
    ['no log file is kept', paths.log],
    ['cannot go on with the last configuration', paths.memory],
    ['ZEEK_AGENT_TOKEN_FILE', paths.token]
  ] as const) {
    t.match(told, new RegExp(`${why}: ${refusal('open', path, '0000').source}`))
  }
})

await t.test('who archives says which queue cannot be read, and does not take it for empty', { skip }, async t => {
  const directory = openDirectory(t)
  const queue = join(directory, 'closed', 'queue')
  mkdirSync(queue, { recursive: true })
  chmodSync(join(directory, 'closed'), 0)
  const { status, said } = run(['archive', '-1', queue, join(directory, 'logs')])
  t.equal(status, 1)
  t.match(said, [/cannot enter .*closed: it belongs to/])
  chmodSync(join(directory, 'closed'), 0o700)
})

await t.test('what a diagnosis lacks because it cannot be read is a note in it', { skip }, async t => {
  const directory = openDirectory(t)
  const files = ['runs.json', 'stderr', 'core'].map(name => closed(join(directory, name), 'x'))
  const program = `
    import { diagnose } from ${JSON.stringify(join(packageRoot, 'dist', 'src', 'agent', 'outputs', 'diagnosis.js'))}
    const node = { node: { name: 'worker-1' }, program: { cwd: process.argv[1], command: ['zeek'] }, runtimeOptions: [], status: { state: 'CRASHED' } }
    const [found] = await diagnose({ each: (_, job) => Promise.all([job(node)]) }, ['worker-1'], process.env, AbortSignal.timeout(60_000))
    console.log(JSON.stringify(found))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program, directory], {
    ...other,
    env: cleanEnv,
    encoding: 'utf8'
  })
  t.equal(stderr, '')
  const {
    diagnosis: { runs, notes }
  } = JSON.parse(stdout)
  t.same(runs, [])
  for (const path of files.slice(0, 2)) {
    t.ok(
      notes.some((note: string) => refusal('open', path, '0000').test(note)),
      path
    )
  }
  t.ok(notes.some((note: string) => /history of its processes is missing/.test(note)))
  // Where the kernel puts core files elsewhere it is not looked at.
  if (/^core/.test(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'))) {
    t.ok(notes.some((note: string) => refusal('open', files[2]!, '0000').test(note)))
  }
})

await t.test('a zeek that may not be executed is told with its mode', async t => {
  const path = join(t.testdir({ zeek: '#!/bin/sh' }), 'zeek')
  chmodSync(path, 0o644)
  await t.rejects(findZeek(path, {}), { message: refusal('execute', path, '0644') })
  await t.rejects(findZeek(`${path}.gone`, {}), { message: `${path}.gone is not an executable (ZEEK_BIN)` })
})

await t.test('a zeek with more capabilities than we may pass on is told so, with the bounding set', async t => {
  const spawned = Object.assign(new Error('spawn EPERM'), { code: 'EPERM', syscall: 'spawn' })
  t.match(
    messageOf(spawned),
    /^spawn EPERM: the file has capabilities \(getcap\) .* bounding set \(capsh --decode=[0-9a-f]{16}\): take CapabilityBoundingSet= out of the unit/
  )
  const path = join(t.testdir(), 'zeek')
  copyFileSync('/bin/true', path)
  const isReal = isRoot && spawnSync('setcap', ['cap_sys_boot+ep', path]).status === 0
  const program = `import { findZeek } from ${JSON.stringify(join(packageRoot, 'dist', 'src', 'zeek', 'executable.js'))}; await findZeek(process.argv[1], {}).catch(error => console.log(error.message))`
  const { stdout, error } = spawnSync(
    'capsh',
    ['--drop=cap_sys_boot', '--', '-c', `"$0" --input-type=module -e '${program}' "$1"`, process.execPath, path],
    { env: cleanEnv, encoding: 'utf8' }
  )
  if (!isReal || error) return t.comment('not tried for real: this takes root, setcap and capsh')
  t.match(stdout, new RegExp(`^${path} cannot be used: spawn EPERM: the file has capabilities`))
})

await t.test('what is no refusal of the system stays as it is', async t => {
  for (const fields of [
    { code: 'ENOENT', syscall: 'open', path: '/x' },
    { code: 'EACCES' },
    { code: 'EPERM', syscall: 'connect' },
    { code: 'EACCES', syscall: 'listen', port: 2150 }
  ]) {
    t.equal(messageOf(Object.assign(new Error('as it was'), fields)), 'as it was')
  }
  t.match(
    messageOf(Object.assign(new Error('listen EACCES'), { code: 'EACCES', syscall: 'listen', port: 443 })),
    /^listen EACCES: ports below 1024 are for root, and for who has CAP_NET_BIND_SERVICE$/
  )
  t.match(
    messageOf(Object.assign(new Error('EROFS: it'), { code: 'EROFS', syscall: 'open', path: '/x' })),
    /^EROFS: it: it is mounted read-only/
  )
  const directory = t.testdir({ file: '' })
  t.equal(obstacleTo(join(directory, 'file')), undefined)
  t.equal(obstacleTo(join(directory, 'new', 'file')), undefined)
  t.match(
    messageOf(Object.assign(new Error('EACCES: it'), { code: 'EACCES', syscall: 'open', path: directory })),
    /^EACCES: it: mode and owner would allow it/
  )
  t.equal(messageOf('text'), 'text')
})

await t.test(
  'what belongs to somebody else is told with their name, where they have one',
  { skip: !isRoot && 'only root gives files away' },
  async t => {
    const directory = openDirectory(t)
    const path = closed(join(directory, 'it'))
    chownSync(path, 0, 54_321)
    const { said } = run(['start', '--config', path])
    t.match(said, [
      new RegExp(
        `cannot open ${path}: it belongs to root:54321 with mode 0000, and we are .*, or run zeek-cluster as root$`
      )
    ])
  }
)

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { Archiver, prepareQueue } from '../../../src/agent/logs/archiver.js'
import { packageRoot } from '../../../src/util.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv, standIn } from '../../support/environment.js'
import { silent } from '../../support/log.js'
import { isRunning } from '../../support/running.js'
import { settingsOf } from '../../support/settings.js'
import { until } from '../../support/until.js'

const never = new AbortController().signal
const logName = (path: string) => `${path}__2026-11-22-14-48-56__2026-11-22-14-49-00__.log`
const archived = (path: string) => `2026-11-22/${path}.14:48:56-14:49:00.log.gz`

/** An archiver with a queue, and what it tells the controller. */
function open(t: Test, flags: Record<string, string> = {}, env: NodeJS.ProcessEnv = { PATH: cleanEnv.PATH }) {
  const state = directoryOf(t)
  const settings = settingsOf({ 'management-state-dir': state, bin: standIn, ...flags })
  const [queue, logs] = [join(state, 'spool/log-queue'), join(state, 'logs')]
  mkdirSync(queue, { recursive: true })
  const told: string[] = []
  const archiver = new Archiver({
    settings,
    env,
    log: silent,
    notify: (method, { message }) => told.push(`${method}: ${message}`)
  })
  const rotate = (...paths: string[]) => {
    for (const path of paths) writeFileSync(join(queue, logName(path)), path)
  }
  return {
    archiver,
    queue,
    logs,
    state,
    told,
    rotate,
    pass: () => archiver.pass(never),
    waiting: () =>
      readdirSync(queue)
        .filter(name => name !== '.lock')
        .sort()
  }
}

/** A command that does what zeek-archiver does, or not. */
function script(t: Test, text: string): string {
  const path = join(directoryOf(t), 'command')
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
  return path
}

await t.test('logs are archived by our own step where there is no other', async t => {
  const { archiver, queue, logs, rotate, pass, waiting, told } = open(t)
  t.same(archiver.status(), { queue, directory: logs, files: 0, bytes: 0, archived: 0, deleted: 0, failures: 0 })
  await pass()
  t.notOk(existsSync(logs), 'nothing is run for an empty queue')
  rotate('conn', 'dns')
  await pass()
  t.equal(gunzipSync(readFileSync(join(logs, archived('conn')))).toString(), 'conn')
  t.same(waiting(), [])
  t.same(archiver.status(), { queue, directory: logs, files: 0, bytes: 0, archived: 2, deleted: 0, failures: 0 })
  t.same(told, [])
})

await t.test('zeek-archiver is taken from beside zeek, else from the PATH', async t => {
  const [beside, onPath] = [directoryOf(t), directoryOf(t)]
  const witness = (directory: string) => {
    writeFileSync(join(directory, 'zeek-archiver'), `#!/bin/sh\necho "$0" "$@" > ${directory}/called\nrm "$2"/*\n`)
    chmodSync(join(directory, 'zeek-archiver'), 0o755)
    return () => readFileSync(join(directory, 'called'), 'utf8')
  }
  symlinkSync(standIn, join(beside, 'zeek'))
  const called = [witness(onPath), witness(beside)]
  const { queue, logs, rotate, pass } = open(t, { bin: join(beside, 'zeek') }, { PATH: `${onPath}:${cleanEnv.PATH}` })
  rotate('conn')
  await pass()
  t.equal(called[1]!(), `${beside}/zeek-archiver -1 ${queue} ${logs}\n`)
  t.throws(called[0]!)
  rmSync(join(beside, 'zeek-archiver'))
  rotate('conn')
  await pass()
  t.equal(called[0]!(), `${onPath}/zeek-archiver -1 ${queue} ${logs}\n`)
})

await t.test(
  'a command of the settings goes through the shell, with its own arguments, and without secrets of ours',
  async t => {
    const command = script(t, 'env > "$4/../env"; for arg; do echo "$arg"; done > "$4/../args"; mv "$3"/* "$4"')
    const { queue, logs, state, rotate, pass, archiver } = open(
      t,
      { 'agent-archive-cmd': `FOO='a b' ${command} mine` },
      { PATH: cleanEnv.PATH, ZEEK_AGENT_TOKEN_FILE: '/hidden' }
    )
    rotate('conn')
    await pass()
    t.match(archiver.status(), { archived: 1, failures: 0 })
    t.same(readFileSync(join(state, 'args'), 'utf8').split('\n'), ['mine', '-1', queue, logs, ''])
    t.match(readFileSync(join(state, 'env'), 'utf8'), /^FOO=a b$/m)
    t.notMatch(readFileSync(join(state, 'env'), 'utf8'), /hidden/)
  }
)

await t.test('a failure is told once, and its end; not each attempt', async t => {
  const { archiver, queue, state, rotate, pass, told, waiting } = open(t, {
    'agent-archive-cmd': '[ -e ../../works ] || { echo no room >&2; exit 3; }; rm conn*; :'
  })
  rotate('conn')
  for (let n = 1; n <= 9; n++) await pass()
  const message = 'error: logs cannot be archived: the archiver exited with code 3: no room'
  t.same(told, [message])
  t.match(archiver.status(), { files: 1, bytes: 4, oldest: Number, archived: 0, failures: 9, error: /code 3: no room/ })
  await pass()
  t.same(told, [message, `${message} (10 times in a row)`])
  t.same(waiting(), [logName('conn')])
  writeFileSync(join(state, 'works'), '')
  await pass()
  t.equal(told.at(-1), 'log: logs are archived again, after 10 failures in a row')
  t.equal(told.length, 3)
  t.same(archiver.status(), {
    queue,
    directory: join(state, 'logs'),
    files: 0,
    bytes: 0,
    archived: 1,
    deleted: 0,
    failures: 0
  })
  await pass()
  t.equal(told.length, 3)
})

await t.test('one that exits well and leaves logs in the queue has failed', async t => {
  const { archiver, rotate, pass, told } = open(t, { 'agent-archive-cmd': 'rm a_*; echo cannot mkdir;:' })
  rotate('a', 'b', 'c', 'd', 'e')
  await pass()
  t.same(told, [
    `error: logs cannot be archived: the archiver has left 4 of 5 logs in the queue (${['b', 'c', 'd'].map(logName).join(', ')} and others): cannot mkdir`
  ])
  t.match(archiver.status(), { archived: 1, files: 4, failures: 1 })
})

await t.test('one that takes too long is killed, with all that it has started', async t => {
  const { rotate, pass, told, state } = open(t, {
    'agent-archive-timeout': '0.3',
    'agent-archive-cmd': 'sleep 600 & echo $$ $! > ../../pids; wait; :'
  })
  rotate('conn')
  // Until it was given the time to begin.
  await until(async () => {
    await pass()
    return existsSync(join(state, 'pids'))
  }, 'it has begun')
  t.match(told[0], 'error: logs cannot be archived: the archiver was killed after 0.3 s')
  for (const pid of readFileSync(join(state, 'pids'), 'utf8').trim().split(' ')) {
    await until(() => !isRunning(Number(pid)) || isZombie(pid), `${pid} is gone`)
  }
})

/** Who buries orphans here may take its time. */
function isZombie(pid: string): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}

await t.test('it ends with the agent, however that ends', async t => {
  const { rotate, state, archiver } = open(t, { 'agent-archive-cmd': 'sleep 600 & echo $$ $! > ../../pids; wait; :' })
  const pids = () =>
    existsSync(join(state, 'pids'))
      ? readFileSync(join(state, 'pids'), 'utf8')
          .trim()
          .split(' ')
          .filter(pid => pid !== '')
      : []
  rotate('conn')
  const stopping = new AbortController()
  const running = archiver.run(stopping.signal)
  await until(() => pids().length === 2, 'it runs')
  stopping.abort()
  await running
  for (const pid of pids()) await until(() => !isRunning(Number(pid)) || isZombie(pid), `${pid} is gone`)
  rmSync(join(state, 'pids'))

  // Killed, it has no time for anything.
  const program = `
    import { Archiver } from ${JSON.stringify(join(packageRoot, 'dist', 'src', 'agent', 'logs', 'archiver.js'))}
    const settings = ${JSON.stringify(settingsOf({ 'management-state-dir': state, 'agent-archive-cmd': 'sleep 600 & echo $$ $! > ../../pids; wait; :' }))}
    const log = { info () {}, debug () {}, warn () {} }
    await new Archiver({ settings, env: {}, log, notify () {} }).run(new AbortController().signal)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { env: cleanEnv, stdio: 'inherit' })
  await until(() => pids().length === 2, 'it runs again')
  child.kill('SIGKILL')
  await once(child, 'exit')
  for (const pid of pids()) await until(() => !isRunning(Number(pid)) || isZombie(pid), `${pid} is gone`)
})

await t.test('what it says is kept in bounds, and one that leaves its outputs open does not hold it up', async t => {
  const { rotate, pass, told } = open(t, {
    'agent-archive-cmd': 'setsid sleep 5 & yes complaint | head -c 1000000; echo the end; exit 1;:'
  })
  rotate('conn')
  await pass()
  t.ok(told[0]!.length < 5000)
  t.match(told[0], /exited with code 1: .*the end$/s)
})

await t.test('a queue that cannot be read is told; none is empty', async t => {
  const { queue, pass, told } = open(t)
  rmSync(queue, { recursive: true })
  await pass()
  t.same(told, [])
  writeFileSync(queue, '')
  await pass()
  t.match(told, [/^error: logs cannot be archived: ENOTDIR/])
})

await t.test('old logs are deleted after a pass, which is told and counted', async t => {
  const { archiver, pass, rotate, told, logs, waiting } = open(t, { 'agent-archive-max-bytes': '100' })
  const old = join(logs, '2020-01-01')
  mkdirSync(old, { recursive: true })
  for (const hour of [10, 11]) writeFileSync(join(old, `conn.${hour}:00:00-${hour}:30:00.log.gz`), 'x'.repeat(90))
  await pass()
  t.same(told, ['log: deleted 1 archived logs, 90 bytes: 1 too many bytes'])
  t.match(archiver.status(), { deleted: 1, failures: 0 })
  rotate('conn')
  await pass()
  t.match(archiver.status(), { archived: 1, deleted: 2 })
  t.same(readdirSync(logs), ['2026-11-22'])
  t.same(waiting(), [])
})

await t.test('the queue is made, and must take files of the state directory', async t => {
  const state = directoryOf(t)
  await prepareQueue(settingsOf({ 'management-state-dir': state, 'management-spool-dir': join(state, 'a/b') }))
  t.same(readdirSync(join(state, 'a/b/log-queue')), [])
  t.same(readdirSync(state), ['a'])
  writeFileSync(join(state, 'a/file'), '')
  await t.rejects(
    prepareQueue(settingsOf({ 'management-state-dir': state, 'management-spool-dir': join(state, 'a/file') })),
    { code: 'invalid_request', message: /^management_spool_dir: ENOTDIR/ }
  )
  await t.rejects(
    prepareQueue(settingsOf({ 'management-state-dir': state, 'agent-archive-dir': join(state, 'spool/log-queue') })),
    { message: /^agent_archive_dir: .* is the queue$/ }
  )
  const other = join(state, 'other')
  mkdirSync(other)
  if (spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', other]).status !== 0) return
  t.teardown(() => spawnSync('umount', ['-l', other]))
  await t.rejects(prepareQueue(settingsOf({ 'management-state-dir': state, 'management-spool-dir': other })), {
    message: `management_spool_dir: ${other} is on another file system than the state directory, so that nodes cannot move their logs there`
  })
  t.same(readdirSync(state).sort(), ['a', 'other'], 'nothing is left behind')
})

await t.test('bad settings are named', async t => {
  for (const [flag, value] of Object.entries({
    'agent-archive-interval': '3601',
    'agent-rotation-interval': '-1',
    'agent-archive-timeout': '0',
    'agent-archive-max-age': 'x',
    'agent-archive-min-free': '100',
    'agent-archive-cmd': '',
    'agent-archive-logs': 'maybe',
    'management-spool-dir': ' '
  })) {
    t.throws(() => settingsOf({ [flag]: value }), { code: 'invalid_request', message: new RegExp(`^--${flag} `) })
  }
})

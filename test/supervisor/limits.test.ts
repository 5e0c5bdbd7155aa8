import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Cgroups } from '../../src/supervisor/cgroups.js'
import { niceObstacle } from '../../src/supervisor/niceness.js'
import { packageRoot } from '../../src/util.js'
import { cleanEnv } from '../support/environment.js'
import { until } from '../support/until.js'
import { directoryOf, gone, program, startHost, supervise } from './programs.js'

const memoryMax = 64 << 20
const sleep = ['/bin/sleep', '1000']
const isRoot = process.getuid!() === 0

/** A supervisor beside a directory that looks like a cgroup of its own. */
function superviseWithin(t: Test) {
  const directory = directoryOf(t, {
    cgroup: { 'cgroup.controllers': 'memory\n', 'cgroup.procs': '', 'cgroup.subtree_control': 'memory\n' }
  })
  const root = join(directory, 'cgroup')
  return { root, ...supervise(t, directory, { cgroups: new Cgroups(root) }) }
}
/** Resolves with the process of a program, another one than `before`. */
const runs = ({ statusOf }: Pick<ReturnType<typeof supervise>, 'statusOf'>, before?: number): Promise<number> =>
  until(() => {
    const pid = statusOf('w')?.pid
    return pid !== before && pid
  }, 'it runs')
/** What the kernel counts in a cgroup, where nothing but a test writes it. */
const setKills = (root: string, name: string, kills: number) =>
  writeFileSync(join(root, `node-${name}`, 'memory.events'), `oom 9\noom_kill ${kills}\n`)

await t.test('a process joins its cgroup before it is the program', async t => {
  const { supervisor, directory, root, changes, statusOf } = superviseWithin(t)
  await supervisor.start(program(directory, 'w', sleep, { limits: { memory_max: memoryMax } }))
  const pid = await runs({ statusOf })
  const joined = () => readFileSync(join(root, 'node-w', 'cgroup.procs'), { encoding: 'utf8', flag: 'a+' })
  await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n', 'it has become the program')
  t.equal(joined(), String(pid))
  t.equal(changes[0]!.reason, 'started')
})

await t.test('what the kernel kills at the limit has that as its reason, and starts again', async t => {
  const { supervisor, directory, root, changes, statusOf } = superviseWithin(t)
  const reasons = () =>
    changes.filter(({ state }) => state === 'CRASHED' || state === 'FAILED').map(({ reason }) => reason)
  await supervisor.start(program(directory, 'w', sleep, { limits: { memory_max: memoryMax } }))
  const first = await runs({ statusOf })
  setKills(root, 'w', 1)
  process.kill(first, 'SIGKILL')
  const second = await runs({ statusOf }, first)
  t.same(reasons(), ['killed: used more than memory_max (64 MiB)'])
  // What has been counted before is no reason, nor is what has ended otherwise.
  process.kill(second, 'SIGKILL')
  const third = await runs({ statusOf }, second)
  setKills(root, 'w', 2)
  process.kill(third, 'SIGTERM')
  await until(() => statusOf('w')?.state === 'FAILED', 'it is given up')
  t.same(reasons().slice(1), ['killed by SIGKILL', 'killed by SIGTERM, 3 times in a row'])
  t.match(
    JSON.parse(readFileSync(join(directory, 'w', 'runs.json'), 'utf8')).map(({ reason }: { reason: string }) => reason),
    ['killed by SIGTERM', 'killed by SIGKILL', 'killed: used more than memory_max (64 MiB)']
  )
})

await t.test('the reason of an adopted process, whose exit nobody learns, is known by the same', async t => {
  const directory = directoryOf(t, {
    cgroup: { 'cgroup.controllers': 'memory\n', 'cgroup.procs': '', 'cgroup.subtree_control': 'memory\n' }
  })
  const root = join(directory, 'cgroup')
  const host = await startHost(t, directory, [program(directory, 'w', sleep, { limits: { memory_max: memoryMax } })])
  const pid = host.pidOf('w')
  await host.kill()
  mkdirSync(join(root, 'node-w'))
  setKills(root, 'w', 3)
  const { supervisor, changes } = supervise(t, directory, { cgroups: new Cgroups(root) })
  await supervisor.recover()
  setKills(root, 'w', 4)
  process.kill(pid, 'SIGKILL')
  await gone(pid)
  await until(() => changes.some(({ state }) => state === 'CRASHED'), 'it is noticed')
  t.match(
    changes.find(({ state }) => state === 'CRASHED'),
    { reason: 'killed: used more than memory_max (64 MiB)' }
  )
})

await t.test('where a limit cannot be held the program runs without it, and that is told', async t => {
  const { supervisor, directory, changes, statusOf } = supervise(t)
  await supervisor.start(program(directory, 'w', sleep, { limits: { memory_max: memoryMax } }))
  await runs({ statusOf })
  t.match(changes[0], {
    state: 'RUNNING',
    reason: /^started, without memory_max: the supervisor has no cgroup of its own/
  })
  t.match(supervisor.obstacles({ memory_max: memoryMax }), [/^memory_max: the supervisor has no cgroup of its own/])
  t.same(supervisor.obstacles({}), [])
})

await t.test('a process that cannot join runs all the same, and says so', async t => {
  const { supervisor, directory, root, statusOf } = superviseWithin(t)
  mkdirSync(join(root, 'node-w', 'cgroup.procs'), { recursive: true })
  await supervisor.start(program(directory, 'w', sleep, { limits: { memory_max: memoryMax } }))
  await runs({ statusOf })
  await until(
    () => supervisor.output('w').stderr.includes('memory_max does not hold: the process could not join its cgroup'),
    'it says so'
  )
  t.equal(statusOf('w')!.state, 'RUNNING')
})

await t.test('a process is as nice as it is to be', async t => {
  const { supervisor, directory, statusOf } = supervise(t)
  const nice = Math.min(19, getPriority() + 3)
  await supervisor.start(program(directory, 'w', sleep, { limits: { nice } }))
  const pid = await runs({ statusOf })
  t.equal(getPriority(pid), nice)
  await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n', 'it has become the program')
  t.equal(getPriority(pid), nice)
  t.same(supervisor.obstacles({ nice }), [])
})

const groupsSessions = existsSync('/proc/self/autogroup')
await t.test('its session is as nice, too', { skip: !groupsSessions && 'this kernel groups no sessions' }, async t => {
  const autogroup = (pid: number) => readFileSync(`/proc/${pid}/autogroup`, 'utf8')
  const { supervisor, directory, statusOf } = supervise(t)
  await supervisor.start(program(directory, 'w', sleep, { limits: { nice: 7 } }))
  const pid = await runs({ statusOf })
  await until(() => autogroup(pid).endsWith(' nice 7\n'), 'its session is nice')
})

await t.test('to look whether one may be less nice changes nothing', async t => {
  const own = getPriority()
  niceObstacle(-20)
  t.equal(getPriority(), own)
  t.equal(niceObstacle(own), undefined)
  t.equal(niceObstacle(19), undefined)
})

await t.test(
  'what is to be less nice than is allowed is told',
  { skip: !isRoot && 'only root may become another user' },
  t => {
    const module = join(packageRoot, 'dist', 'src', 'supervisor', 'niceness.js')
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['-e', `import(${JSON.stringify(module)}).then(({ niceObstacle }) => console.log(niceObstacle(-20)))`],
      { uid: 65_534, gid: 65_534, env: cleanEnv, encoding: 'utf8' }
    )
    t.match(stdout, /^the supervisor may not go below -?\d+ \(CAP_SYS_NICE, or LimitNICE= of its unit\)/, stderr)
    t.end()
  }
)

/**
 * The cgroups of this machine, as far as it has any of version 2 that hold memory to limits, and that are ours to make.
 */
function realCgroup(): { root: string; lack?: undefined } | { lack: string } {
  const mount = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'utf8'))?.[1]
  if (mount === undefined) return { lack: 'this machine has no cgroups of version 2' }
  const root = join(mount, `zeek-cluster-test-${process.pid}`)
  try {
    mkdirSync(root)
  } catch (error) {
    return { lack: `no cgroup can be made in ${mount}: ${(error as Error).message}` }
  }
  t.teardown(() => rmdirSync(root))
  const lack = new Cgroups(root).obstacle()
  return lack === undefined ? { root } : { lack }
}

const real = realCgroup()
await t.test(
  'the kernel kills what uses more than its limit, and the reason is told',
  { skip: real.lack ?? false },
  async t => {
    const root = (real as { root: string }).root
    const cgroups = new Cgroups(root)
    const { supervisor, directory, changes, statusOf } = supervise(t, undefined, { cgroups })
    const eat = 'const eaten = []; setInterval(() => eaten.push(Buffer.alloc(8 << 20, 1)), 5)'
    await supervisor.start(
      program(directory, 'w', [process.execPath, '-e', eat], { limits: { memory_max: 128 << 20 } })
    )
    const pid = await runs({ statusOf })
    await until(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8').endsWith('/node-w\n'), 'it is in its cgroup')
    await until(() => changes.some(({ state }) => state === 'CRASHED'), 'it is killed')
    t.match(
      changes.find(({ state }) => state === 'CRASHED'),
      { reason: 'killed: used more than memory_max (128 MiB)' }
    )
    await supervisor.stop('w')
    t.notOk(existsSync(join(root, 'node-w')), 'its cgroup is gone with it')
  }
)

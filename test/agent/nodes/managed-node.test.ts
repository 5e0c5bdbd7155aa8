import t, { type Test } from 'tap'
import { ManagedNode, type Change } from '../../../src/agent/nodes/managed-node.js'
import type { UnitStatus } from '../../../src/supervisor/program.js'
import { prepareChannel } from '../../../src/zeek/channel.js'
import { hidden } from '../../../src/agent/nodes/hidden.js'
import { mask } from '../../../src/security/secrets.js'
import { directoryOf } from '../../support/directory.js'
import { until } from '../../support/until.js'
import { NodeEnd } from '../../zeek/node-end.js'
import { channelOf } from '../../../src/agent/nodes/zeek-program.js'

const never = new AbortController().signal

/** A managed node whose supervisor, and whose process, is the test. */
async function open(t: Test, patience: { silentMs?: number; stuckMs?: number } = {}) {
  const cwd = directoryOf(t)
  await prepareChannel(channelOf(cwd))
  const node = new ManagedNode({ name: 'w', instance: 'a', role: 'WORKER', port: 5, metrics_port: 6 }, { cwd } as any, {
    silentMs: 60_000,
    stuckMs: 0,
    ...patience
  })
  const changes: Change[] = []
  node.on('changed', change => changes.push(change))
  const follow = (state: UnitStatus['state'], pid?: number, more: Partial<UnitStatus> = {}) =>
    node.follow({
      name: 'w',
      kind: 'detached',
      tag: '',
      state,
      reason: state.toLowerCase(),
      restarts: 0,
      ...(pid ? { pid, invocation: `run-${pid}` } : {}),
      ...more
    })
  t.teardown(() => follow('STOPPED'))
  const is = (state: string) => until(() => node.status.state === state, `it is ${state}`)
  return {
    node,
    changes,
    follow,
    states: () => changes.map(({ old_state: old, status }) => `${old} ${status.state}`),
    is,
    process: (pid: number) => new NodeEnd(channelOf(cwd), `run-${pid}`)
  }
}

await t.test('a node is pending from its start, and runs once it says that it has joined', async t => {
  const { node, follow, states, is, changes, process } = await open(t)
  t.match(node.status, {
    node: 'w',
    state: 'STOPPED',
    mgmt_role: 'NODE',
    cluster_role: 'WORKER',
    port: 5,
    metrics_port: 6,
    reason: 'not started',
    restarts: 0
  })
  node.expect()
  follow('RUNNING', 77)
  t.equal(node.status.state, 'PENDING')
  t.equal(node.status.responding, undefined, 'it has said nothing yet')
  process(77).beat({ joined: false, unseen: ['manager'] })
  await until(() => node.status.responding, 'it is heard')
  t.same(node.unseen, ['manager'])
  t.equal(node.status.state, 'PENDING', 'it lives, but has not joined')
  process(77).beat()
  await is('RUNNING')
  t.match(node.status, { state: 'RUNNING', pid: 77, reason: 'joined the cluster', responding: true })
  t.same(node.unseen, [])
  t.same(states(), ['STOPPED PENDING', 'PENDING PENDING', 'PENDING RUNNING'])
  t.match(changes[1], { status: { pid: 77 }, reason: 'running' }, 'its process ID is told')
  t.equal(changes[2]!.reason, 'joined the cluster')
})

await t.test('who has joined once, and no longer sees the manager, still runs', async t => {
  const { node, follow, is, process } = await open(t)
  follow('RUNNING', 77)
  process(77).beat()
  await is('RUNNING')
  process(77).beat({ joined: false, unseen: ['manager'] })
  await until(() => node.unseen.length > 0, 'it is heard')
  t.equal(node.status.state, 'RUNNING')
})

await t.test('since when it is in its state is told, and stays while it is', async t => {
  const { node, follow, is, process } = await open(t)
  follow('RUNNING', 77)
  process(77).beat()
  await is('RUNNING')
  const { since } = node.status
  t.ok(Math.abs(Date.parse(since!) - Date.now()) < 60_000)
  process(77).beat({ unseen: ['manager'] })
  await until(() => node.unseen.length > 0, 'it is heard')
  t.equal(node.status.since, since)
})

await t.test('a process that does not join stays pending', async t => {
  const { node, follow } = await open(t)
  follow('RUNNING', 77)
  const abort = new AbortController()
  const ending = node.ending(abort.signal)
  abort.abort()
  t.equal(await ending, 'TIMEOUT')
  t.equal(await node.ending(AbortSignal.abort()), 'TIMEOUT')
  t.equal(node.status.state, 'PENDING')
  t.equal(node.listenerCount('changed'), 1, 'nobody listens any more')
})

await t.test('an exit is a crash, and another process has to join anew', async t => {
  const { node, follow, is, states, process } = await open(t)
  follow('RUNNING', 77)
  process(77).beat()
  await is('RUNNING')
  follow('CRASHED', undefined, { reason: 'killed by SIGSEGV' })
  t.match(node.status, { pid: undefined, responding: undefined, reason: 'killed by SIGSEGV' })
  follow('RUNNING', 78, { restarts: 1 })
  t.match(node.status, { state: 'PENDING', pid: 78, restarts: 1 })
  process(77).beat({ beat: 2 })
  const [waiting] = [node.ending(AbortSignal.timeout(100)), process(77).beat({ beat: 3 })]
  t.equal(await waiting, 'TIMEOUT', 'what the first has left behind does not count')
  process(78).beat()
  await is('RUNNING')
  follow('FAILED', undefined, { reason: 'too often' })
  t.same(states(), [
    'STOPPED PENDING',
    'PENDING RUNNING',
    'RUNNING CRASHED',
    'CRASHED PENDING',
    'PENDING RUNNING',
    'RUNNING FAILED'
  ])
})

await t.test('how long a start took is known until the next one, and of no start that nobody asked for', async t => {
  const { node, follow, is, process } = await open(t)
  follow('RUNNING', 77)
  process(77).beat()
  await is('RUNNING')
  t.equal(node.startSeconds, undefined, 'an agent that has found it running does not know')
  node.expect()
  follow('RUNNING', 78)
  process(78).beat()
  await is('RUNNING')
  const first = node.startSeconds
  t.type(first, 'number')
  follow('CRASHED')
  follow('RUNNING', 79)
  process(79).beat()
  await is('RUNNING')
  t.equal(node.startSeconds, first)
  node.expect()
  follow('CRASHED')
  follow('RUNNING', 80)
  process(80).beat()
  await is('RUNNING')
  t.equal(node.startSeconds, first, 'one that needed two attempts has no time of its own')
})

await t.test('what is told twice changes nothing', async t => {
  const { node, follow, is, changes, process } = await open(t)
  follow('RUNNING', 77)
  process(77).beat()
  await is('RUNNING')
  follow('RUNNING', 77)
  t.equal(node.status.state, 'RUNNING')
  t.equal(changes.length, 2)
})

await t.test('another process without an exit in between is joined anew', async t => {
  const { node, follow, is, process } = await open(t)
  follow('RUNNING', 77)
  process(77).beat()
  await is('RUNNING')
  follow('RUNNING', 78)
  t.match(node.status, { state: 'PENDING', pid: 78 })
  process(78).beat()
  await is('RUNNING')
})

await t.test('an attempt ends at the first that happens', async t => {
  for (const [state, ending] of [
    ['CRASHED', 'FAILED'],
    ['FAILED', 'FAILED'],
    ['STOPPED', 'STOPPED']
  ] as const) {
    const { node, follow } = await open(t)
    node.expect()
    follow('RUNNING', 77)
    const waiting = node.ending(never)
    follow(state)
    t.equal(await waiting, ending, state)
    t.equal(await node.ending(never), ending)
  }
  const { node, follow, process } = await open(t)
  node.expect()
  const waiting = [node.ending(never), node.ending(never)]
  follow('RUNNING', 77)
  process(77).beat()
  t.same(await Promise.all(waiting), ['RUNNING', 'RUNNING'])
})

await t.test('what is expected to start again forgets what it was', async t => {
  const { node, follow, is, process } = await open(t)
  follow('RUNNING', 77)
  process(77).beat()
  await is('RUNNING')
  node.expect()
  t.match(node.status, { state: 'PENDING', pid: undefined, responding: undefined })
  await t.rejects(node.idValue('A::b', never), { message: 'cluster node w not in running state' })
})

await t.test('a node that says nothing for long is unknown, and runs again when it speaks', async t => {
  const { node, follow, is, process, changes } = await open(t, { silentMs: 200 })
  follow('RUNNING', 77)
  process(77).beat()
  await is('UNKNOWN')
  t.match(node.status, { reason: 'has not answered for 0.2 s', responding: false, pid: 77 })
  t.equal(await node.ending(never), 'FAILED')
  await t.rejects(node.idValue('A::b', never), { message: 'cluster node w not in running state' })
  process(77).beat({ beat: 2 })
  await until(() => changes.some(({ reason }) => reason === 'answers again'), 'it runs again')
  t.match(
    changes.find(({ reason }) => reason === 'answers again'),
    { old_state: 'UNKNOWN', status: { state: 'RUNNING', pid: 77, responding: true } }
  )
})

await t.test('a node that was silent before it has joined is pending again', async t => {
  const { follow, is, process, changes } = await open(t, { silentMs: 200 })
  follow('RUNNING', 77)
  process(77).beat({ joined: false })
  await is('UNKNOWN')
  process(77).beat({ joined: false, beat: 2 })
  await until(
    () => changes.some(({ old_state: old, status }) => old === 'UNKNOWN' && status.state === 'PENDING'),
    'it is pending'
  )
})

await t.test('who was not looked at is not taken to be silent', async t => {
  const { node, follow, is, process } = await open(t, { silentMs: 300 })
  follow('RUNNING', 77)
  process(77).beat()
  await is('RUNNING')
  // This process is held up, while the node is not.
  process(77).beat({ beat: 2, unseen: ['manager'] })
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600)
  await until(() => node.unseen.length > 0, 'it is heard')
  t.equal(node.status.state, 'RUNNING')
})

await t.test('only a node that is silent for long enough is stuck', async t => {
  const { node, follow, process } = await open(t, { silentMs: 100, stuckMs: 300 })
  const stuck: number[] = []
  node.on('stuck', seconds => stuck.push(seconds))
  follow('RUNNING', 77)
  process(77).beat()
  await until(() => stuck.length > 0, 'it is stuck')
  t.same(stuck, [0.3])
  t.equal(node.status.state, 'UNKNOWN')
})

await t.test('what is secret of an option that was set is hidden in whatever the node tells', async t => {
  const { node } = await open(t)
  const options = [
    { name: 'Site::api_token', value: 'swordfish' },
    { name: 'Site::title', value: 'harbour' }
  ]
  await t.rejects(node.setOptions(options, never), { code: 'unavailable' }, 'it does not run')
  t.equal(hidden(node, 'harbour, swordfish'), `harbour, ${mask}`)
})

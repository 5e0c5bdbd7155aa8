import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import { ManagedNode, type Change } from '../../src/agent/managed-node.js'
import type { UnitStatus } from '../../src/supervisor/program.js'
import { freePorts, until } from '../helper.js'

const never = new AbortController().signal

/** A managed node whose supervisor is the test, and a listener that acknowledges where a Zeek node would. */
async function open (t: Test, { listens = true } = {}) {
  const [port] = await freePorts(1)
  if (listens) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: port! })
    await once(server, 'listening')
    server.on('connection', socket => socket.on('message', () => socket.send('{"type":"ack"}')))
    t.teardown(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
  }
  const node = new ManagedNode({ name: 'w', instance: 'a', role: 'WORKER', agent_port: port!, port: 5, metrics_port: 6 }, {} as any)
  const changes: Change[] = []
  node.on('changed', change => changes.push(change))
  const follow = (state: UnitStatus['state'], pid?: number, reason = state.toLowerCase()) => node.follow({ name: 'w', kind: 'detached', tag: '', state, reason, ...(pid ? { pid } : {}) })
  t.teardown(() => follow('STOPPED'))
  return { node, changes, follow, states: () => changes.map(({ old_state: old, status }) => `${old} ${status.state}`), runs: () => until(() => node.status.state === 'RUNNING', 'it runs') }
}

await t.test('a node is pending from its start, and runs once it has joined', async t => {
  const { node, follow, states, runs, changes } = await open(t)
  t.same(node.status, { node: 'w', state: 'STOPPED', mgmt_role: 'NODE', cluster_role: 'WORKER', port: 5, metrics_port: 6 })
  node.expect()
  follow('RUNNING', 77)
  t.equal(node.status.state, 'PENDING')
  await runs()
  t.match(node.status, { state: 'RUNNING', pid: 77 })
  t.same(states(), ['STOPPED PENDING', 'PENDING PENDING', 'PENDING RUNNING'])
  t.match(changes[1], { status: { pid: 77 }, reason: 'running' }, 'its process ID is told')
  t.equal(changes[2]!.reason, 'joined the cluster')
  t.ok(node.client)
})

await t.test('a process that does not acknowledge stays pending', async t => {
  const { node, follow } = await open(t, { listens: false })
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
  const { node, follow, runs, states } = await open(t)
  follow('RUNNING', 77)
  await runs()
  const { client } = node
  follow('CRASHED', undefined, 'killed by SIGSEGV')
  t.equal(node.status.pid, undefined)
  t.equal(node.client, undefined)
  follow('RUNNING', 78)
  t.match(node.status, { state: 'PENDING', pid: 78 })
  t.not(node.client, client)
  await runs()
  follow('FAILED', undefined, 'too often')
  t.same(states(), ['STOPPED PENDING', 'PENDING RUNNING', 'RUNNING CRASHED', 'CRASHED PENDING', 'PENDING RUNNING', 'RUNNING FAILED'])
})

await t.test('what is told twice changes nothing', async t => {
  const { node, follow, runs, changes } = await open(t)
  follow('RUNNING', 77)
  await runs()
  const { client } = node
  follow('RUNNING', 77)
  t.equal(node.client, client)
  t.equal(node.status.state, 'RUNNING')
  t.equal(changes.length, 2)
})

await t.test('another process without an exit in between is joined anew', async t => {
  const { node, follow, runs } = await open(t)
  follow('RUNNING', 77)
  await runs()
  follow('RUNNING', 78)
  t.match(node.status, { state: 'PENDING', pid: 78 })
  await runs()
})

await t.test('an attempt ends at the first that happens', async t => {
  for (const [state, ending] of [['CRASHED', 'FAILED'], ['FAILED', 'FAILED'], ['STOPPED', 'STOPPED']] as const) {
    const { node, follow } = await open(t, { listens: false })
    node.expect()
    follow('RUNNING', 77)
    const waiting = node.ending(never)
    follow(state)
    t.equal(await waiting, ending, state)
    t.equal(await node.ending(never), ending)
  }
  const { node, follow } = await open(t)
  node.expect()
  const waiting = [node.ending(never), node.ending(never)]
  follow('RUNNING', 77)
  t.same(await Promise.all(waiting), ['RUNNING', 'RUNNING'])
})

await t.test('what is expected to start again forgets what it was', async t => {
  const { node, follow, runs } = await open(t)
  follow('RUNNING', 77)
  await runs()
  node.expect()
  t.equal(node.client, undefined)
  t.equal(node.status.pid, undefined)
  t.equal(node.status.state, 'PENDING')
})

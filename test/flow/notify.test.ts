import { createHmac, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fakeAgent } from '../controller/fake-agent.js'
import { startReceiver } from '../notify/receiver.js'
import { getJson } from '../support/client.js'
import { directoryOf } from '../support/directory.js'
import { startHost } from '../support/host.js'
import { freePorts } from '../support/ports.js'
import { childrenOf } from '../support/running.js'
import { until } from '../support/until.js'

const secret = `whsec_${randomBytes(32).toString('base64')}`

/** A controller in a process of its own, that tells what a file says; and an agent that it believes. */
async function start(t: Test, notify: object) {
  const directory = directoryOf(t)
  const file = join(directory, 'notify.json')
  const write = (content: object | string) =>
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
  write(notify)
  const [http, agents] = (await freePorts(2)) as [number, number]
  const flags = {
    'management-state-dir': join(directory, 'state'),
    'management-restart-delay-max': '0.5',
    'controller-name': 'controller',
    'controller-websocket-port': String(http),
    'controller-port': String(agents),
    'controller-health-interval': '0',
    'controller-notify': file
  }
  const host = await startHost(t, flags, ['--controller'])
  const url = `http://127.0.0.1:${http}`
  const queueOf = async (rule = 0) => (await getJson(`${url}/v1/notifications`)).rules[rule].queues[0]
  return { host, url, agents, file, write, flags, queueOf }
}

const rule = { name: 'nodes', types: ['notify_change'], group_for: 0 }

await t.test('what happens is told to a webhook, signed, once', async t => {
  const receiver = await startReceiver(t)
  const { url, agents, queueOf, host, flags } = await start(t, {
    sinks: {
      ops: { webhook: { url: `${receiver.url}/secret-path`, secret, headers: { Authorization: 'Bearer hidden' } } }
    },
    rules: [rule]
  })
  const agent = await fakeAgent(t, agents)
  agent.change('worker-1', 'RUNNING', 'CRASHED', 'killed by SIGSEGV')
  await until(() => receiver.received.length === 1, 'it is told')
  const [{ method, path, headers, body }] = receiver.received as [(typeof receiver.received)[0]]
  t.same([method, path, headers.authorization], ['POST', '/secret-path', 'Bearer hidden'])
  const key = Buffer.from(secret.slice(6), 'base64')
  const signed = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`
  t.equal(headers['webhook-signature'], `v1,${createHmac('sha256', key).update(signed).digest('base64')}`)
  const { data } = JSON.parse(body)
  t.match(data, {
    id: headers['webhook-id'],
    source: 'controller',
    rule: 'nodes',
    sink: 'ops',
    severity: 'error',
    count: 1,
    occurrences: [{ type: 'notify_change', node: 'worker-1', instance: 'agent-a' }]
  })
  agent.change('worker-1', 'CRASHED', 'RUNNING')
  await until(() => receiver.received.length === 2, 'that it is over is told')
  t.match(receiver.notifications[1], { severity: 'error', occurrences: [{ over: true }] })
  await until(async () => (await queueOf()).waiting === 0, 'nothing waits')
  const { delivered_until: place } = await queueOf()
  t.equal(place, receiver.notifications[1].occurrences[0].cursor)

  const answers = await Promise.all(
    ['/v1/notifications', '/v1/audit', '/v1/events/history', '/metrics'].map(async path =>
      (await fetch(`${url}${path}`)).text()
    )
  )
  for (const text of [...answers, host.output.stderr, host.output.stdout]) {
    t.notMatch(text, /secret-path|hidden|whsec_/)
  }
  t.match(answers[1], /"action":"notify","outcome":"succeeded"/)
  t.match(answers[3], 'zeek_cluster_notifications_total{sink="ops",outcome="delivered"} 2')
  t.match(answers[3], 'zeek_cluster_notifications_waiting{sink="ops"} 0')

  await host.stop()
  await startHost(t, flags, ['--controller'])
  const another = await fakeAgent(t, agents)
  another.change('worker-2', 'RUNNING', 'CRASHED')
  await until(() => receiver.received.length === 3, 'what happens after a restart is told')
  t.match(receiver.notifications[2].occurrences[0], { node: 'worker-2' }, 'and nothing again')
})

await t.test('after kill -9 between delivery and commit the same is told again, under the same id', async t => {
  const receiver = await startReceiver(t, () => {})
  const { agents, host, queueOf } = await start(t, {
    sinks: { ops: { webhook: { url: receiver.url, secret } } },
    rules: [rule]
  })
  const agent = await fakeAgent(t, agents)
  agent.change('worker-1', 'RUNNING', 'CRASHED')
  agent.change('worker-2', 'RUNNING', 'FAILED')
  await until(() => receiver.received.length === 1, 'the sink has it, and has not answered')
  receiver.behave((_received, response) => response.end())
  process.kill(childrenOf(host.pid)[0]!, 'SIGKILL')
  await until(() => receiver.received.length >= 3, 'all is told')
  const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
  t.equal(ids[1], ids[0], 'the double can be dropped')
  t.not(ids[2], ids[0])
  t.same(
    receiver.notifications.map(({ occurrences }) => occurrences[0].node),
    ['worker-1', 'worker-1', 'worker-2']
  )
  await until(async () => (await queueOf()).waiting === 0, 'nothing waits')
})

await t.test('SIGHUP has the file read again; one that is no good changes nothing', async t => {
  const [one, other] = [await startReceiver(t), await startReceiver(t)]
  const { agents, host, url, write } = await start(t, { sinks: { ops: { webhook: { url: one.url } } }, rules: [rule] })
  const agent = await fakeAgent(t, agents)
  agent.change('worker-1', 'RUNNING', 'CRASHED')
  await until(() => one.received.length === 1, 'it is told')

  write({ sinks: { ops: { webhook: { url: one.url, secret: 'whsec_c2hvcnQ=' } } }, rules: [rule] })
  host.child.kill('SIGHUP')
  await until(() => /stay as they were/.test(host.output.stderr), 'it says so')
  t.match(host.output.stderr, /notify\.json: \/sinks\/ops\/webhook\/secret must be whsec_/)
  t.notMatch(host.output.stderr, 'c2hvcnQ')
  agent.change('worker-1', 'CRASHED', 'FAILED')
  await until(() => one.received.length === 2, 'the old rules stay')

  write({ sinks: { ops: { webhook: { url: other.url } } }, rules: [rule] })
  host.child.kill('SIGHUP')
  await until(() => /as their file says/.test(host.output.stderr), 'it is read')
  agent.change('worker-2', 'RUNNING', 'CRASHED')
  await until(() => other.received.length === 1, 'it goes elsewhere')
  t.match(other.notifications[0].occurrences, [{ node: 'worker-2' }], 'from where it was')
  t.equal((await getJson(`${url}/v1/notifications`)).sinks[0].target, other.url)
})

await t.test('a controller whose file is no good does not start, and says where', async t => {
  const { host, file, flags, write } = await start(t, { sinks: { ops: { mail: { to: ['a@b.example'], from: 'z' } } } })
  await host.stop()
  write('sinks: { ops: { webhok: { url: "https://u:hidden@example.org" } } }')
  const again = await startHost(t, flags, ['--controller'])
  await again.exited
  t.match(again.output.stderr, `${file}: /sinks/ops/webhok is not known; did you mean webhook?`)
  t.notMatch(again.output.stderr, 'hidden')
  t.match(readFileSync(file, 'utf8'), 'hidden')
})

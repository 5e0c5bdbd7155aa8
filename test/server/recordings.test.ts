import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { startTestAgent } from '../support/agent.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'
import { openClient, plain, read, type MessagesClient } from '../support/zeek-websocket.js'
import { fixture } from '../support/environment.js'

/** Recorded of a Zeek 9.0 and its controller, whose agent was agent-testbox. */
function recorded<T>(name: string): T[] {
  return readFileSync(fixture('zeek', `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

async function connected(url: string): Promise<void> {
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length > 0, 'the agent is connected')
}

interface Case {
  name: string
  sent: string[]
  out: { recv: string }[]
  close: [number, string]
}

/** The frame without what differs from server to server. */
const general = (text: string) => text.replace(/("type":"ack","endpoint":)"[^"]+","version":"[^"]+"/, '$1…')
/** Recorded frames were cut at this length. */
const cutAt = 500

/** A read is answered before it is written down, and told to others after that: the next client must not hear of it. */
const written = ({ controller }: Awaited<ReturnType<typeof startTestController>>) =>
  until(() => controller.pendingRequests === 0, 'what was asked is written down')

/** How each case was sent, where it was not just the text. */
const how: Record<string, { at?: string; headers?: Record<string, string>; binary?: true }> = {
  'wrong path': { at: '/v1/messages/nope' },
  'binary frame': { binary: true },
  'app name header ok': { headers: { 'x-application-name': 'zeek-client/1.4.0' } },
  'app name header bad': { headers: { 'x-application-name': 'bad name!' } }
}

await t.test('handshakes and messages, good and bad, are answered as Zeek answers them', async t => {
  const controller = await startTestController(t)
  const { url, settings } = controller
  await startTestAgent(t, 'agent-testbox', settings.controller_port)
  await connected(url)
  for (const { name, sent, out, close } of recorded<Case>('websocket-errors')) {
    await t.test(name, async t => {
      const { binary = false, ...options } = how[name] ?? {}
      const client = await openClient(t, settings.controller_websocket_port, null, options)
      for (const text of sent) client.socket.send(text, { binary })
      for (let n = 0; n < out.length; n++) await client.next()
      if (close[0] === 1005) client.socket.close()
      t.same(await client.closed, { code: close[0], reason: close[1] })
      t.equal(client.texts.length, out.length)
      for (const [index, { recv }] of out.entries()) {
        const [ours, theirs] = [general(client.texts[index]!), general(recv)]
        if (theirs.length < cutAt) t.equal(ours, theirs)
        else t.equal(ours.slice(0, theirs.length), theirs)
      }
      await written(controller)
    })
  }
})

interface Command {
  command: string
  frames: { from: 'client' | 'controller'; frame: any }[]
}

/**
 * The value, with sets in an order, and without what is another machine's: process ids, and ports that were assigned.
 */
function canonical(value: any, given: ReadonlySet<string>): any {
  const { '@data-type': type, data } = value
  const items = (list: any[]) => list.map(item => canonical(item, given))
  switch (type) {
    case 'vector':
      return { type, data: items(data) }
    case 'set':
      return {
        type,
        data: items(data)
          .map(item => JSON.stringify(item))
          .sort()
      }
    case 'table':
      return {
        type,
        data: data
          .map((entry: any) => JSON.stringify([canonical(entry.key, given), canonical(entry.value, given)]))
          .sort()
      }
    case 'port':
      return { type, data: given.has(data) ? data : 'assigned' }
    default:
      return { type, data }
  }
}

const sorted = (list: any[]) => [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

/** A response as name, request ID and results, in an order. Each result must be of the request that was asked. */
function response(t: Test, message: any, given: ReadonlySet<string>, isOurs: boolean) {
  const [
    { data: name },
    {
      data: [reqid, rest]
    }
  ] = message.data[2].data
  const one = rest.data[0]?.['@data-type'] !== 'vector'
  const results = (one ? [rest] : rest.data).map((result: any) => {
    // Zeek's controller leaves the IDs of its own requests to agents in results: ours are all the client's.
    if (isOurs) t.equal(result.data[0].data, reqid.data)
    const [, success, instance, data, error, node] = result.data
    const statuses = /get_nodes/.test(name) && data['@data-type'] === 'vector'
    const comparable = statuses
      ? sorted(
          data.data.map(({ data: [name, state, role, clusterRole, pid, port, metrics] }: any) => [
            name,
            state,
            role,
            clusterRole,
            pid['@data-type'],
            canonical(port, given),
            canonical(metrics, given)
          ])
        )
      : canonical(data, given)
    return [success, instance, comparable, error, node]
  })
  return { topic: message.topic, name, reqid: reqid.data, one, results: sorted(results) }
}

/** What is better here on purpose, made to the recorded message before it is compared. */
const improved: Record<string, (message: any) => any> = {
  // The agent here runs in the test's process: no controller is beside it.
  'Management::Controller::API::get_nodes_response': message => {
    const statuses = message.data[2].data[1].data[1].data[0].data[3]
    statuses.data = statuses.data.filter(({ data: [, , role] }: any) => role.data !== 'Management::CONTROLLER')
    return message
  },
  // A node that fails to start is known at once: nothing times out, and what the node has said is all there is.
  'Management::Controller::API::deploy_response': message => {
    const results = message.data[2].data[1].data[1]
    results.data = results.data.filter(({ data: [, , , , error] }: any) => error.data !== 'request timed out')
    return message
  }
}

const isFailed = (results: any[]) => results.some(([success, , data]) => !success.data && data.type === 'vector')

/** Takes the outputs of the failed node out, since they are the stand-in's: what it says on stderr. */
function outputsOf(results: any[]): string {
  const [, , outputs] = results.find(([success, , data]) => !success.data && data.type === 'vector')
  const [{ data: stdout }, { data: stderr }] = outputs.data
  if (typeof stdout !== 'string') throw new Error('there is no stdout')
  outputs.data = []
  return stderr
}

/** Without state there is no response, neither before the request's time is over nor after. */
async function expires(t: Test, url: string, client: MessagesClient): Promise<void> {
  await until(
    async () => (await getJson(`${url}/v1/requests?type=test_timeout&state=expired`)).requests.length === 1,
    'it is expired'
  )
  client.send(JSON.stringify({ type: 'nope' }))
  t.match(read(await client.next()), { type: 'error' })
}

await t.test("zeek-client is answered as Zeek's controller answered it", async t => {
  const [proxyPort] = await freePorts(1)
  const controller = await startTestController(t, { 'controller-timeout-test-timeout': '0.3' })
  const { url, settings } = controller
  await startTestAgent(t, 'agent-testbox', settings.controller_port)
  await connected(url)
  // The one port that a configuration names, and that a node listens on, is one that is free here.
  const ported = (frame: any) => JSON.parse(JSON.stringify(frame).replaceAll('5123/tcp', `${proxyPort}/tcp`))
  const given = new Set([`${proxyPort}/tcp`])
  let answered = 0
  for (const { command, frames } of recorded<Command>('zeek-client')) {
    await t.test(command, async t => {
      const client: MessagesClient = await openClient(t, settings.controller_websocket_port, null)
      let asked: any
      for (const { from, frame } of frames) {
        if (from === 'client') {
          asked = ported(frame)
          client.send(JSON.stringify(asked))
          continue
        }
        const ours = await client.next()
        if (frame.type === 'ack') {
          t.same(Object.keys(ours), Object.keys(frame))
          t.equal(ours.type, 'ack')
          continue
        }
        const name = frame.data[2].data[0].data
        const theirs = (improved[name] ?? (message => message))(ported(frame))
        const [a, b] = [response(t, ours, given, true), response(t, theirs, given, false)]
        if (isFailed(b.results)) {
          const [stderr, other] = [a, b].map(({ results }) => outputsOf(results))
          t.match(stderr, /can't find nosuchscript/)
          t.match(other, /can't find nosuchscript/)
        }
        t.same(a, b)
        t.equal(ours.data[2].data[1].data[0].data, plain(asked.data[2])[1][0])
        answered++
      }
      if (/test-timeout$/.test(command)) await expires(t, url, client)
      client.socket.close()
      await client.closed
      await written(controller)
    })
  }
  t.equal(answered, 18)
})

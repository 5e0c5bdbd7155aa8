import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NeededRole } from '../schemas/access.js'
import { clusterOf, deploy, post } from './cluster.js'
import { startController, type RunningController } from './controller.js'
import { fill, keepsAll } from './history.js'
import type { AgentsJob } from './loads/agents.js'
import { startOurs, told } from './process.js'
import type { Bench, Row } from './row.js'

/** Something that a client can ask for. */
interface Ask {
  role: NeededRole
  what: string
  go: (url: string) => Promise<void>
}

/** What a client that may change nothing can have one request cost, in requests of the cheapest kind. */
const most = 50

/**
 * What a request of each route costs on a cluster of 20 instances with 50 nodes each, and with a long history, beside
 * the cheapest one. Of requests without a token, on a controller that wants one.
 */
export const bench: Bench = async function* ({ quick, say }) {
  const [instances, each] = quick ? [4, 10] : [20, 50]
  const events = quick ? 5_000 : 100_000
  const ms = quick ? 50 : 1_000
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  await fill(directory, { events, requests: events / 10 })
  const controller = await startController({ ...keepsAll, 'controller-health-interval': 0 }, { directory })
  const agents = startOurs(1, './loads/agents.js')
  try {
    agents.send({ type: 'connect', port: controller.agentPort, count: instances } satisfies AgentsJob)
    await told(agents)
    await deploy(controller, clusterOf(instances, 'routes', { each }))
    say(`${instances * each} nodes are deployed`)
    const { reqid } = await post(controller, 'get_id_value', { id: 'x' })
    yield* rows(controller, [...reads(reqid), ...bodies, ...streams], ms)
  } finally {
    agents.disconnect()
    await controller.stop()
  }
  const closed = await startController({ 'controller-authentication': 'token' })
  try {
    yield* rows(closed, strangers, ms)
  } finally {
    await closed.stop()
  }
}

async function* rows(controller: RunningController, asks: readonly Ask[], ms: number): AsyncGenerator<Row> {
  for (const { role, what, go } of asks) {
    const [ours, theirs] = [await costOf(controller, go, ms), await costOf(controller, cheapest, ms / 4)]
    const aim = role === 'anyone' || role === 'viewer' ? { aim: { atMost: most } } : {}
    yield { what: `${what} (${role})`, figure: 'CPU ms per request', ours, baseline: 'GET /healthz', theirs, ...aim }
  }
}

/** Returns the milliseconds of CPU time that one request takes of the controller. */
async function costOf(controller: RunningController, go: Ask['go'], ms: number): Promise<number> {
  for (let n = 0; n < 3; n++) await go(controller.url)
  const [before, end] = [controller.cpu(), performance.now() + ms]
  let count = 0
  for (; count < 3 || performance.now() < end; count++) await go(controller.url)
  // What is written down after the answer is a part of it.
  await sleep(50)
  return (controller.cpu() - before) / 1000 / count
}

/** Asks with `fetch`. Throws for an answer with another status. */
const asking =
  (path: string, expected = 200, init: RequestInit = {}): Ask['go'] =>
  async url => {
    const response = await fetch(url + path, init)
    const text = await response.text()
    if (response.status !== expected) throw new Error(`${path}: ${response.status} ${text.slice(0, 500)}`)
  }

const cheapest = asking('/healthz')

const get = (role: NeededRole, path: string, expected?: number, headers: Record<string, string> = {}): Ask => ({
  role,
  what: `GET ${path.replace(/[0-9a-f-]{36}/, '…')}${headers.accept ? ` ${headers.accept}` : ''}`,
  go: asking(path, expected, { headers })
})

const reads = (reqid: string): Ask[] => [
  get('anyone', '/nope', 404),
  get('anyone', '/readyz'),
  get('anyone', '/openapi.yaml'),
  get('anyone', '/docs/'),
  get('anyone', '/docs/json'),
  get('anyone', '/docs/yaml'),
  get('anyone', '/docs/static/swagger-ui-bundle.js'),
  get('viewer', '/v1/session'),
  get('viewer', '/v1/instances'),
  get('viewer', '/v1/nodes'),
  get('viewer', '/v1/nodes?limit=100'),
  get('viewer', '/v1/nodes?state=CRASHED'),
  get('viewer', '/v1/health'),
  get('viewer', '/v1/requests'),
  get('viewer', '/v1/requests?limit=200'),
  get('viewer', '/v1/requests?type=get_id_value'),
  get('viewer', `/v1/requests/${reqid}`),
  get('viewer', '/v1/events/history'),
  get('viewer', '/v1/events/history?limit=1000'),
  get('viewer', '/v1/events/history?node=nobody'),
  get('viewer', '/v1/prometheus/targets'),
  get('viewer', '/metrics'),
  get('operator', '/v1/configurations/staged'),
  get('operator', '/v1/configurations/ready'),
  get('operator', '/v1/configurations/deployed'),
  get('operator', '/v1/configurations/deployed', 200, { accept: 'text/x-ini' }),
  get('admin', '/v1/audit?limit=1000')
]

const size = 1_000_000
const long = (item: string) => `[${Array(Math.floor(size / (item.length + 1))).fill(item)}]`
const members = (count: number, value: string) =>
  `{${Array.from({ length: count }, (_, n) => `"m${n}":${value}`).join()}}`

const posting = (role: NeededRole, type: string, what: string, body: string, expected: number): Ask => ({
  role,
  what: `POST ${type}, ${what}`,
  go: asking(`/v1/requests/${type}`, expected, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body
  })
})

/** The worst megabytes that we know of. */
const bodies: Ask[] = [
  posting('viewer', 'get_instances', 'no arguments', '{}', 202),
  posting('viewer', 'get_nodes', 'no arguments', '{}', 202),
  posting('viewer', 'get_id_value', 'all nodes', '{"id":"x"}', 202),
  posting('viewer', 'get_node_stats', '1 MB of unknown members', members(80_000, '0'), 400),
  posting('viewer', 'get_node_stats', '1 MB in the name of a member', `{"${'x'.repeat(size)}":0}`, 400),
  posting('viewer', 'get_node_stats', '1 MB of bad names', `{"nodes":${long('"-"')}}`, 400),
  posting('viewer', 'get_node_stats', '1 MB of names', `{"nodes":${long('"a"')}}`, 400),
  posting('viewer', 'get_node_stats', '10,000 names', `{"nodes":[${Array(10_000).fill('"a"')}]}`, 202),
  posting('viewer', 'get_node_stats', '1 MB of one text', `{"nodes":["${'x'.repeat(size)}"]}`, 400),
  posting('viewer', 'get_node_stats', '1 MB of nulls', `{"nodes":${long('null')}}`, 400),
  posting('viewer', 'get_node_stats', '1 MB of lists', `{"nodes":${long('[]')}}`, 400),
  posting(
    'viewer',
    'get_node_stats',
    '1 MB that is no JSON',
    `{"nodes":${'['.repeat(60)}${'0,'.repeat(size / 2)}`,
    400
  ),
  posting('viewer', 'get_id_value', '1 MB of an identifier', `{"id":"${'x'.repeat(size)}"}`, 400)
]

/** Opens a stream and reads until something comes. */
const streaming =
  (path: string, awaited: string, meanwhile?: Ask['go']): Ask['go'] =>
  async url => {
    const reading = new AbortController()
    const response = await fetch(url + path, { headers: { accept: 'application/x-ndjson' }, signal: reading.signal })
    await meanwhile?.(url)
    let text = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text = text.slice(-100) + chunk
      if (text.includes(awaited)) break
    }
    reading.abort()
  }

const marker = asking('/v1/requests/get_instances', 202, { method: 'POST' })
const streams: Ask[] = [
  { role: 'viewer', what: 'GET /v1/events', go: streaming('/v1/events', '"hello"') },
  {
    role: 'viewer',
    what: 'GET /v1/events?snapshot=true',
    go: streaming('/v1/events?snapshot=true', '"snapshot-end"')
  },
  {
    role: 'viewer',
    what: 'GET /v1/events?from=earliest, nothing fits',
    go: streaming('/v1/events?from=earliest&types=get_instances_response', 'get_instances_response', marker)
  },
  {
    role: 'viewer',
    what: 'GET /v1/events?from=earliest, all',
    go: streaming('/v1/events?from=earliest', 'get_instances_response', marker)
  }
]

const strangers: Ask[] = [
  get('anyone', '/v1/nodes', 401),
  get('anyone', '/v1/nodes', 401, { authorization: `Bearer zcc_0123456789ab_${'x'.repeat(43)}` }),
  {
    role: 'anyone',
    what: 'POST /v1/session, a guess',
    go: asking('/v1/session', 401, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: 'guess' })
    })
  },
  posting('anyone', 'get_nodes', '1 MB, without a token', long('0'), 401)
]

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { NodeStats } from '../../../schemas/operations.js'
import type { NodeState, Outcome } from '../../../schemas/types.js'
import { NodeHealth } from '../../../src/agent/stats/node-health.js'
import { increase, ratesOf, type Reading } from '../../../src/agent/stats/rates.js'
import { Sampler } from '../../../src/agent/stats/sampler.js'
import { messageOf } from '../../../src/errors.js'
import { looksSecret } from '../../../src/security/secret-names.js'
import { until } from '../../support/until.js'

interface World {
  /** Of worker-1; a test may change it. */
  status: { state: NodeState; pid?: number }
  child: ReturnType<typeof spawn>
  scrapes: () => number
  sampler: Sampler
  health: NodeHealth
  stats(): Promise<NodeStats | undefined>
  outcome(): Promise<Outcome>
}

const text = (received: number, dropped = 0) => `zeek_net_received_packets_total{node="worker-1"} ${received}
zeek_net_dropped_packets_total{node="worker-1"} ${dropped}
zeek_net_link_packets_total{node="worker-1"} ${received + dropped}
zeek_net_packet_lag_seconds{node="worker-1"} -0.0001
zeek_active_sessions{node="worker-1",protocol="tcp"} 2
zeek_active_sessions{node="worker-1",protocol="udp"} 1
`
const never: AbortSignal = new AbortController().signal

/**
 * A node with a process and, where something answers, a metrics endpoint; and a sampler that samples only when asked,
 * or every so often.
 */
async function world(
  t: Test,
  answer: RequestListener | undefined,
  { intervalMs = 3_600_000, reads = true } = {}
): Promise<World> {
  let count = 0
  const server = createServer((request, response) => {
    count++
    answer?.(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const child = spawn('sleep', ['600'])
  const closing = new AbortController()
  t.teardown(() => {
    closing.abort()
    child.kill('SIGKILL')
    server.closeAllConnections()
    server.close()
  })
  const status: World['status'] = { state: 'RUNNING', pid: child.pid! }
  const node = {
    node: { name: 'worker-1', instance: 'a', role: 'WORKER', ...(reads ? { interface: 'lo' } : {}) },
    program: { env: { API_TOKEN: 'hunter22' } },
    isSecret: looksSecret,
    runtimeOptions: [],
    unseen: [],
    get status() {
      return { node: 'worker-1', mgmt_role: 'NODE', ...status }
    }
  }
  const get = (name: string): any => (name === 'worker-1' ? node : undefined)
  const metrics = answer ? { metrics_port: (server.address() as AddressInfo).port } : {}
  const table = {
    get,
    statuses: () => [node.status as any],
    share: {
      config_id: 'c',
      layout: {
        backend: 'zeromq' as const,
        nodes: [{ name: 'worker-1', role: 'WORKER' as const, host: '127.0.0.1', ...metrics }]
      },
      nodes: []
    },
    each: async (names: readonly string[], job: (node: any) => Promise<object>) =>
      await Promise.all(
        names.map(async (name): Promise<Outcome> => {
          try {
            return { success: true, instance: 'a', node: name, data: await job(get(name)) }
          } catch (error) {
            return { success: false, instance: 'a', node: name, error: messageOf(error) }
          }
        })
      )
  }
  const health = new NodeHealth(table, () => '/nowhere')
  const sampler = new Sampler(table, samples => health.note(samples), intervalMs, closing.signal)
  const outcome = async () => (await sampler.stats(['worker-1'], undefined, never, () => {}))[0]!
  return {
    status,
    child,
    scrapes: () => count,
    sampler,
    health,
    outcome,
    stats: async () => (await outcome()).data?.stats
  }
}

const reading = (at: number, stats: Partial<NodeStats>, process = 'p'): Reading => ({
  process,
  at,
  stats: { node: 'w', time: '', pid: 1, uptime: 100, cpu_seconds: 0, memory_bytes: 0, ...stats }
})

await t.test('rates are of the time between two readings', async t => {
  const before = reading(1000, { cpu_seconds: 5, packets_received: 1000, packets_dropped: 10 })
  t.match(ratesOf(before, reading(3000, { cpu_seconds: 6, packets_received: 1300, packets_dropped: 110 })), {
    interval: 2,
    cpu_percent: 50,
    packets_per_second: 150,
    dropped_per_second: 50,
    dropped_percent: 25
  })
  t.match(
    ratesOf(before, { ...before, at: 2000 }),
    { packets_per_second: 0, dropped_percent: 0 },
    'nothing was received'
  )
  t.equal(ratesOf(undefined, before).interval, undefined)
  t.equal(ratesOf(before, before).interval, undefined, 'a rate of no time is none')
  const blind = ratesOf(before, reading(3000, { cpu_seconds: 6 }))
  t.same([blind.cpu_percent, blind.packets_per_second, blind.dropped_percent], [50, undefined, undefined])
})

await t.test('a counter that is smaller than before has begun again', async t => {
  t.same([increase(5, 7), increase(7, 5), increase(7, 0), increase(7, 7)], [2, 5, 0, 0])
  const before = reading(1000, { cpu_seconds: 5, packets_received: 1000, packets_dropped: 10 })
  t.match(ratesOf(before, reading(3000, { cpu_seconds: 5, packets_received: 50, packets_dropped: 0 })), {
    interval: 2,
    packets_per_second: 25,
    dropped_per_second: 0
  })
})

await t.test('what another process has counted is of its own time, be it more than before', async t => {
  const before = reading(1000, { cpu_seconds: 5, packets_received: 1000, packets_dropped: 10 })
  t.match(
    ratesOf(before, reading(11_000, { uptime: 4, cpu_seconds: 6, packets_received: 2000, packets_dropped: 0 }, 'q')),
    { interval: 4, cpu_percent: 150, packets_per_second: 500, dropped_percent: 0 }
  )
})

await t.test('a node is sampled with what its process and its metrics tell, and rates from the first', async t => {
  const { stats, child } = await world(t, (_request, response) =>
    response.end(text((received += 100), (dropped += 100)))
  )
  let [received, dropped] = [0, 0]
  const first = await stats()
  t.match(first, { node: 'worker-1', pid: child.pid, threads: 1, packet_lag: 0, sessions: 3, idle: 0 })
  t.ok(first!.memory_bytes > 0 && first!.uptime >= 0 && first!.interval! > 0)
  t.equal(first!.packets_link, first!.packets_received! + first!.packets_dropped!)
  t.equal(first!.dropped_percent, 50)
  t.ok(first!.packets_per_second! > 0)
})

await t.test('the sampler samples by itself, and tells of what it has sampled', async t => {
  let received = 0
  const { health, scrapes, stats } = await world(
    t,
    (_request, response) => response.end(text((received += 99), received / 99)),
    { intervalMs: 100 }
  )
  await until(() => health.report().nodes[0]?.dropped_percent, 'it has a rate')
  t.match(health.report(), { nodes: [{ node: 'worker-1', dropped_percent: 1, packets_per_second: Number, idle: 0 }] })
  const before = scrapes()
  t.ok((await stats())!.packets_received! >= before * 99, 'a request samples anew')
})

await t.test('a node that receives nothing is idle', async t => {
  let received = 0
  const { health } = await world(t, (_request, response) => response.end(text(received)), { intervalMs: 50 })
  await until(() => health.report().nodes[0]?.idle! > 0.2, 'it was idle since its start')
  received = 1
  await until(() => health.report().nodes[0]?.idle === 0, 'it has received something')
  await until(() => health.report().nodes[0]?.idle! > 0.2, 'and is idle again')
})

await t.test('a node without an interface is neither idle nor in the health of the cluster', async t => {
  const { health, scrapes, stats } = await world(t, (_request, response) => response.end(text(0)), {
    intervalMs: 50,
    reads: false
  })
  await until(() => scrapes() > 3, 'it was sampled')
  t.same(health.report(), { nodes: [] })
  t.equal((await stats())!.idle, undefined)
})

const endpoints: Record<string, RequestListener | undefined> = {
  none: undefined,
  hangs: () => {},
  'hangs in the middle': (_request, response) => response.write('zeek_net_received_packets_total 5\n'),
  'has no end': (_request, response) => {
    const go = () => {
      while (response.writable && response.write('zeek_net_received_packets_total 5\n'.repeat(4000)));
    }
    response.on('drain', go)
    go()
  },
  'cuts off': (request, response) => {
    response.write('zeek_net_received_packets_total 5\n')
    setImmediate(() => request.socket.destroy())
  },
  fails: (_request, response) => response.writeHead(500).end('zeek_net_received_packets_total 5\n'),
  redirects: (_request, response) => response.writeHead(302, { location: '/metrics' }).end(),
  'talks nonsense': (_request, response) =>
    response.end(
      '<html>zeek_net_received_packets_total 5</html>\nzeek_net_received_packets_total five\nzeek_active_sessions 1e300\n'
    ),
  'is no HTTP': request => {
    request.socket.end('SSH-2.0-OpenSSH_9.9\r\n')
  }
}
await t.test('what a process uses is told whatever becomes of its metrics endpoint', async t => {
  await Promise.all(
    Object.entries(endpoints).map(async ([name, answer]) => {
      const { stats } = await world(t, answer)
      const sample = await stats()
      t.ok(sample!.interval! > 0 && sample!.memory_bytes > 0, name)
      t.same(
        [sample!.packets_received, sample!.packets_per_second, sample!.sessions, sample!.idle],
        [undefined, undefined, undefined, undefined],
        name
      )
    })
  )
})

await t.test('what is secret of a node is masked in its metrics', async t => {
  const { sampler } = await world(t, (_request, response) => response.end('a{label="hunter22"} 1\nb 22\n'))
  t.equal((await sampler.metrics('worker-1')).text, 'a{label="********"} 1\nb 22\n')
})

await t.test('all that an endpoint serves can be had, or why not', async t => {
  const good = await world(t, (_request, response) =>
    response.setHeader('content-type', 'text/plain; version=0.0.4').end('anything')
  )
  t.same(await good.sampler.metrics('worker-1'), { text: 'anything', content_type: 'text/plain; version=0.0.4' })
  await t.rejects(good.sampler.metrics('ghost'), { code: 'not_found', message: 'unknown cluster node' })
  good.status.state = 'CRASHED'
  await t.rejects(good.sampler.metrics('worker-1'), {
    code: 'unavailable',
    message: 'cluster node worker-1 not in running state'
  })
  const without = await world(t, undefined)
  await t.rejects(without.sampler.metrics('worker-1'), {
    code: 'unavailable',
    message: 'node worker-1 has no metrics port'
  })
  const huge = await world(t, endpoints['has no end'])
  await t.rejects(huge.sampler.metrics('worker-1'), {
    code: 'unavailable',
    message: /cannot be read: it is larger than 4194304 bytes/
  })
  const hanging = await world(t, endpoints.hangs)
  await t.rejects(hanging.sampler.metrics('worker-1'), {
    code: 'unavailable',
    message: /cannot be read: no answer within 4 s/
  })
  const failing = await world(t, endpoints.fails)
  await t.rejects(failing.sampler.metrics('worker-1'), {
    code: 'unavailable',
    message: /cannot be read: it answers 500/
  })
})

await t.test('a node that does not run has no stats', async t => {
  const { status, child, outcome } = await world(t, undefined)
  const failed = {
    success: false,
    instance: 'a',
    node: 'worker-1',
    error: 'cluster node worker-1 not in running state'
  }
  for (const state of ['STOPPED', 'CRASHED', 'FAILED'] as const) {
    Object.assign(status, { state })
    t.same(await outcome(), failed, state)
  }
  status.state = 'RUNNING'
  delete status.pid
  t.same(await outcome(), failed)
  Object.assign(status, { pid: child.pid })
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.same(await outcome(), failed, 'it is gone, which nobody has told yet')
})

await t.test(
  'a node that runs and does not answer is sampled: what it uses tells whether it works or hangs',
  async t => {
    const { status, child, stats } = await world(t, undefined)
    status.state = 'UNKNOWN'
    t.match(await stats(), { pid: child.pid, cpu_seconds: Number, memory_bytes: Number })
  }
)

await t.test('a node that dies while it is sampled', async t => {
  const { child, outcome } = await world(t, (_request, response) => {
    child.kill('SIGKILL')
    response.end(text(1))
  })
  t.match(await outcome(), { success: false, error: 'cluster node worker-1 not in running state' })
})

await t.test('watching tells of samples, each with rates since the one before, and ends with the last', async t => {
  let received = 0
  const { sampler } = await world(t, (_request, response) => {
    response.end(text((received += 10)))
  })
  const parts: NodeStats[][] = []
  const outcomes = await sampler.stats(['worker-1'], { duration: 0.5, interval: 0.1 }, never, part => parts.push(part))
  t.ok(parts.length >= 2)
  t.same(outcomes[0]?.data?.stats, parts.at(-1)![0])
  for (const [index, [sample]] of parts.slice(1).entries()) {
    const gone = sample!.packets_received! - parts[index]![0]!.packets_received!
    t.ok(gone > 0 && Math.abs(sample!.packets_per_second! * sample!.interval! - gone) < 1e-6)
  }
})

await t.test('watching goes on with a new process, counts it from its start, and ends when nobody waits', async t => {
  let received = 1000
  const { sampler, status } = await world(t, (_request, response) => {
    response.end(text(received))
  })
  const stop = new AbortController()
  const successor = spawn('sleep', ['600'])
  t.teardown(() => successor.kill('SIGKILL'))
  const parts: NodeStats[] = []
  await sampler.stats(['worker-1'], { duration: 3600, interval: 0.05 }, stop.signal, ([sample]) => {
    parts.push(sample!)
    if (parts.length === 2) {
      status.pid = successor.pid!
      received = 1200
    }
    if (parts.length === 4) stop.abort()
  })
  t.equal(parts[1]!.packets_per_second, 0)
  const [, , third] = parts
  t.equal(third!.pid, successor.pid)
  t.ok(Math.abs(third!.packets_per_second! * third!.interval! - 1200) < 1e-6, 'all 1200 are its own')
})

/**
 * Whoever is killed while a deployment goes over the nodes: each node is on either side of its own step, what is
 * deployed is what runs, the request has one response, and the next deployment goes on from there.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isAlive, readIdentity } from '../../src/supervisor/process.js'
import { getJson, openStream } from '../support/client.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const hosts = ['sensor-1', 'sensor-2', 'sensor-3']
const base = configurationOf(hosts)
const workers = ['worker-1', 'worker-2', 'worker-3', 'worker-4']
const configured = (colour: string) => ({
  ...base,
  nodes: [
    ...base.nodes.filter(({ role }) => role !== 'WORKER'),
    ...workers.map((name, n) => ({
      name,
      instance: hosts[1 + (n % 2)]!,
      role: 'WORKER' as const,
      interface: 'lo',
      env: { COLOUR: colour }
    }))
  ]
})
const rolling = { strategy: 'rolling', min_healthy_seconds: 1 }

await t.test('a deployment in steps outlives every kill', { timeout: 400_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(hosts, {
    'controller-connect-grace': '15',
    'management-restart-delay-max': '0.5',
    'management-retry-max': '0.5'
  })
  const processOf = (host: string, program: string): number => {
    const identity = readIdentity(join(cluster.stateDir(host), 'supervisor', `${program}.pid`))
    if (!identity || !isAlive(identity)) throw new Error(`${program} does not run`)
    return identity.pid
  }
  const victims: Record<string, () => Promise<void>> = {
    controller: async () => {
      process.kill(processOf('sensor-1', 'controller'), 'SIGKILL')
    },
    agent: async () => {
      process.kill(processOf('sensor-3', 'sensor-3'), 'SIGKILL')
    },
    supervisor: async () => {
      await cluster.hosts.get('sensor-3')!.stop('SIGKILL')
      await cluster.startHost('sensor-3', false)
    },
    'all of them': async () => {
      process.kill(processOf('sensor-1', 'controller'), 'SIGKILL')
      await Promise.all(
        ['sensor-2', 'sensor-3'].map(async name => {
          await cluster.hosts.get(name)!.stop('SIGKILL')
          await cluster.startHost(name, false)
        })
      )
    }
  }
  /** The colours of the processes that run. */
  const colours = async () => {
    const pids = await cluster.pids()
    return workers.map(name => /COLOUR=(\w+)/.exec(readFileSync(`/proc/${pids[name]}/environ`, 'utf8'))?.[1])
  }
  /** The colours of the configuration that is deployed. */
  const deployed = async () => {
    const { configuration, revision } = await getJson(`${cluster.url}/v1/configurations/deployed`)
    const nodes = new Map(configuration.nodes.map((node: any) => [node.name, node]))
    return { revision, colours: workers.map(name => (nodes.get(name) as any).env.COLOUR) }
  }

  t.equal((await cluster.deploy(configured('c0'))).state, 'succeeded')
  let n = 0
  for (const phase of ['changing', 'watching']) {
    for (const [victim, kill] of Object.entries(victims)) {
      await t.test(`${victim}, ${phase}`, async t => {
        const [old, colour] = [`c${n}`, `c${++n}`]
        const before = await cluster.pids()
        const { revision } = await deployed()
        t.equal((await cluster.ask('stage_configuration', { config: configured(colour) })).state, 'succeeded')
        const stream = await openStream(t, `${cluster.url}/v1/events?types=rollout_progress`)
        await stream.next('hello')
        const response = await fetch(`${cluster.url}/v1/requests/deploy`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(rolling)
        })
        const { reqid, event_cursor: cursor } = (await response.json()) as Record<string, string>
        // worker-2, on sensor-3.
        await stream.collect(event => event.phase === phase && event.step === 2)
        stream.close()
        await kill()
        await cluster.connected(...hosts)
        const { state } = await until(async () => {
          const request = await getJson(`${cluster.url}/v1/requests/${reqid}?wait=20`).catch(() => undefined)
          return request?.state !== undefined && request.state !== 'pending' && request
        }, 'it has a response')
        const events = await openStream(t, `${cluster.url}/v1/events?from=${cursor}&types=deploy_response`)
        t.equal((await events.next('deploy_response'))?.json.state, state)
        events.close()
        await until(async () => (await cluster.nodes()).every(node => node.state === 'RUNNING'), 'all nodes run again')
        const then = await deployed()
        t.same(await colours(), then.colours, 'what is deployed is what runs')
        const after = await cluster.pids()
        if (state === 'succeeded') {
          t.same(
            then.colours,
            workers.map(() => colour)
          )
          t.equal(then.revision, revision + 1)
        } else {
          t.equal(state, 'interrupted')
          t.same(then.colours, [colour, colour, old, old])
          t.same([after['worker-3'], after['worker-4']], [before['worker-3'], before['worker-4']], 'none runs ahead')
          const { reasons } = await getJson(`${cluster.url}/v1/health`)
          t.match(
            reasons.find(({ code }: any) => code === 'rollout_interrupted')?.message,
            `revision ${revision + 1} is deployed up to step 2 of 4: deploy it again to go on, or revision ${revision} to go back`
          )
          const next = await cluster.ask('deploy', n % 2 === 0 ? rolling : { ...rolling, revision })
          t.equal(next.state, 'succeeded', JSON.stringify(next.results))
          const changed = workers.filter((_name, at) => (n % 2 === 0 ? at >= 2 : at < 2))
          const last = await cluster.pids()
          t.same(
            workers.filter(name => last[name] !== after[name]),
            changed,
            'it goes on from there'
          )
          t.notOk(
            (await getJson(`${cluster.url}/v1/health`)).reasons.some(({ code }: any) => code === 'rollout_interrupted')
          )
          if (n % 2 === 1) {
            // Back to where the next one begins.
            t.equal((await cluster.deploy(configured(colour))).state, 'succeeded')
          }
        }
        t.same(
          await colours(),
          workers.map(() => colour)
        )
      })
    }
  }
})

/**
 * Three controllers on three servers of NATS, of which one host is behind a cable: cut, frozen, killed, full, started
 * anew, one after the other, while somebody writes. It runs in a network of its own, and has another one for that host.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { ask, begin, getJson, openStream } from '../support/client.js'
import { noNats, startNats } from '../support/nats.js'
import { ownNetwork, whyNoNetwork } from '../support/namespace.js'
import { until } from '../support/until.js'
import { configurationOf } from './cluster.js'
import { far, near, Network } from './network.js'
import { Replicas } from './replicas.js'
import { fillDisk, noDisk, onDiskOf } from './stored-controller.js'
import { Writer } from './writer.js'

const sensors = ['sensor-1', 'sensor-2']

if (process.env['OWN_NETWORK']) await t.test('three controllers, one behind a cable', { timeout: 580_000 }, outlive)
else {
  const skip = noNats || whyNoNetwork() || (noDisk ?? false)
  const [command = '', ...args] = [...ownNetwork, process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)]
  if (skip) t.pass('in a network of its own', { skip })
  else await t.spawn(command, args, { env: { ...process.env, OWN_NETWORK: '1' } }, 'in a network of its own')
}

async function outlive(t: Test): Promise<void> {
  const network = await Network.open(t)
  const [there, here] = [{ address: far, prefix: network.prefix }, { address: near }]
  const nats = await startNats(t, { count: 3, places: [there, here, here] })
  const replicas = await Replicas.create(t, nats, { c1: there, c2: here, c3: here })
  const reached = ['c2', 'c3']
  const directories = new Map(reached.map(name => [name, join(replicas.directory, name)]))
  const startOnDisk = (name: string) => {
    const directory = directories.get(name)!
    mkdirSync(directory, { recursive: true })
    replicas.start([name], onDiskOf('64m', directory))
  }
  replicas.start(['c1'])
  // The two others are needed for a majority, and are later.
  for (const name of reached) startOnDisk(name)
  replicas.startAgent('sensor-1', there)
  replicas.startAgent('sensor-2', here)

  const lead = async (name: string) => {
    for (;;) {
      await replicas.level()
      const leader = await replicas.leader()
      if (leader === name) return
      await replicas.kill(leader)
      await replicas.leader({ besides: leader })
    }
  }
  await lead('c1')
  const url = replicas.urlOf('c2')
  await replicas.connected(sensors, 'c2')
  t.match(await ask(url, 'stage_configuration', { config: configurationOf(sensors) }), { state: 'succeeded' })
  t.match(await ask(url, 'deploy'), { state: 'succeeded' })
  const nodes = await replicas.nodes('c2')
  t.equal(nodes.length, 3)
  const writer = Writer.start(
    replicas.names.map(name => replicas.urlOf(name)),
    configurationOf(sensors)
  )
  /** All is as before: the controllers are level, agents are connected, no node has noticed anything. */
  const whole = async (t: Test) => {
    await replicas.level()
    await replicas.connected(sensors, 'c2')
    await until(async () => JSON.stringify(await replicas.nodes('c2')) === JSON.stringify(nodes), 'nodes are as before')
    t.same(await replicas.nodes('c2'), nodes, 'every process is the same')
  }
  const writes = async () => {
    const { count } = writer
    await until(() => writer.count > count + 1, 'writes go on')
  }

  await t.test('a leader that is cut off ends, and another one leads', async t => {
    const before = await replicas.pidOf('c1')
    const stream = await openStream(t, `${url}/v1/events?types=test_timeout_response`)
    await stream.next('hello')
    const reqid = await begin(url, 'test_timeout', { with_state: true }, '?timeout=60')
    network.cut()
    const second = await replicas.leader({ among: reached, besides: 'c1' })
    t.ok(reached.includes(second))
    const [response] = (await stream.collect(event => event.reqid === reqid)).slice(-1)
    t.match(response!.json, { state: 'interrupted' })
    await writes()
    await until(async () => (await replicas.pidOf('c1')) !== before, 'the one that was cut off has ended')
    network.heal()
    await whole(t)
  })

  for (const way of ['there', 'back'] as const) {
    await t.test(`a follower that is cut off (${way}) holds up nobody`, async t => {
      network.cut(way)
      await writes()
      await until(async () => {
        const { reasons } = await getJson(`${url}/v1/health`)
        return reasons?.some(({ code }: { code: string }) => code === 'controller_missing')
      }, 'it is missed')
      network.heal()
      await whole(t)
    })
  }

  await t.test('a leader that is frozen is replaced, and ends when it wakes', async t => {
    const leader = await replicas.leader()
    const before = await replicas.pidOf(leader)
    const others = replicas.names.filter(name => name !== leader)
    await replicas.kill(leader, 'SIGSTOP')
    await replicas.leader({ among: others, besides: leader })
    await writes()
    await replicas.kill(leader, 'SIGCONT')
    await until(async () => (await replicas.pidOf(leader)) !== before, 'it has ended')
    await whole(t)
  })

  await t.test('a follower that is frozen for long comes after', async t => {
    const leader = await replicas.leader()
    const follower = replicas.names.find(name => name !== leader)!
    await replicas.kill(follower, 'SIGSTOP')
    await writes()
    await replicas.kill(follower, 'SIGCONT')
    await whole(t)
  })

  await t.test('with one server of NATS less writes go on, with two less they are refused', async t => {
    const [, second, third] = nats.servers
    await second!.kill()
    await writes()
    third!.freeze()
    await replicas.onlyTell('c2')
    third!.thaw()
    second!.start()
    await writes()
    await whole(t)
  })

  await t.test('a leader whose disk is full gives the lead away, and follows once there is room', async t => {
    await lead('c3')
    const makeRoom = fillDisk(join(`/proc/${replicas.supervisorOf('c3')}/root`, directories.get('c3')!))
    await replicas.leader({ among: ['c1', 'c2'], besides: 'c3' })
    await writes()
    makeRoom()
    await whole(t)
  })

  await t.test('one after the other is started anew, and two begin with an empty disk', async t => {
    const leader = await replicas.leader()
    for (const name of [...replicas.names.filter(name => name !== leader), leader]) {
      await replicas.stop(name)
      await writes()
      if (directories.has(name)) startOnDisk(name)
      else replicas.start([name])
      await replicas.level()
    }
    await whole(t)
  })

  await t.test('all are killed, and go on where they were', async t => {
    await Promise.all([
      ...replicas.names.map(async name => await replicas.kill(name)),
      ...nats.servers.map(s => s.kill())
    ])
    for (const server of nats.servers) server.start()
    await writes()
    await whole(t)
  })

  const accepted = await writer.stop()
  t.ok(accepted.size > 10, `${accepted.size} were accepted`)
  await replicas.level()
  const histories = await Promise.all(replicas.names.map(async name => await historyOf(replicas.urlOf(name))))
  for (const history of histories) t.same(history, histories[0], 'all have the same')
  const count = (type: string) => {
    const counts = new Map<string, number>()
    for (const event of histories[0]!) {
      if (event.type === type) counts.set(event.reqid!, (counts.get(event.reqid!) ?? 0) + 1)
    }
    return counts
  }
  const [requests, responses] = [count('stage_configuration_request'), count('stage_configuration_response')]
  const wrong = [...accepted.values()].filter(reqid => requests.get(reqid) !== 1 || responses.get(reqid) !== 1)
  t.same(wrong, [], 'what was accepted has one response')
  t.equal(new Set(accepted.values()).size, accepted.size, 'each key is one request')
}

interface Told {
  type: string
  reqid?: string
  cursor: string
}

/** All events that a controller keeps. */
async function historyOf(url: string): Promise<Told[]> {
  const history: Told[] = []
  for (let after = ''; ;) {
    const { events, next } = await getJson(`${url}/v1/events/history?limit=1000${after}`)
    history.push(...events)
    if (next === undefined) return history
    after = `&after=${next}`
  }
}

import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterRequest } from '../../schemas/api.js'
import type { ClusterConfiguration, ClusterNode } from '../../schemas/types.js'
import { hosts, type Deployed, type Host, type World } from './rollout-world.js'

/** What is said of a node when it is staged. */
export type Spec = Pick<ClusterNode, 'instance' | 'env'> & { role: ClusterNode['role'] }
export type Specs = Record<string, Spec>

const isBroken = ({ env }: Pick<ClusterNode, 'env'>) => env?.['STAND_IN'] !== undefined

/** A configuration with these nodes, on the instances that they need. */
export function configurationOf(specs: Specs): Omit<ClusterConfiguration, 'id'> {
  const nodes = Object.entries(specs).map(([name, spec]) => ({
    name,
    ...spec,
    ...(spec.role === 'WORKER' ? { interface: 'lo' } : {})
  }))
  return {
    instances: hosts.filter(name => nodes.some(({ instance }) => instance === name)).map(name => ({ name })),
    nodes
  }
}

const specsOf = ({ configuration }: Deployed): Specs =>
  Object.fromEntries(configuration.nodes.map(({ name, instance, role, env }) => [name, { instance, role, env }]))

/** A deployment that has been asked for. */
export interface Asked {
  reqid: string
  isInSteps: boolean
  after: Specs
  /** What was deployed before. */
  before: Deployed
  /** Whether somebody has had it ended, and was told that it is. */
  isOrdered: boolean
}

/** What is expected of a world. */
export class Model {
  staged: Specs
  deployed: Deployed
  /** Whether what is deployed is a mixture that nobody works on. */
  isMixture = false
  /** Nodes that an operator has stopped. */
  stopped = new Set<string>()
  /** The nodes of each revision. */
  revisions = new Map<number, Specs>()
  asked: Asked | undefined
  /** How deployments have ended. */
  readonly endings: string[] = []
  away = new Set<Host>()

  private constructor(staged: Specs, deployed: Deployed) {
    this.staged = staged
    this.deployed = deployed
    this.revisions.set(deployed.revision, staged)
  }

  /** Deploys the first configuration. */
  static async of(world: World, specs: Specs): Promise<Model> {
    await eventually(async () => assert.equal((await world.connected()).length, hosts.length))
    await world.ask('stage_configuration', { config: configurationOf(specs) })
    const { state, results } = await world.ask('deploy', { check: false })
    assert.equal(state, 'succeeded', JSON.stringify(results))
    return new Model(specs, await world.deployed())
  }

  /** Waits until nothing is under way, and checks that all is as it should be. */
  async check(world: World): Promise<void> {
    await eventually(async () => assert.deepEqual((await world.connected()).sort(), [...hosts]))
    if (this.asked) await this.#learn(world, this.asked)
    await eventually(() => this.#checkNow(world)).catch(async (error: Error) => {
      const last = await world.request(world.reqids.at(-1)!)
      error.message += `\nafter ${this.endings.join(', ')}; the last request: ${JSON.stringify(last)}; deployed: ${JSON.stringify(this.deployed.configuration.nodes)}`
      throw error
    })
    // It stays so.
    await sleep(300)
    await this.#checkNow(world)
  }

  /** Checks how a deployment has ended, and what is deployed since. */
  async #learn(world: World, asked: Asked): Promise<void> {
    const { reqid, before, after, isInSteps, isOrdered } = asked
    const request = await world.until(reqid, () => false)
    this.asked = undefined
    this.endings.push(request.state)
    const deployed = await world.deployed()
    const said = `${request.state}: ${JSON.stringify(request.results.at(-1))}`
    const isBack = isDeepStrictEqual(deployed, before)
    const revision = (await world.revisions()).find(one => one.reqid === reqid)?.revision
    const { data, success } = (request.results.at(-1) ?? {}) as any
    if (isOrdered) assert.notEqual(request.state, 'succeeded', 'what is ended by somebody does not succeed')
    if (revision === undefined) {
      assert.notEqual(request.state, 'succeeded')
      return assert.deepEqual(deployed, before, `without a revision nothing is changed: ${said}`)
    }
    assert.equal(revision, Math.max(...this.revisions.keys()) + 1)
    this.revisions.set(revision, after)
    // Whoever ends the controller does not learn how far it had come.
    const isCut = request.state === 'interrupted'
    if (data?.reverted === true || (isCut && isBack)) {
      assert.deepEqual(deployed, before, `what was reverted is what was before: ${said}`)
      return this.#prune()
    }
    assert.equal(deployed.revision, revision, said)
    this.deployed = deployed
    const isComplete = isCut ? !(await world.isInterrupted()) : success && data?.revision === revision
    this.isMixture = isInSteps && !isComplete
    if (!this.isMixture) {
      assert.deepEqual(specsOf(deployed), after, `all is as it was asked for: ${said}`)
      return this.#prune()
    }
    await this.#checkMixture(world, asked, request)
  }

  /** Checks that each node is on the side of its own step. */
  async #checkMixture(world: World, { reqid, before, after }: Asked, { state }: ClusterRequest): Promise<void> {
    const events = await world.events('rollout_progress', reqid)
    const touched = new Set(events.filter(({ phase }) => phase === 'changing').flatMap(({ nodes }) => nodes))
    const [was, is] = [specsOf(before), specsOf(this.deployed)]
    for (const name of new Set([...Object.keys(was), ...Object.keys(after)])) {
      const sides = touched.has(name) ? [after[name]] : [was[name], ...(this.stopped.has(name) ? [after[name]] : [])]
      assert.ok(
        sides.some(side => isDeepStrictEqual(side, is[name])),
        `${state}: ${name} is ${JSON.stringify(is[name])}, not ${JSON.stringify(sides)}; touched are ${[...touched]}`
      )
    }
  }

  /** Who is not deployed any more is not stopped any more; nodes of a mixture may come back. */
  #prune(): void {
    if (this.isMixture) return
    const names = Object.keys(specsOf(this.deployed))
    this.stopped = new Set([...this.stopped].filter(name => names.includes(name)))
  }

  async #checkNow(world: World): Promise<void> {
    const [deployed, processes] = [await world.deployed(), world.processes()]
    assert.deepEqual(deployed, this.deployed)
    assert.equal(await world.isInterrupted(), this.isMixture, 'rollout_interrupted')
    const statuses = new Map((await world.nodes()).map(node => [node.node, node]))
    for (const node of deployed.configuration.nodes) {
      const { name, instance, env } = node
      const own = processes.filter(one => one.node === name)
      const isWanted = !this.stopped.has(name)
      const { state, reason } = statuses.get(name) ?? {}
      const seen = `${name} (${state}: ${reason}; ${JSON.stringify(own.map(one => [one.pid, one.instance, one.env['COLOUR']]))})`
      assert.equal(statuses.get(name)?.desired_state, isWanted ? 'RUNNING' : 'STOPPED', name)
      assert.ok(
        own.every(one => one.instance === instance),
        `${seen} does not run on ${instance} alone`
      )
      if (!isWanted) assert.equal(own.length, 0, `${seen} is stopped`)
      if (!isWanted || isBroken(node)) continue
      assert.equal(own.length, 1, `${seen} runs once`)
      assert.deepEqual(
        { COLOUR: own[0]!.env['COLOUR'], ...(own[0]!.env['STAND_IN'] === undefined ? {} : { STAND_IN: 'set' }) },
        env,
        `${seen} has the environment that is deployed`
      )
      assert.equal(statuses.get(name)!.state, 'RUNNING', name)
      assert.equal(statuses.get(name)!.pid, own[0]!.pid, name)
    }
    const names = new Set(deployed.configuration.nodes.map(({ name }) => name))
    assert.deepEqual(
      processes.filter(({ node }) => !names.has(node)).map(({ node, instance }) => `${node} on ${instance}`),
      [],
      'nothing else runs'
    )
    await this.#checkRecords(world)
  }

  /** Checks what is kept of the past. */
  async #checkRecords(world: World): Promise<void> {
    const revisions = await world.revisions()
    assert.deepEqual(
      revisions.filter(one => one.deployed).map(({ revision }) => revision),
      [this.deployed.revision]
    )
    assert.deepEqual(
      revisions.map(({ revision }) => revision).sort((a, b) => a - b),
      [...this.revisions.keys()].sort((a, b) => a - b)
    )
    const responses = await world.events(
      ['stage_configuration', 'deploy', 'start', 'stop'].map(type => `${type}_response`).join(',')
    )
    for (const reqid of world.reqids) {
      const { state } = await world.request(reqid)
      const own = responses.filter(event => event.reqid === reqid)
      assert.deepEqual(
        own.map(event => event.state),
        [state],
        `request ${reqid} has one response`
      )
    }
    for (const { reqid, outcome, revision } of revisions) {
      assert.equal(outcome, (await world.request(reqid)).state, `revision ${revision}`)
    }
  }
}

/** Tries until nothing is thrown; in the end throws what was thrown last. */
async function eventually(job: () => Promise<void>, ms = 30_000): Promise<void> {
  for (const end = Date.now() + ms; ; await sleep(100)) {
    try {
      return await job()
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}

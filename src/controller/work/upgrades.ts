import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { isSpoken } from '../../../schemas/agent.js'
import type { Arguments } from '../../../schemas/api.js'
import type { BundleUser } from '../../../schemas/bundles.js'
import type { Outcome } from '../../../schemas/types.js'
import { releaseFile, type Release } from '../../../schemas/upgrades.js'
import { AppError, messageOf, requestTimedOut } from '../../errors.js'
import { failed, type Answer, type Task } from '../../requests/task.js'
import { readRelease } from '../../upgrades.js'
import { compare } from '../../util.js'
import type { Bundles } from '../bundles.js'
import type { Cluster } from '../cluster/cluster.js'
import type { Fleet, Member } from '../fleet.js'
import { toReturn } from './durations.js'

export interface UpgradesOptions {
  fleet: Fleet
  cluster: Cluster
  bundles: Pick<Bundles, 'resolve' | 'read'>
  controllerName: string
}

type Which = Pick<Arguments<'upgrade'>, 'instances' | 'labels'>

/** Upgrades of agents: a wave over instances, which ends at the first that fails. */
export class Upgrades {
  readonly #options: UpgradesOptions
  /** The bundle that instances are being upgraded to. */
  #current: string | undefined

  constructor(options: UpgradesOptions) {
    this.#options = options
  }

  /** Returns what of the upgrades names a bundle now. */
  usersOf(bundle: string): BundleUser[] {
    return this.#current === bundle ? ['upgrade'] : []
  }

  async upgrade(
    { bundle: ref, max_parallel: parallel = 1, ...which }: Arguments<'upgrade'>,
    task: Task
  ): Promise<Answer> {
    if (this.#current !== undefined) return failed(`agents are being upgraded already, to bundle ${this.#current}`)
    const bundle = this.#options.bundles.resolve(ref)
    if (bundle === undefined) return failed(`there is no bundle ${ref}`)
    this.#current = bundle
    try {
      const release = await this.#releaseOf(bundle)
      return await this.#wave({ bundle, release, parallel }, this.#select(which), task)
    } catch (error) {
      if (error instanceof AppError) return failed(error.message)
      throw error
    } finally {
      this.#current = undefined
    }
  }

  /** Returns what a bundle says that it is. Throws an AppError when agents must not become that. */
  async #releaseOf(bundle: string): Promise<Release> {
    const file = await this.#options.bundles.read(bundle, releaseFile)
    const release = readRelease(await text(file))
    const { version, agent_api_version: spoken } = release
    if (isSpoken(spoken)) return release
    throw new AppError(
      'conflict',
      `version ${version} speaks version ${spoken} of the agents' API, this controller not`
    )
  }

  /** Returns names of instances, that of the controller last. Throws an AppError where there is none. */
  #select({ instances = [], labels = {} }: Which): string[] {
    const { fleet, cluster, controllerName } = this.#options
    const wanted = Object.entries(labels)
    const deployed = cluster.deployment?.configuration.instances ?? []
    const labelled = deployed.filter(one => wanted.every(([label, value]) => one.labels?.[label] === value))
    const pool =
      wanted.length > 0
        ? labelled.map(({ name }) => name).filter(name => instances.length === 0 || instances.includes(name))
        : instances.length > 0
          ? instances
          : fleet.connected().map(({ name }) => name)
    if (pool.length === 0) {
      throw new AppError('conflict', wanted.length > 0 ? 'no instance has these labels' : 'no instances connected')
    }
    const isOwn = (name: string) => fleet.member(name)?.statuses.get(controllerName)?.mgmt_role === 'CONTROLLER'
    return [...new Set(pool)].sort((a, b) => Number(isOwn(a)) - Number(isOwn(b)) || compare(a, b))
  }

  async #wave(
    { parallel, ...target }: { bundle: string; release: Release; parallel: number },
    instances: string[],
    task: Task
  ): Promise<Answer> {
    const waiting = [...instances]
    let failure: string | undefined
    let timedOut = false
    const work = async () => {
      for (let instance = waiting.shift(); instance !== undefined; instance = waiting.shift()) {
        if (failure !== undefined) {
          const error = `not begun, since ${failure} has failed`
          task.progress(instance, [{ success: false, instance, error }])
          continue
        }
        const outcome = await this.#upgradeOne(instance, target, task).catch((error: unknown): Outcome => {
          if (!(error instanceof AppError)) throw error
          timedOut ||= task.signal.aborted || error.code === 'timeout'
          return { success: false, instance, error: messageOf(error) }
        })
        if (!outcome.success) failure ??= instance
        task.progress(instance, [outcome])
      }
    }
    await Promise.all(Array.from({ length: Math.min(parallel, instances.length) }, work))
    return { results: [], timedOut }
  }

  /** Upgrades an instance. Throws an AppError that says why it stays what it is. */
  async #upgradeOne(
    instance: string,
    { bundle, release }: { bundle: string; release: Release },
    task: Task
  ): Promise<Outcome> {
    const { fleet } = this.#options
    const before = fleet.member(instance)
    if (!before) throw new AppError('unavailable', `instance ${instance} is not connected`)
    const { version: from } = before.hello
    const done: Outcome = { success: true, instance, data: { upgrade: { from, to: release.version } } }
    if (from === release.version) return done
    let isAnswered = true
    try {
      await fleet.ask(instance, 'upgrade', { bundle }, { timeoutMs: task.remainingMs(), reqid: task.reqid })
    } catch (error) {
      if (!before.link.closed.aborted) throw error
      // Killed at that moment, it may be back as either.
      isAnswered = false
    }
    const seconds = toReturn(before.hello)
    const late = AbortSignal.timeout(seconds * 1000)
    const is = ({ hello }: Member) => hello.version === release.version
    const why = ({ hello: { failed_upgrade: last } }: Member) => (last?.bundle === bundle ? last.error : undefined)
    const after = await this.#next(
      before,
      member => !isAnswered || is(member) || why(member) !== undefined,
      AbortSignal.any([task.signal, late])
    )
    if (after && is(after)) return done
    if (after) {
      const error = why(after) ?? 'the connection was lost while it got the release'
      throw new AppError('conflict', `it is ${after.hello.version} again: ${error}`)
    }
    if (task.signal.aborted) throw new AppError('timeout', requestTimedOut)
    throw new AppError('unavailable', `it has not come back as ${release.version} within ${seconds} s`)
  }

  /**
   * Resolves with an instance once it has connected again, as is asked; with undefined when the signal aborts first.
   */
  async #next(before: Member, isMeant: (member: Member) => boolean, signal: AbortSignal): Promise<Member | undefined> {
    const { fleet } = this.#options
    while (!signal.aborted) {
      const now = fleet.member(before.name)
      if (now && now !== before && isMeant(now)) return now
      await once(fleet, 'connected', { signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error
      })
    }
    return undefined
  }
}

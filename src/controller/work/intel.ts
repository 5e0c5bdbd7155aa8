import type { SettingOutcome } from '../../../schemas/agent.js'
import type { Arguments } from '../../../schemas/api.js'
import { feedsMax } from '../../../schemas/intel.js'
import { failed, type Answer, type Task } from '../../requests/task.js'
import type { StoredFeed } from '../../store/feeds.js'
import type { Bundles } from '../bundles.js'
import { Trial, type TrialParts } from './trial.js'

interface IntelParts extends TrialParts {
  bundles: Bundles
  now: () => number
}

/** Feeds of intelligence: files of indicators that the manager reads while it runs. */
export class Intel {
  #parts: IntelParts
  #trial: Trial<StoredFeed>
  /** Bundles of requests that are under way. */
  #tried: string[] = []

  constructor(parts: IntelParts) {
    const { cluster, fleet } = parts
    this.#parts = parts
    this.#trial = new Trial(parts, {
      kept: cluster.feeds,
      noun: 'feed',
      max: feedsMax,
      concerns: (shares, instance) => shares.hasManager(instance),
      tell: (instance, all, changed, timeoutMs) => {
        const feeds = all.map(({ name, bundle }) => ({ name, bundle }))
        return fleet.ask(instance, 'set_feeds', { feeds, changed }, { timeoutMs })
      },
      untried: () => 'no manager runs that has the intelligence framework'
    })
  }

  /** Has the manager read a feed, in place of an earlier one of that name. */
  async set({ name, bundle: ref }: Arguments<'set_intel'>, task: Task): Promise<Answer> {
    const { bundles, now } = this.#parts
    const bundle = bundles.resolve(ref)
    if (bundle === undefined) return failed(`there is no bundle ${ref}`)
    if (!isFeed(bundles.files(bundle))) return failed(`bundle ${ref} is no feed: it has not one file, in intel/`)
    const feed = { name, bundle, indicators: 0, set_at: now(), reqid: task.reqid }
    return await this.#replacing(name, [bundle], () =>
      this.#trial.set(feed, task, (one, outcomes) => ({ ...one, indicators: indicatorsOf(outcomes) }))
    )
  }

  /** Has the manager forget a feed. */
  async unset({ name }: Arguments<'unset_intel'>, task: Task): Promise<Answer> {
    return await this.#replacing(name, [], () => this.#trial.unset(name, task))
  }

  /** Does a job with bundles, and deletes those of them, and of the feed before it, that are of no use any more. */
  async #replacing(name: string, given: readonly string[], job: () => Promise<Answer>): Promise<Answer> {
    const { bundles, cluster } = this.#parts
    const before = cluster.feeds.all.filter(feed => feed.name === name).map(({ bundle }) => bundle)
    this.#tried.push(...given)
    const answer = await job().finally(() => {
      for (const bundle of given) this.#tried.splice(this.#tried.indexOf(bundle), 1)
    })
    for (const bundle of [...before, ...given]) if (!this.#tried.includes(bundle)) await bundles.deleteUnused(bundle)
    return answer
  }
}

/** Returns whether a bundle holds what a feed does. */
const isFeed = (files: readonly { path: string }[]) => files.length === 1 && files[0]!.path.startsWith('intel/')

const indicatorsOf = (outcomes: readonly SettingOutcome[]) =>
  Number(outcomes.find(({ value }) => value !== undefined)?.value ?? 0)

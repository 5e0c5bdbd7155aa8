import type { Logger } from 'pino'
import { messageOf } from '../errors.js'
import { auditKinds } from '../requests/audit-entry.js'
import type { EventLog } from '../store/events.js'
import type { RequestTable } from '../store/requests.js'
import type { RevisionTable } from '../store/revisions.js'
import type { Store } from '../store/store.js'
import type { Bundles } from './bundles.js'
import type { ControllerSettings } from './config.js'

const intervalMs = 1_000
/** How often bundles are looked at, in milliseconds: they are kept for days. */
const bundlesMs = 3_600_000

export interface PruningOptions {
  settings: ControllerSettings
  store: Store
  events: EventLog
  audit: EventLog<'audit'>
  requests: RequestTable
  revisions: RevisionTable
  /** Returns the numbers of revisions that are kept whatever their age. */
  keeps: () => readonly number[]
  bundles: Bundles
  log: Logger
  now: () => number
}

/**
 * Removes events, audit entries, requests and revisions that are too many or too old, and bundles that are of no use,
 * from when it is opened until it is closed.
 */
export class Pruning {
  #options: PruningOptions
  #timer: NodeJS.Timeout | undefined
  /** The run in progress: there is one at a time. */
  #running: Promise<void> | undefined
  #bundlesAt = -Infinity

  constructor(options: PruningOptions) {
    this.#options = options
  }

  open(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.#run()
    }, intervalMs)
  }

  /** Stops. Resolves once it no longer uses the store. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  /** Prunes everything once. Never rejects. */
  async #run(): Promise<void> {
    const { store, log } = this.#options
    try {
      await this.#pruneEvents()
      await this.#pruneAudit()
      await this.#pruneRequests()
      await this.#pruneRevisions()
      await this.#pruneBundles()
    } catch (error) {
      if (store.failure === undefined) log.error(`old events are not dropped: ${messageOf(error)}`)
    } finally {
      this.#running = undefined
    }
  }

  // Each step is a transaction of its own, so that other writes get their turn.

  async #pruneEvents(): Promise<void> {
    const { settings, events, now } = this.#options
    const retention = {
      maxCount: settings.controller_events_max_count,
      maxAgeMs: settings.controller_events_max_age * 1000,
      maxBytes: settings.controller_events_max_bytes,
      ofKind: {
        1: { maxCount: settings.controller_events_max_reads, maxBytes: settings.controller_events_max_bytes / 4 }
      }
    }
    while (await events.prune(retention, now()));
  }

  async #pruneAudit(): Promise<void> {
    const { settings, audit, now } = this.#options
    const { controller_audit_max_count: maxCount, controller_audit_max_bytes: maxBytes } = settings
    const others = { maxCount: settings.controller_audit_max_others, maxBytes: maxBytes / 4 }
    const quotaOf = (kind: number) => (kind === auditKinds.change ? { maxCount, maxBytes } : others)
    const retention = {
      maxCount: Infinity,
      maxBytes: Infinity,
      maxAgeMs: settings.controller_audit_max_age * 1000,
      ofKind: Object.fromEntries(Object.values(auditKinds).map(kind => [kind, quotaOf(kind)]))
    }
    while (await audit.prune(retention, now()));
  }

  async #pruneRevisions(): Promise<void> {
    const { settings, store, revisions, keeps, now } = this.#options
    const { controller_revisions_max: maxCount, controller_revisions_max_age: maxAge } = settings
    const before = maxAge === 0 ? 0 : now() - maxAge * 1000
    await store.write('written', () => revisions.prune({ maxCount, before, keeps: keeps() }))
  }

  async #pruneBundles(): Promise<void> {
    const { settings, bundles, now } = this.#options
    const maxAge = settings.controller_bundle_max_age
    if (maxAge === 0 || now() - this.#bundlesAt < bundlesMs) return
    this.#bundlesAt = now()
    await bundles.prune(maxAge * 1000)
  }

  /** Removes old requests: they are kept no longer than their events. */
  async #pruneRequests(): Promise<void> {
    const { settings, store, events, requests, now } = this.#options
    const maxCount = settings.controller_requests_max_count
    const maxAgeMs = settings.controller_events_max_age * 1000
    const prune = () =>
      requests.prune({
        maxCount,
        maxTransientCount: Math.ceil(maxCount / 10),
        before: now() - maxAgeMs,
        beforeEvent: events.earliestTransient
      })
    while (await store.write('written', prune));
  }
}

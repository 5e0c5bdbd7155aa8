import type { Logger } from 'pino'
import type { DomainEvent } from '../../schemas/events.js'
import { messageOf } from '../errors.js'
import { defined } from '../util.js'
import type { EventJournal } from '../requests/journal.js'
import type { ClusterHealth } from './cluster/health.js'
import type { Fleet } from './fleet.js'

/**
 * Writes what happens without a request into the journal, as `notify_*` events, and what operators should see into the
 * log of the process. It keeps nothing and needs no closing: it lives as long as the fleet that it watches.
 */
export class Notifications {
  #journal: EventJournal
  #log: Logger

  constructor(journal: EventJournal, log: Logger) {
    this.#journal = journal
    this.#log = log
  }

  /** Writes an event. It can only be lost when the controller ends before its store works again. */
  note(event: DomainEvent): void {
    this.#journal.note(event).catch(error => this.#log.debug(`${event.type} is lost: ${messageOf(error)}`))
  }

  /** Writes what agents do and report from now on, unless one causes too much. Call it once. */
  watch(fleet: Fleet): void {
    const note = (instance: string, event: DomainEvent, line?: () => void) => {
      if (!fleet.mayCause(instance, event)) return
      line?.()
      this.note(event)
    }
    fleet.on('connected', ({ name, host, hello }) =>
      note(name, { type: 'notify_agent_hello', instance: name, host, version: hello.version }, () =>
        this.#log.info(`agent ${name} is connected, from ${host}`)
      )
    )
    fleet.on('lost', ({ name }, reason) =>
      note(name, { type: 'notify_agent_lost', instance: name, reason }, () =>
        this.#log.warn(`agent ${name} is lost: ${reason}`)
      )
    )
    fleet.on('change', (instance, { node, state, pid, restarts }, old, reason) =>
      note(instance, {
        type: 'notify_change',
        instance,
        node,
        old_state: old,
        new_state: state,
        reason,
        ...defined({ pid, restarts })
      })
    )
    fleet.on('log', (instance, level, message) => note(instance, { type: 'notify_log', instance, level, message }))
    fleet.on('fault', (message, instance, node) => {
      if (fleet.mayCause(instance ?? 'unknown', { message })) this.complain(message, instance, node)
    })
    fleet.on('excess', (message, instance) => this.complain(message, instance))
  }

  /** Reports a problem that needs the attention of operators. */
  complain(message: string, instance?: string, node?: string): void {
    this.#log.warn(message)
    this.note({ type: 'notify_error', message, ...defined({ instance, node }) })
  }

  /** Reports that every instance of the deployed configuration is connected. */
  agentsReady(instances: readonly string[]): void {
    this.note({ type: 'notify_agents_ready', instances: [...instances] })
  }

  /** Reports that the cluster has become healthy, or is unhealthy for other reasons than before. */
  healthChanged(health: ClusterHealth): void {
    this.note({ ...health, type: 'notify_health' })
  }
}

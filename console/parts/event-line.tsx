import { Link } from 'wouter-preact'
import { wordsOf } from '../model/event-words.js'
import type { DomainEvent } from '../model/types.js'
import { StateMark } from './state-mark.js'
import { Time } from './time.js'

/** An event as an item of a list: when, about what, what. */
export function EventLine({ event }: { event: DomainEvent }) {
  const { tone, text, node, instance, reqid } = wordsOf(event)
  return (
    <li class="event">
      <Time at={event.time} /> <StateMark tone={tone} />{' '}
      {node !== undefined && <Link href={`/nodes/${node}`}>{node}</Link>}{' '}
      {node === undefined && instance !== undefined && <Link href={`/hosts/${instance}`}>{instance}</Link>}{' '}
      <span class="text">{text}</span>{' '}
      {reqid !== undefined && (
        <Link href={`/requests/${reqid}`} class="aside">
          Request
        </Link>
      )}
    </li>
  )
}

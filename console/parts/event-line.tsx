import { useMemo } from 'preact/hooks'
import { Link } from './link.js'
import { wordsOf } from '../model/event-words.js'
import type { DomainEvent } from '../model/types.js'
import { Json } from './json.js'
import { StateMark } from './state-mark.js'
import { Time } from './time.js'

/** An event as an item of a list: when, about what, what. `isWhole`: with its exact time and all of its members. */
export function EventLine({ event, isWhole = false }: { event: DomainEvent; isWhole?: boolean }) {
  // An event does not change: of a long list only what is new is drawn.
  return useMemo(() => <Line event={event} isWhole={isWhole} />, [event, isWhole])
}

function Line({ event, isWhole }: { event: DomainEvent; isWhole: boolean }) {
  const { tone, text, node, instance, reqid } = wordsOf(event)
  return (
    <li class="event">
      <Time at={event.time} form={isWhole ? 'exact' : 'clock'} /> <StateMark tone={tone} />{' '}
      {node !== undefined && <Link href={`/nodes/${encodeURIComponent(node)}`}>{node}</Link>}{' '}
      {instance !== undefined && (isWhole || node === undefined) && (
        <Link href={`/hosts/${encodeURIComponent(instance)}`}>{instance}</Link>
      )}{' '}
      <span class="text">{text}</span>{' '}
      {reqid !== undefined && (
        <Link href={`/requests/${reqid}`} class="aside">
          Request
        </Link>
      )}
      {isWhole && <Json name={event.type} value={event} />}
    </li>
  )
}

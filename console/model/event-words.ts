import { plain } from './format.js'
import { named } from './selection.js'
import { toneOf, toneOfRequest, type Tone } from './states.js'
import type { DomainEvent } from './types.js'

/** An event in words. */
export interface EventWords {
  tone: Tone
  text: string
  /** What it is about, where there is such a page. */
  node?: string | undefined
  instance?: string | undefined
  reqid?: string | undefined
}

/** Returns what an event tells, as a sentence without its subjects: those are told beside it. */
export function wordsOf(event: DomainEvent): EventWords {
  const { node, instance, reqid } = event as { node?: string; instance?: string; reqid?: string }
  return { node, instance, reqid, ...ofType(event) }
}

function ofType(event: DomainEvent): Pick<EventWords, 'tone' | 'text'> {
  switch (event.type) {
    case 'notify_change':
      return {
        tone: toneOf(event.new_state),
        text: `${event.old_state} → ${event.new_state}${event.reason === '' ? '' : `: ${plain(event.reason)}`}`
      }
    case 'notify_health':
      return event.ready
        ? { tone: 'good', text: 'The cluster does its work' }
        : { tone: 'bad', text: plain(event.reasons.map(({ message }) => message).join('; ')) }
    case 'notify_error':
      return { tone: 'bad', text: plain(event.message) }
    case 'notify_log':
      return { tone: 'doubt', text: plain(`${event.level}: ${event.message}`) }
    case 'notify_agent_hello':
      return { tone: 'good', text: plain(`The agent has connected from ${event.host}, version ${event.version}`) }
    case 'notify_agent_lost':
      return { tone: 'bad', text: `The agent is lost: ${plain(event.reason)}` }
    case 'notify_join':
      return ofJoin(event)
    case 'notify_agents_ready':
      return { tone: 'good', text: `All instances are connected: ${plain(event.instances.join(', '))}` }
    case 'node_output':
      return { tone: 'quiet', text: plain(event.lines.join(' | ')) }
    case 'node_stats':
      return { tone: 'quiet', text: `a sample of ${event.stats.length} nodes` }
    case 'request_progress':
      return ofProgress(event)
    case 'rollout_progress':
      return { tone: event.phase === 'reverting' ? 'bad' : 'busy', text: ofRollout(event) }
    case 'request_expired':
      return { tone: 'doubt', text: 'the request has run out of time' }
    default:
  }
  if ('arguments' in event) return { tone: 'busy', text: `${nameOf(event.type)} was asked for` }
  const failed = event.results.filter(({ success }) => !success)
  const why = failed.length === 0 ? '' : `: ${plain(failed[0]!.error ?? 'failed')}`
  const more = failed.length > 1 ? ` (and ${failed.length - 1} more)` : ''
  return { tone: toneOfRequest(event.state), text: `${nameOf(event.type)} ${event.state}${why}${more}` }
}

function ofJoin({
  instance,
  status,
  address,
  fingerprint
}: Extract<DomainEvent, { type: 'notify_join' }>): Pick<EventWords, 'tone' | 'text'> {
  const who = plain(`${instance}${address === undefined ? '' : ` at ${address}`}`)
  if (status === 'pending') return { tone: 'doubt', text: plain(`${who} asks to join, with the key ${fingerprint}`) }
  if (status === 'forgotten') return { tone: 'doubt', text: `${who} was forgotten` }
  return { tone: status === 'accepted' ? 'good' : 'bad', text: plain(`${who} was ${status}`) }
}

function ofRollout({ phase, step, of, nodes, reason }: Extract<DomainEvent, { type: 'rollout_progress' }>): string {
  const why = reason === undefined ? '' : `: ${reason}`
  return plain(`Step ${step} of ${of}, ${named(nodes.map(node => ({ node })))}: ${phase}${why}`)
}

function ofProgress({
  results,
  waiting = []
}: Extract<DomainEvent, { type: 'request_progress' }>): Pick<EventWords, 'tone' | 'text'> {
  const failed = results.filter(({ success }) => !success).length
  if (results.length === 0) {
    return {
      tone: 'busy',
      text: plain(waiting.map(({ node, state, seconds }) => `${node} ${state} for ${seconds} s`).join(', '))
    }
  }
  return {
    tone: failed > 0 ? 'bad' : 'good',
    text: failed > 0 ? `${failed} of ${results.length} have failed` : `${results.length} done`
  }
}

/** Returns the type of a request in words, from that of one of its events. */
export const nameOf = (type: string): string => type.replace(/_(request|response)$/, '').replaceAll('_', ' ')

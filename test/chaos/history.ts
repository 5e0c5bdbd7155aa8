/**
 * The checker: whether what everyone saw of a run can be, if the controller keeps its promises. It knows nothing of how
 * the run came about, nor of the controller's insides. A history must hold the whole log: a run has to be given a
 * retention that drops nothing.
 */
import type { Line } from './lines.js'
import { auditViolations } from './check-audit.js'
import { messageViolations } from './check-messages.js'
import { nodeViolations } from './check-nodes.js'
import { answerViolations, keyViolations, markViolations } from './check-answers.js'
import { requestViolations } from './check-requests.js'
import { streamViolations } from './check-streams.js'
import { World } from './world.js'

/** Every broken promise, as a text; none when all were kept. */
export function violations(lines: readonly Line[]): string[] {
  const world = new World(lines)
  return [
    requestViolations,
    answerViolations,
    keyViolations,
    markViolations,
    streamViolations,
    messageViolations,
    nodeViolations,
    auditViolations
  ].flatMap(check => [...check(world)])
}

/** That a run was not empty. */
export function figures(lines: readonly Line[]): Record<string, number> {
  const { requests, log } = new World(lines)
  const count = (kind: Line['kind']) => lines.filter(line => line.kind === kind).length
  const accepted = new Set(
    lines.flatMap(line => (line.kind === 'answer' && line.request && line.status < 300 ? [line.request.reqid] : []))
  )
  const inState = (...states: string[]) => [...requests.values()].filter(({ state }) => states.includes(state)).length
  return {
    kills: count('kill'),
    asked: count('ask'),
    'connections lost': count('lost'),
    accepted: accepted.size,
    requests: requests.size,
    interrupted: inState('interrupted'),
    'timed out': inState('timed_out'),
    expired: inState('expired'),
    events: log.length,
    streams: count('open'),
    'events seen': count('event'),
    frames: count('frame')
  }
}

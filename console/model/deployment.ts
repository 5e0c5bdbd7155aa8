import type { Configuration, Difference } from './configuration-difference.js'
import { counted, plain } from './format.js'
import { named } from './selection.js'
import { toneOf, type Tone } from './states.js'
import { stepArguments, type StepFields } from './strategy.js'
import type { ClusterRequest, Health, Instance, Node, RequestResult } from './types.js'
import type { TrackedRequest } from './cluster.js'

/** What a deployment does to some nodes. */
export interface Consequence {
  kind: 'start' | 'stop' | 'restart' | 'alone' | 'note'
  text: string
  nodes: readonly string[]
}

export interface Situation {
  difference: Difference
  /** What is to be deployed. */
  configuration: Configuration
  /** Nodes as they are now, by name. */
  nodes: ReadonlyMap<string, Node>
  instances: ReadonlyMap<string, Pick<Instance, 'connected'>>
  health: Health | undefined
  force: boolean
}

/** Returns what a deployment would do now, line by line: what is asked before it is done. */
export function consequencesOf(situation: Situation): Consequence[] {
  const { difference, configuration, nodes: now, force } = situation
  const isHeld = (name: string) => now.get(name)?.desired_state === 'STOPPED'
  const isDown = (name: string) => ['STOPPED', 'FAILED', 'CRASHED'].includes(now.get(name)?.state ?? '')
  const changes = new Map(difference.nodes.changed.map(({ name, changes }) => [name, changes]))
  const added = new Set(difference.nodes.added)
  const known = configuration.nodes.map(({ name }) => name).filter(name => !added.has(name))
  const held = configuration.nodes.map(({ name }) => name).filter(isHeld)
  const running = known.filter(name => !isHeld(name) && !isDown(name))
  const changed = running.filter(name => changes.has(name))
  const same = running.filter(name => !changes.has(name))
  const isAll = force || difference.isLayoutOther
  const fieldsOf = (name: string) => [...new Set((changes.get(name) ?? []).map(({ field }) => field))].join(', ')
  return [
    line(
      'start',
      difference.nodes.added.filter(name => !isHeld(name)),
      'starts',
      ''
    ),
    line(
      'start',
      known.filter(name => !isHeld(name) && isDown(name)),
      'starts again',
      ''
    ),
    line('stop', difference.nodes.removed, 'stops', 'that the configuration has no more'),
    line('restart', changed, 'restarts', 'whose configuration differs', fieldsOf),
    line(
      'restart',
      isAll ? same : [],
      'restarts',
      force ? 'that do not differ, as was asked' : 'since the layout differs, which all nodes read'
    ),
    line('alone', isAll ? [] : same, 'leaves', 'alone'),
    line('note', held, 'leaves', 'stopped, as an operator wants'),
    ...notesOf(situation)
  ].filter(({ text }) => text !== '')
}

const fieldsShown = 3

/** `fieldsOf`: what is said of each node of a few. */
function line(
  kind: Consequence['kind'],
  nodes: readonly string[],
  verb: string,
  why: string,
  fieldsOf?: (name: string) => string
): Consequence {
  if (nodes.length === 0) return { kind, text: '', nodes }
  const names =
    fieldsOf && nodes.length <= fieldsShown
      ? nodes.map(name => `${plain(name)} (${plain(fieldsOf(name))})`).join(', ')
      : named(nodes.map(node => ({ node })))
  return { kind, text: `${verb} ${counted(nodes.length, 'node')}${why === '' ? '' : ` ${why}`}: ${names}`, nodes }
}

function notesOf({ configuration, instances, health, difference }: Situation): Consequence[] {
  const note = (text: string): Consequence => ({ kind: 'note', text, nodes: [] })
  const away = configuration.instances.map(({ name }) => name).filter(name => instances.get(name)?.connected !== true)
  const drift = (health?.reasons ?? []).filter(({ code }) => code === 'drift')
  return [
    ...away.slice(0, 8).map(name => note(`instance ${plain(name)} is not connected: it follows when it connects`)),
    ...(away.length > 8 ? [note(`and ${away.length - 8} more instances are not connected`)] : []),
    ...(difference.isLayoutOther
      ? []
      : drift.slice(0, 8).map(({ message }) => note(`restarts, too: ${plain(message)}`)))
  ]
}

/** Returns what the consequences come to, in a sentence. */
export function summaryOf(consequences: readonly Consequence[]): string {
  const count = (kind: Consequence['kind']) =>
    consequences.filter(one => one.kind === kind).reduce((sum, { nodes }) => sum + nodes.length, 0)
  const parts = (['start', 'stop', 'restart'] as const).flatMap(kind =>
    count(kind) === 0 ? [] : [`${kind}s ${counted(count(kind), 'node')}`]
  )
  if (parts.length === 0) return `Nothing differs: ${counted(count('alone'), 'node')} are left alone.`
  return `It ${[...parts, ...(count('alone') > 0 ? [`leaves ${count('alone')} alone`] : [])].join(', ')}.`
}

/** How far a node is in a request. */
export interface NodeStep {
  node: string
  phase: 'failed' | 'busy' | 'waiting' | 'done'
  tone: Tone
  /** For example `starting, 12 s`, `RUNNING`. */
  text: string
}

const phases: readonly NodeStep['phase'][] = ['failed', 'busy', 'waiting', 'done']

/** Returns how far each node is: what has failed first, then what is being done. `nodes`: as they are now, by name. */
export function stepsOf(
  { results, waiting = [], state }: TrackedRequest,
  names: readonly string[],
  nodes: ReadonlyMap<string, Node>
): NodeStep[] {
  const told = new Map(results.flatMap(result => (result.node === undefined ? [] : [[result.node, result]])))
  const busy = new Map(waiting.map(step => [step.node, step]))
  const stepOf = (node: string): NodeStep => {
    const now = nodes.get(node)?.state
    const [result, step] = [told.get(node), busy.get(node)]
    // Why is told with its outputs.
    if (result && isTakenBack(result)) {
      return { node, phase: 'done', tone: 'doubt', text: `${now ?? 'gone'}, as before` }
    }
    if (result && !result.success) return { node, phase: 'failed', tone: 'bad', text: now ?? 'failed' }
    if (result) return { node, phase: 'done', tone: 'good', text: now ?? 'done' }
    if (step && state === 'pending') {
      return { node, phase: 'busy', tone: 'busy', text: `${step.state}, ${step.seconds} s` }
    }
    if (state !== 'pending') return { node, phase: 'done', tone: toneOf(now ?? ''), text: now ?? 'not deployed' }
    return { node, phase: 'waiting', tone: toneOf(now ?? ''), text: now ?? 'not there yet' }
  }
  return names.map(stepOf).sort((a, b) => phases.indexOf(a.phase) - phases.indexOf(b.phase))
}

/**
 * Returns the request by which somebody else has staged another configuration since `reqid` has staged one; undefined
 * when nobody has.
 */
export function stagedSince(
  requests: ReadonlyMap<string, ClusterRequest>,
  { reqid, created_at: at }: Pick<ClusterRequest, 'reqid' | 'created_at'>
): ClusterRequest | undefined {
  return [...requests.values()].findLast(
    one =>
      one.type === 'stage_configuration' &&
      one.state === 'succeeded' &&
      one.reqid !== reqid &&
      Date.parse(one.created_at) > Date.parse(at)
  )
}

/** How something is deployed. */
export interface How {
  check: boolean
  /** Whether a capture that loses lines of a log fails the check. */
  requiresCaptures: boolean
  force: boolean
  comment: string
  steps: StepFields
}

/** Returns the arguments of a deployment: what is as it would be without them is left out. */
export function argsOf({ check, requiresCaptures, force, comment, steps }: How): Partial<ClusterRequest['arguments']> {
  const text = comment.trim()
  return {
    ...(force ? { force } : {}),
    ...(check ? {} : { check }),
    ...(check && requiresCaptures ? { require: 'captures' as const } : {}),
    ...(text === '' ? {} : { comment: text }),
    ...stepArguments(steps)
  }
}

/** Whether a deployment was refused that was to do what a plan has told, and nothing else. */
export const isPlanRefused = ({ arguments: { plan }, state, results }: ClusterRequest): boolean =>
  plan !== undefined &&
  state === 'failed' &&
  results.every(({ node }) => node === undefined) &&
  // One that was cancelled before its first step is as short.
  results.some(({ error = '' }) => error.includes(plan))

/**
 * What has come of a deployment that is over. `deployed`: it has gone over all nodes, `stopped`: over some, and what
 * was changed stays; both as a revision. `reverted`: what was before is deployed, with the number of that revision.
 * `nothing`: nothing was changed. `unknown`: the controller has not seen its end.
 */
export interface Ending {
  kind: 'deployed' | 'stopped' | 'reverted' | 'nothing' | 'unknown'
  revision?: number | undefined
}

/** Returns what has come of a deployment; undefined while it is pending. */
export function endingOf({ state, results }: ClusterRequest): Ending | undefined {
  if (state === 'pending') return undefined
  const whole = results.findLast(
    ({ node, data }) => node === undefined && (data?.id !== undefined || data?.revision !== undefined)
  )
  const { revision, reverted } = whole?.data ?? {}
  if (whole?.success) return { kind: 'deployed', revision }
  if (reverted) return { kind: 'reverted', revision }
  if (whole && revision !== undefined) return { kind: 'stopped', revision }
  return { kind: ['failed', 'partial', 'succeeded'].includes(state) ? 'nothing' : 'unknown' }
}

/** Returns the number of the revision that a deployment has become; undefined where it has become none, or not yet. */
export function revisionOf(request: ClusterRequest): number | undefined {
  const ending = endingOf(request)
  return ending?.kind === 'deployed' || ending?.kind === 'stopped' ? ending.revision : undefined
}

/** Whether a deployment may have changed anything: one whose check has failed, or that was refused, has not. */
export function hasDeployed(request: ClusterRequest): boolean {
  const ending = endingOf(request)
  return ending !== undefined && ending.kind !== 'nothing'
}

/** Whether a node has failed at nothing itself: it has gone back with the others. */
export const isTakenBack = ({ success, node, error }: RequestResult): boolean =>
  !success && node !== undefined && error === 'reverted'

/** Returns the name of the node for which a deployment has ended; undefined where it was for none. */
export function culpritOf({ results }: ClusterRequest): string | undefined {
  const failed = results.filter(({ success, node }) => !success && node !== undefined)
  const own = failed.find(result => !isTakenBack(result))
  if (own) return own.node
  const why = results.findLast(({ node }) => node === undefined)?.error ?? ''
  // Its figures were told there, or that it has ended while it was watched.
  const subject = /^(?:reverted to .*?: )?([^ :]+)[ :]/.exec(why)?.[1]
  return failed.find(({ node }) => node === subject)?.node
}

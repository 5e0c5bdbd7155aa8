import { Fragment } from 'preact'
import { api, useCluster, useMay, useStatsWatch } from '../context.js'
import type { TrackedRequest } from '../model/cluster.js'
import { plain } from '../model/format.js'
import {
  figuresText,
  gatesText,
  hasGates,
  lineOf,
  numbersListed,
  rolloutSteps,
  stepsIn,
  type Rollout,
  type RolloutStep,
  type StepNodes
} from '../model/rollout.js'
import { toneOf, type Tone } from '../model/states.js'
import type { DomainEvent, Node } from '../model/types.js'
import { Link } from './link.js'
import { useRead } from './read.js'
import { RolloutActions } from './rollout-actions.js'
import { StateMark } from './state-mark.js'
import { Time } from './time.js'

/** A deployment in steps while it is under way: its steps, and what directs it. */
export function RolloutProgress({ request, rollout }: { request: TrackedRequest; rollout: Rollout }) {
  const mayDirect = useMay('operator')
  const steps = rolloutSteps(rollout, useKnownSteps(request, rollout))
  const { done, total, reason, until } = rollout
  const { arguments: args, reqid } = request
  return (
    <div class="rollout">
      <p role="status" class="text">
        {lineOf(rollout)}
      </p>
      <progress max={total} value={done} aria-label="Nodes that are changed, and healthy" />
      <p class="aside">
        {done} of {total} nodes are changed, and healthy. Before the next step: {gatesText(args)}.
      </p>
      {reason !== undefined && (
        <p role="alert" class={`notice text ${rollout.phase === 'reverting' ? 'bad' : 'doubt'}`}>
          {plain(reason)}
        </p>
      )}
      {until !== undefined && (
        <p class="notice doubt">
          It waits to be promoted. At <Time at={until} /> it is {args.auto_promote === true ? 'promoted' : 'taken back'}{' '}
          when nobody has decided.
        </p>
      )}
      <ol class="rollout-steps" aria-label="Steps">
        {steps.map(step => (
          <Step key={step.title} step={step} />
        ))}
      </ol>
      {rollout.phase !== 'reverting' && <Nodes names={rollout.nodes} request={request} />}
      {mayDirect && <RolloutActions reqid={reqid} rollout={rollout} args={args} />}
    </div>
  )
}

const historyLength = 200

/** Returns the steps that are known; those before the page was opened are read once. */
function useKnownSteps({ reqid, steps = new Map() }: TrackedRequest, rollout: Rollout): StepNodes {
  const isWhole = numbersListed(rollout).every(step => step === rollout.step || steps.has(step))
  const past = useRead(isWhole ? undefined : reqid, async signal => {
    const { data } = await api.GET('/v1/events/history', {
      params: { query: { reqid, types: ['rollout_progress'], limit: historyLength } },
      signal
    })
    return stepsIn(data!.events as DomainEvent[])
  })
  return new Map([...(past.value ?? []), ...steps])
}

const tones: Record<RolloutStep['state'], Tone> = { done: 'good', now: 'busy', coming: 'quiet', back: 'bad' }

function Step({ step: { title, state, text, nodes = [] } }: { step: RolloutStep }) {
  return (
    <li aria-current={state === 'now' ? 'step' : undefined}>
      <StateMark tone={tones[state]} /> <strong>{title}</strong> {text}
      {nodes.length > 0 && ': '}
      <Names of={nodes} />
    </li>
  )
}

const namesShown = 8

function Names({ of: names }: { of: readonly string[] }) {
  return (
    <span class="text">
      {names.slice(0, namesShown).map((name, n) => (
        <Fragment key={name}>
          {n > 0 && ', '}
          <Link href={`/nodes/${encodeURIComponent(name)}`}>{plain(name)}</Link>
        </Fragment>
      ))}
      {names.length > namesShown && ` and ${names.length - namesShown} more`}
    </span>
  )
}

type OfStep = { names: readonly string[]; request: TrackedRequest }

/** The nodes of the step that is under way, with the figures for which there are limits. */
function Nodes({ names, request }: OfStep) {
  return hasGates(request.arguments) ? (
    <Measured names={names} request={request} />
  ) : (
    <States names={names} request={request} />
  )
}

function Measured(step: OfStep) {
  useStatsWatch()
  return <States {...step} />
}

const nodesShown = 20

function States({ names, request: { arguments: args, waiting = [] } }: OfStep) {
  const groups = useCluster(({ nodes }) => nodes)
  const stats = useCluster(cluster => cluster.stats)
  const wanted = new Set(names.slice(0, nodesShown))
  const now = new Map<string, Node>(
    [...groups.values()].flatMap(group => group.filter(({ node }) => wanted.has(node)).map(node => [node.node, node]))
  )
  return (
    <ul class="rollout-nodes" aria-label="Nodes of this step">
      {[...wanted].map(name => {
        const state = now.get(name)?.state
        const step = waiting.find(({ node }) => node === name)
        const figures = state === 'RUNNING' ? figuresText(args, stats.get(name)) : ''
        return (
          <li key={name}>
            <StateMark tone={toneOf(state ?? '')} />{' '}
            <Link href={`/nodes/${encodeURIComponent(name)}`}>{plain(name)}</Link>{' '}
            <span class="aside">
              {[state ?? 'not there', step && `${step.state}, ${step.seconds} s`, figures].filter(Boolean).join(' · ')}
            </span>
          </li>
        )
      })}
      {names.length > nodesShown && <li class="aside">and {names.length - nodesShown} more</li>}
    </ul>
  )
}

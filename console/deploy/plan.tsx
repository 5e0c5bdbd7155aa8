import { useContext, useMemo } from 'preact/hooks'
import { argsOf } from '../model/deployment.js'
import { lag, plain } from '../model/format.js'
import { stepsOfPlan, summaryOfPlan, unknownOfPlan, type PlannedNode, type PlannedStep } from '../model/plan.js'
import type { ClusterRequest } from '../model/types.js'
import { Link } from '../parts/link.js'
import { RequestProgress, useRequest } from '../parts/request-progress.js'
import { StateMark } from '../parts/state-mark.js'
import { faultsIn, useSubmit } from '../parts/submit.js'
import { Table } from '../parts/table.js'
import { DeskContext, useArrival, useDesk } from './desk.js'
import { HowFields, useHow } from './how.js'
import { More, useMore } from './more.js'
import type { Work } from './work.js'

/** What a deployment would do, as the hosts say, and what has just that done. */
export function Plan({ work }: { work: Work }) {
  const plan = useDesk(({ state }) => state.plan)
  return plan ? <Planned key={plan.reqid} accepted={plan} work={work} /> : null
}

function Planned({ accepted, work }: { accepted: ClusterRequest; work: Work }) {
  const { state, results } = useRequest(accepted.reqid, accepted) ?? accepted
  const heading = useArrival(accepted.reqid)
  const steps = useMemo(() => stepsOfPlan(results), [results])
  const unknown = useMemo(() => unknownOfPlan(results), [results])
  return (
    <section aria-labelledby="plan">
      <h2 id="plan" ref={heading} tabIndex={-1}>
        What a deployment would do
      </h2>
      <RequestProgress accepted={accepted} nodes={[]} hasTable />
      {state !== 'pending' && (
        <>
          {steps.length > 0 && <p>{summaryOfPlan(steps)}</p>}
          {unknown.map(line => (
            <p key={line} class="notice doubt text">
              {line}
            </p>
          ))}
          {steps.map(step => (
            <Step key={step.action} step={step} />
          ))}
          <Next plan={accepted.reqid} isWhole={state === 'succeeded'} steps={steps} work={work} />
        </>
      )}
    </section>
  )
}

const rowsShown = 30

/** The nodes to which the same would be done; those that are left alone behind a click. */
function Step({ step: { action, tone, title, nodes } }: { step: PlannedStep }) {
  const more = useMore(rowsShown)
  return (
    <details class="planned" open={action !== 'none'}>
      <summary>
        <StateMark tone={tone} /> {title}
      </summary>
      <Table name={title} columns={['Node', 'Host', 'Last start', 'Why']}>
        {nodes.slice(0, more.shown).map(one => (
          <Row key={`${one.instance} ${one.node}`} {...one} />
        ))}
      </Table>
      <More {...more} total={nodes.length} step={rowsShown} what="nodes" />
    </details>
  )
}

const Row = ({ node, instance, lastStart, reason }: PlannedNode) => (
  <tr>
    <th scope="row">{plain(node)}</th>
    <td>
      <Link href={`/hosts/${encodeURIComponent(instance)}`}>{plain(instance)}</Link>
    </td>
    <td>{lastStart !== undefined && lag(lastStart)}</td>
    <td class="text">{plain(reason)}</td>
  </tr>
)

/** What can be done with a plan. `isWhole`: all hosts have told. */
function Next({
  plan,
  isWhole,
  steps,
  work
}: {
  plan: string
  isWhole: boolean
  steps: readonly PlannedStep[]
  work: Work
}) {
  const desk = useContext(DeskContext)
  const [how, change] = useHow()
  const { submit, isBusy, failure } = useSubmit('deploy')
  const isOtherDone = useDesk(({ state }) => state.busy !== undefined)
  const isOfOther = useDesk(
    ({ draft, state }) => draft.isUnsaved || (draft.isCurrent && state.staged?.text !== draft.text)
  )
  const go = async (event: Event) => {
    event.preventDefault()
    if (isBusy || isOtherDone) return
    const request = await submit({ ...argsOf(how), plan })
    if (!request) return
    const nodes = steps.flatMap(({ nodes }) => nodes.map(({ node }) => node))
    desk.deployed({ request, nodes })
  }
  return (
    <form onSubmit={go}>
      {isWhole ? (
        <HowFields how={how} onChange={change} faults={faultsIn(failure)} isPlanned />
      ) : (
        <p>Not all hosts have told what is to be done: only a plan of all of them can be deployed exactly.</p>
      )}
      {isOfOther && <p class="aside">The text has changed since: this is the plan of what was staged before.</p>}
      {failure && (
        <p role="alert" class="notice bad text">
          {plain(failure.message)}
        </p>
      )}
      <p class="buttons">
        {isWhole && (
          <button type="submit" class="primary" aria-disabled={isBusy || isOtherDone}>
            Deploy exactly this
          </button>
        )}
        <button type="button" aria-disabled={isOtherDone} onClick={() => work.plan()}>
          Plan anew
        </button>
      </p>
    </form>
  )
}

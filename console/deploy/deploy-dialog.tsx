import { useContext, useMemo } from 'preact/hooks'
import { useCluster } from '../context.js'
import type { Changed } from '../model/configuration-difference.js'
import { argsOf, consequencesOf, stagedSince, summaryOf, type Consequence } from '../model/deployment.js'
import { counted, plain } from '../model/format.js'
import { Dialog, DialogButtons } from '../parts/dialog.js'
import { StateMark } from '../parts/state-mark.js'
import type { Tone } from '../model/states.js'
import { DeskContext, useDesk, type Intent } from './desk.js'
import { HowFields, useHow } from './how.js'
import type { Work } from './work.js'
import { Table } from '../parts/table.js'

/** Asks before it is deployed what was prepared. */
export function DeployDialog({ work }: { work: Work }) {
  const desk = useContext(DeskContext)
  const asked = useDesk(({ state }) => state.asked)
  if (!asked) return null
  return (
    <Dialog title="Deploy this configuration?" onClose={() => desk.set({ asked: undefined })}>
      <Question intent={asked} work={work} />
    </Dialog>
  )
}

const tones: Record<Consequence['kind'], Tone> = {
  start: 'good',
  stop: 'bad',
  restart: 'busy',
  alone: 'quiet',
  note: 'doubt'
}

function Question({ intent, work }: { intent: Intent; work: Work }) {
  const desk = useContext(DeskContext)
  const { configuration, difference, before, staged } = intent
  const [how, change] = useHow()
  const { force } = how
  const groups = useCluster(({ nodes }) => nodes)
  const instances = useCluster(cluster => cluster.instances)
  const health = useCluster(cluster => cluster.health)
  const other = useCluster(({ requests }) => stagedSince(requests, staged.request))
  const isBusy = useDesk(({ state }) => state.busy !== undefined)
  const failure = useDesk(({ state }) => state.failure)
  const faults = useDesk(({ state }) => state.faults)
  const consequences = useMemo(() => {
    const nodes = new Map([...groups.values()].flat().map(node => [node.node, node]))
    return consequencesOf({ difference, configuration, nodes, instances, health, force })
  }, [intent, groups, instances, health, force])
  const go = (event: Event) => {
    event.preventDefault()
    void work.deploy(intent, argsOf(how))
  }
  return (
    <form onSubmit={go}>
      <p>{before === undefined ? `Nothing is deployed yet. ${summaryOf(consequences)}` : summaryOf(consequences)}</p>
      <ul class="consequences">
        {consequences.map(({ kind, text }) => (
          <li key={text}>
            <StateMark tone={tones[kind]} /> <span class="text">{text}</span>
          </li>
        ))}
      </ul>
      <InstancesText {...difference.instances} />
      <Changes changed={[...difference.instances.changed, ...difference.nodes.changed]} />
      {staged.request.warnings.map(warning => (
        <p key={warning} class="notice doubt text">
          {plain(warning)}
        </p>
      ))}
      <HowFields
        how={how}
        onChange={change}
        faults={faults}
        isFirst={before === undefined}
        hasCaptures={(configuration.captures ?? []).length > 0}
      />
      {other && (
        <p role="alert" class="notice bad">
          Somebody has staged another configuration meanwhile: that one would be deployed. Close this, and deploy again.
        </p>
      )}
      {failure !== undefined && (
        <p role="alert" class="notice bad text">
          {plain(failure)}
        </p>
      )}
      <DialogButtons
        label="Deploy"
        isDisabled={isBusy || other !== undefined}
        onCancel={() => desk.set({ asked: undefined })}
      />
    </form>
  )
}

function InstancesText({ added, removed, changed }: Intent['difference']['instances']) {
  const parts = [
    ...(added.length > 0 ? [`${counted(added.length, 'instance')} new: ${few(added)}`] : []),
    ...(removed.length > 0 ? [`${counted(removed.length, 'instance')} no more in it: ${few(removed)}`] : []),
    ...(changed.length > 0
      ? [`${counted(changed.length, 'instance')} changed: ${few(changed.map(one => one.name))}`]
      : [])
  ]
  return parts.length === 0 ? null : <p class="text">{parts.join('; ')}.</p>
}

const namesMax = 8
const few = (names: readonly string[]) =>
  plain(names.slice(0, namesMax).join(', ')) + (names.length > namesMax ? ` and ${names.length - namesMax} more` : '')

/** More than anyone compares by eye. */
const changesShown = 40

function Changes({ changed }: { changed: readonly Changed[] }) {
  if (changed.length === 0) return null
  const rows = changed.flatMap(({ name, changes }) => changes.map(change => ({ name, ...change })))
  return (
    <details>
      <summary>What differs, field by field</summary>
      <Table name="What differs" columns={['Of', 'Field', 'Now', 'Then']}>
        {rows.slice(0, changesShown).map(({ name, field, before, after }) => (
          <tr key={`${name} ${field}`}>
            <th scope="row">{plain(name)}</th>
            <td class="text">{plain(field)}</td>
            <td class="text">{before === undefined ? <span class="aside">none</span> : plain(before)}</td>
            <td class="text">{after === undefined ? <span class="aside">none</span> : plain(after)}</td>
          </tr>
        ))}
      </Table>
      {rows.length > changesShown && <p>and {rows.length - changesShown} more</p>}
    </details>
  )
}

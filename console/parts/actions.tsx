import { useState } from 'preact/hooks'
import { useMay } from '../context.js'
import { consequences, named, type Selection, type Verb } from '../model/selection.js'
import { plain } from '../model/format.js'
import { Dialog, DialogButtons } from './dialog.js'
import { RequestProgress } from './request-progress.js'
import { useSubmit, type Submission } from './submit.js'

const verbs: readonly Verb[] = ['start', 'stop', 'restart']
const titles: Record<Verb, string> = { start: 'Start', stop: 'Stop', restart: 'Restart' }

/** Buttons that start, stop and restart nodes: each asks before, and shows what comes of it. */
export function NodeActions({ of: selection }: { of: Selection }) {
  const mayAct = useMay('operator', { limited: true })
  const [asked, setAsked] = useState<Verb>()
  const submissions: Record<Verb, Submission> = {
    start: useSubmit('start'),
    stop: useSubmit('stop'),
    restart: useSubmit('restart')
  }
  const isUseless = (verb: Verb) =>
    selection.nodes.length === 0 ||
    (verb === 'stop' &&
      selection.nodes.every(({ state, desired_state: desired }) => state === 'STOPPED' && desired === 'STOPPED'))
  return (
    <div class="actions">
      <div role="group" aria-label={`Act on ${selection.name}`}>
        {verbs.map(verb => (
          <button
            key={verb}
            type="button"
            disabled={!mayAct || isUseless(verb)}
            onClick={() => {
              submissions[verb].reset()
              setAsked(verb)
            }}
          >
            {titles[verb]}
          </button>
        ))}
        {!mayAct && <span class="aside">To act takes the role operator.</span>}
      </div>
      {asked !== undefined && (
        <Ask verb={asked} selection={selection} submission={submissions[asked]} onClose={() => setAsked(undefined)} />
      )}
      {verbs.map(verb => {
        const { request } = submissions[verb]
        return request && <RequestProgress key={request.reqid} accepted={request} nodes={namesOf(selection)} />
      })}
    </div>
  )
}

const namesOf = ({ nodes }: Selection) => nodes.map(({ node }) => node)

function Ask({
  verb,
  selection,
  submission: { submit, isBusy, failure },
  onClose
}: {
  verb: Verb
  selection: Selection
  submission: Submission
  onClose: () => void
}) {
  const [isRolling, setRolling] = useState(selection.nodes.length > 1)
  const go = async (event: Event) => {
    event.preventDefault()
    const how = verb === 'restart' && isRolling ? { strategy: 'rolling' } : {}
    if ((await submit({ ...selection.args, ...how })) !== undefined) onClose()
  }
  return (
    <Dialog title={`${titles[verb]} ${selection.name}?`} onClose={onClose}>
      <form onSubmit={go}>
        {selection.nodes.length > 1 && <p>{named(selection.nodes)}</p>}
        <ul>
          {consequences(verb, selection).map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        {verb === 'restart' && selection.nodes.length > 1 && (
          <p>
            <label>
              <input type="checkbox" checked={isRolling} onChange={() => setRolling(!isRolling)} /> One after the other,
              each only when the one before has joined again
            </label>
          </p>
        )}
        {failure && (
          <p role="alert" class="notice bad">
            {plain(failure.message)}
          </p>
        )}
        <DialogButtons label={titles[verb]} isDisabled={isBusy} onCancel={onClose} />
      </form>
    </Dialog>
  )
}

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { faultsOf } from '../model/faults.js'
import { plain } from '../model/format.js'
import type { ClusterRequest } from '../model/types.js'
import { Dialog, DialogButtons } from './dialog.js'
import { NodeResults } from './node-results.js'
import { RequestProgress, useRequest } from './request-progress.js'
import type { Submission } from './submit.js'

/** A change that is asked for, and the one that was made before, with the request that it has become. */
export interface Changes<Change> {
  asked: Change | undefined
  ask: (change: Change) => void
  done: { change: Change; request: ClusterRequest } | undefined
  accept: (change: Change, request: ClusterRequest) => void
  close: () => void
}

/** Returns what keeps a change from when it is asked for until the next one is made. */
export function useChanges<Change>(): Changes<Change> {
  const [asked, setAsked] = useState<Change>()
  const [done, setDone] = useState<Changes<Change>['done']>()
  const close = () => setAsked(undefined)
  const accept = (change: Change, request: ClusterRequest) => {
    setDone({ change, request })
    close()
  }
  return { asked, ask: change => setAsked(() => change), done, accept, close }
}

/**
 * Asks before something of the nodes is changed. `children`: its fields; `effects`: what it does, line by line;
 * `isReady`: there is all that it takes.
 */
export function ChangeDialog({
  title,
  label,
  effects,
  submission: { isBusy, failure },
  isReady = true,
  onSubmit,
  onClose,
  children
}: {
  title: string
  label: string
  effects: readonly string[]
  submission: Pick<Submission, 'isBusy' | 'failure'>
  isReady?: boolean
  onSubmit: (fields: FormData) => Promise<void>
  onClose: () => void
  children?: ComponentChildren
}) {
  const go = (event: Event) => {
    event.preventDefault()
    void onSubmit(new FormData(event.currentTarget as HTMLFormElement))
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="change" onSubmit={go}>
        {children}
        <ul class="text">
          {effects.map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        {failure && <Faults of={failure} />}
        <DialogButtons label={label} isDisabled={isBusy || !isReady} onCancel={onClose} />
      </form>
    </Dialog>
  )
}

/** Why a change was refused, or did not arrive. */
function Faults({ of: failure }: { of: Error }) {
  const faults = faultsOf(failure)
  return (
    <div role="alert" class="notice bad text">
      {faults.length === 1 ? (
        plain(faults[0]!)
      ) : (
        <>
          Refused, and nothing is changed. What is wrong, from the beginning on:
          <ul class="reasons">
            {faults.map(fault => (
              <li key={fault}>{plain(fault)}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  )
}

/**
 * What comes of a change, in each node. `told`: says what the value of a node means, or that it has none; `again`: what
 * asks once more where it has failed.
 */
export function ChangeOutcome({
  accepted,
  title,
  told,
  again,
  onAgain
}: {
  accepted: ClusterRequest
  title: string
  told: (value: string | undefined) => string
  again: string
  onAgain: () => void
}) {
  const { state, results } = useRequest(accepted.reqid, accepted) ?? accepted
  return (
    <section aria-labelledby="outcome">
      <h2 id="outcome" class="text">
        {title}
      </h2>
      <RequestProgress accepted={accepted} nodes={[]} hasTable />
      {state === 'failed' && (
        <p class="buttons">
          <button type="button" onClick={onAgain}>
            {again}
          </button>
        </p>
      )}
      <NodeResults results={results} told={told} />
    </section>
  )
}

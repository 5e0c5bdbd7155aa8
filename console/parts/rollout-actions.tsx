import { useState } from 'preact/hooks'
import { api } from '../context.js'
import { counted, plain } from '../model/format.js'
import { actionsIn, type Rollout, type RolloutAction } from '../model/rollout.js'
import type { ClusterRequest } from '../model/types.js'
import { Dialog, DialogButtons } from './dialog.js'
import { useSubmission, type Submission } from './submit.js'

/** What is done at once, and what follows. */
const directly = {
  pause: { label: 'Pause', told: 'It waits before its next step.' },
  resume: { label: 'Resume', told: 'It goes on.' }
} as const

/** What asks first: what is on its button, and on that of its dialog. */
const asking = {
  promote: { label: 'Promote…', title: 'Promote the canary?', button: 'Promote', told: 'It goes on.' },
  revert: { label: 'Revert…', title: 'Go back to what was before?', button: 'Revert', told: 'It goes back.' },
  cancel: {
    label: 'Cancel…',
    title: 'Cancel this deployment?',
    button: 'Cancel the deployment',
    told: 'It ends.'
  }
} as const
type Asking = keyof typeof asking

const isAsking = (action: RolloutAction): action is Asking => action in asking

interface Directed {
  reqid: string
  rollout: Rollout
  args: ClusterRequest['arguments']
}

/** Buttons that direct a deployment in steps, those that its phase allows. What cannot be undone asks first. */
export function RolloutActions({ reqid, rollout, args }: Directed) {
  const [asked, setAsked] = useState<Asking>()
  const [last, setLast] = useState<{ action: RolloutAction; phase: string; step: number }>()
  const submission = useSubmission<RolloutAction>(action => direct(reqid, action))
  const { phase, step } = rollout
  const isPausing = last?.action === 'pause' && last.step === step && phase !== 'paused'
  const actions = actionsIn(phase, isPausing)
  const isTold = last !== undefined && (isPausing || (last.phase === phase && last.step === step))
  const go = async (action: RolloutAction) => {
    if (submission.isBusy) return
    if ((await submission.submit(action)) === undefined) return
    setLast({ action, phase, step })
    setAsked(undefined)
  }
  return (
    <div class="actions">
      <div role="group" aria-label="Direct this deployment">
        {actions.map(action => (
          <button
            // Who presses one keeps the focus on what takes its place.
            key={action === 'pause' || action === 'resume' ? 'wait' : action}
            type="button"
            aria-disabled={submission.isBusy}
            onClick={() => {
              if (!isAsking(action)) return void go(action)
              submission.reset()
              setAsked(action)
            }}
          >
            {labelOf(action)}
          </button>
        ))}
        <span role="status" class="aside">
          {isTold && toldOf(last.action)}
        </span>
      </div>
      {asked === undefined && <Failure of={submission} />}
      {asked !== undefined && (
        <Ask
          action={asked}
          rollout={rollout}
          args={args}
          submission={submission}
          onGo={() => void go(asked)}
          onClose={() => setAsked(undefined)}
        />
      )}
    </div>
  )
}

const labelOf = (action: RolloutAction) => (isAsking(action) ? asking[action] : directly[action]).label
const toldOf = (action: RolloutAction) => (isAsking(action) ? asking[action] : directly[action]).told

async function direct(reqid: string, action: RolloutAction): Promise<ClusterRequest> {
  const init = { params: { path: { reqid } } }
  const { data } =
    action === 'cancel'
      ? await api.DELETE('/v1/requests/{reqid}', init)
      : await api.POST(`/v1/requests/{reqid}/${action}`, init)
  return data!
}

function Ask({
  action,
  rollout,
  args,
  submission,
  onGo,
  onClose
}: Omit<Directed, 'reqid'> & {
  action: Asking
  submission: Submission<RolloutAction>
  onGo: () => void
  onClose: () => void
}) {
  const { title, button } = asking[action]
  const go = (event: Event) => {
    event.preventDefault()
    onGo()
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={go}>
        <p>{effectOf(action, rollout, args)}</p>
        <Failure of={submission} />
        <DialogButtons label={button} back="Back" isDisabled={submission.isBusy} onCancel={onClose} />
      </form>
    </Dialog>
  )
}

function effectOf(action: Asking, { done, total, step, of, revision }: Rollout, args: Directed['args']): string {
  if (action === 'promote') return `The other ${counted(total - done, 'node')} are changed, too, step by step.`
  const nodes = `The nodes of ${step === 1 ? 'step 1' : `steps 1 to ${step}`}`
  if (action === 'cancel' && args.auto_revert === false) {
    return `${nodes} stay as they are now, the others as they were, until revision ${revision} or another one is deployed.`
  }
  return `${nodes} restart, as they were before.${step < of ? ' The others are left alone.' : ''}`
}

function Failure({ of: { failure } }: { of: Pick<Submission, 'failure'> }) {
  if (!failure) return null
  return (
    <p role="alert" class="notice bad text">
      {plain(failure.message)}
    </p>
  )
}

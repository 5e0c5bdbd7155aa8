import { useState } from 'preact/hooks'
import { useLocation } from 'wouter-preact'
import { Refusal } from '../api.js'
import { api } from '../context.js'
import { deletionOf, keptBy, titleOf, type Bundle } from '../model/bundles.js'
import { plain } from '../model/format.js'
import { Dialog, DialogButtons } from '../parts/dialog.js'

/** A button that deletes a bundle, after it has asked. */
export function DeleteBundle({ bundle }: { bundle: Bundle }) {
  const [isAsked, setAsked] = useState(false)
  const kept = keptBy(bundle)
  return (
    <div class="actions">
      <div role="group" aria-label={`Act on ${titleOf(bundle)}`}>
        <button type="button" disabled={kept !== undefined} onClick={() => setAsked(true)}>
          Delete
        </button>
        {kept !== undefined && <span class="aside">{kept}</span>}
      </div>
      {isAsked && <Ask bundle={bundle} onClose={() => setAsked(false)} />}
    </div>
  )
}

function Ask({ bundle, onClose }: { bundle: Bundle; onClose: () => void }) {
  const [, navigate] = useLocation()
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Error>()
  const go = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setFailure(undefined)
    try {
      await api.DELETE('/v1/bundles/{bundle}', { params: { path: { bundle: bundle.id } } })
      navigate('/content')
    } catch (error) {
      // Pressed again after an answer that was lost: it is done.
      if (error instanceof Refusal && error.status === 404) return navigate('/content')
      setFailure(error as Error)
      setBusy(false)
    }
  }
  return (
    <Dialog title={`Delete ${titleOf(bundle)}?`} onClose={onClose}>
      <form onSubmit={go}>
        <ul>
          {deletionOf(bundle).map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        {failure && (
          <p role="alert" class="notice bad">
            Not deleted: {plain(failure.message)}.
          </p>
        )}
        <DialogButtons label="Delete" isDisabled={isBusy} onCancel={onClose} />
      </form>
    </Dialog>
  )
}

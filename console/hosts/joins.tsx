import { useState } from 'preact/hooks'
import { api, useMay } from '../context.js'
import { counted, plain } from '../model/format.js'
import { effectsOfJoin, waitingOf, type Join, type JoinVerb } from '../model/joins.js'
import { Dialog, DialogButtons } from '../parts/dialog.js'
import { useRefreshed } from '../parts/refresh.js'
import { Of } from '../parts/set-list.js'
import { Table } from '../parts/table.js'
import { Time } from '../parts/time.js'

const everyMs = 3_000
const labels: Record<JoinVerb, string> = { accept: 'Accept', deny: 'Deny' }

/** The hosts that ask to join, to be accepted or denied. Where none waits there is nothing to say. */
export function Joins() {
  return useMay('operator') ? <Waiting /> : null
}

function Waiting() {
  const [asked, setAsked] = useState<{ verb: JoinVerb; join: Join }>()
  const { value, failure, refresh } = useRefreshed(
    async signal => waitingOf((await api.GET('/v1/joins', { signal })).data!.joins),
    { everyMs }
  )
  const joins = value ?? []
  return (
    <>
      {(joins.length > 0 || failure !== undefined) && (
        <section aria-labelledby="joins">
          <h2 id="joins">Hosts that ask to join</h2>
          {failure !== undefined && (
            <p role="alert" class="notice bad">
              Not told anew: {plain(failure)}
            </p>
          )}
          <p role="status">
            {counted(joins.length, 'host')} {joins.length === 1 ? 'waits' : 'wait'}. Accept a host only if it shows the
            same fingerprint.
          </p>
          <Table name="Hosts that wait" columns={['Name', 'Fingerprint of its key', 'Address', 'Since', '']}>
            {joins.map(join => (
              <tr key={join.id}>
                <th scope="row">{plain(join.name)}</th>
                <td class="text">
                  <code>{plain(join.fingerprint)}</code>
                </td>
                <td>{plain(join.address)}</td>
                <td>
                  <Time at={join.created_at} />
                </td>
                <td>
                  {(['accept', 'deny'] as const).map(verb => (
                    <button key={verb} type="button" onClick={() => setAsked({ verb, join })}>
                      {labels[verb]}…
                      <Of name={join.name} />
                    </button>
                  ))}
                </td>
              </tr>
            ))}
          </Table>
        </section>
      )}
      {asked && (
        <Ask
          {...asked}
          onClose={() => {
            setAsked(undefined)
            refresh()
          }}
        />
      )}
    </>
  )
}

function Ask({ verb, join, onClose }: { verb: JoinVerb; join: Join; onClose: () => void }) {
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Error>()
  const go = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setFailure(undefined)
    const params = { path: { id: join.id } }
    try {
      if (verb === 'accept') await api.POST('/v1/joins/{id}/accept', { params })
      else await api.POST('/v1/joins/{id}/deny', { params })
      onClose()
    } catch (error) {
      setFailure(error as Error)
      setBusy(false)
    }
  }
  return (
    <Dialog title={`${labels[verb]} ${plain(join.name)}?`} onClose={onClose}>
      <form onSubmit={go}>
        <p class="text">
          <code>{plain(join.fingerprint)}</code>
        </p>
        <ul>
          {effectsOfJoin(verb, join).map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        {failure && (
          <p role="alert" class="notice bad">
            {plain(failure.message)}
          </p>
        )}
        <DialogButtons label={labels[verb]} isDisabled={isBusy} onCancel={onClose} />
      </form>
    </Dialog>
  )
}

import { useState } from 'preact/hooks'
import { api, useMay } from '../context.js'
import { plain } from '../model/format.js'
import type { Schema } from '../model/types.js'
import { Of } from '../parts/set-list.js'
import { Table } from '../parts/table.js'
import { Time } from '../parts/time.js'

type Sink = Schema['NotificationSink']

/** What has come of a test: what the sink has said, or why it was not sent. */
type Tested = { isBusy: true } | { isBusy: false; delivered: boolean; detail: string }

/** Where notifications go, how that works, and what tries it. */
export function Sinks({ sinks, onTested }: { sinks: readonly Sink[]; onTested: () => void }) {
  const mayTest = useMay('operator')
  const [tests, setTests] = useState<ReadonlyMap<string, Tested>>(new Map())
  const note = (name: string, tested: Tested) => setTests(before => new Map([...before, [name, tested]]))
  const test = async (name: string) => {
    note(name, { isBusy: true })
    try {
      const { data } = await api.POST('/v1/notifications/sinks/{sink}/test', { params: { path: { sink: name } } })
      note(name, { isBusy: false, ...data! })
    } catch (error) {
      note(name, { isBusy: false, delivered: false, detail: (error as Error).message })
    }
    onTested()
  }
  return (
    <>
      <Table
        name="Sinks"
        columns={['Sink', 'Goes to', 'How it works', { number: 'Told' }, { number: 'Given up' }, 'Test']}
      >
        {sinks.map(sink => (
          <tr key={sink.name}>
            <th scope="row">{plain(sink.name)}</th>
            <td>
              {plain(sink.target)}{' '}
              <span class="aside">
                {[sink.kind, sink.template, sink.signed === true && 'signed'].filter(Boolean).join(', ')}
              </span>
            </td>
            <td>
              <State of={sink} />
            </td>
            <td class="number">{sink.delivered}</td>
            <td class="number">{sink.given_up}</td>
            <td>
              <button
                type="button"
                disabled={!mayTest || tests.get(sink.name)?.isBusy === true}
                onClick={() => void test(sink.name)}
              >
                Test
                <Of name={sink.name} />
              </button>
            </td>
          </tr>
        ))}
      </Table>
      {!mayTest && <p class="aside">To test a sink takes the role operator.</p>}
      <div role="status">
        {[...tests].map(([name, tested]) => (
          <p key={name} class={tested.isBusy || tested.delivered ? 'text' : 'notice bad text'}>
            {plain(name)}: {wordsOf(tested)}
          </p>
        ))}
      </div>
    </>
  )
}

function wordsOf(tested: Tested): string {
  if (tested.isBusy) return 'a test is sent…'
  return `${tested.delivered ? 'the test was taken' : 'the test was not taken'}: ${plain(tested.detail)}`
}

function State({ of: { failing_since: since, last_error: error, next_attempt: next } }: { of: Sink }) {
  if (since === undefined) return <>nothing is amiss</>
  return (
    <>
      fails since <Time at={since} form="day" />: {plain(error ?? 'why is unknown')}
      {next !== undefined && (
        <span class="aside">
          , next attempt <Time at={next} />
        </span>
      )}
    </>
  )
}

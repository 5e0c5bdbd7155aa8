import { useState } from 'preact/hooks'
import { api, useMay } from '../context.js'
import { plain } from '../model/format.js'
import { noValue, titleOfChange, type OptionChange } from '../model/options.js'
import type { ClusterRequest } from '../model/types.js'
import { AskOption } from '../options/ask.js'
import { OptionList } from '../options/list.js'
import { useAnswered } from '../parts/answered.js'
import { ChangeOutcome } from '../parts/change.js'
import { Page } from '../parts/page.js'
import { useRead } from '../parts/read.js'

/** The options of Zeek that are set while nodes run: listed, set, changed and unset. */
export function Options() {
  const mayChange = useMay('operator')
  return (
    <Page title="Options" help="options">
      {mayChange ? <Whole /> : <p>To see which options are set, and to change them, takes the role operator.</p>}
    </Page>
  )
}

function Whole() {
  const { value, failure, again } = useRead(
    'options',
    async signal => (await api.GET('/v1/options', { signal })).data!.options
  )
  useAnswered(['set_option', 'unset_option'], again)
  const [asked, setAsked] = useState<OptionChange>()
  const [done, setDone] = useState<{ change: OptionChange; request: ClusterRequest }>()
  const options = value ?? []
  return (
    <>
      <section aria-labelledby="options">
        <h2 id="options">Set while nodes run</h2>
        {failure && (
          <div role="alert" class="notice bad text">
            <p>Options could not be read: {plain(failure.message)}.</p>
            <p class="buttons">
              <button type="button" onClick={again}>
                Read again
              </button>
            </p>
          </div>
        )}
        {!value && !failure && <p aria-busy="true">Reading…</p>}
        {value?.length === 0 && (
          <p>
            None is set. What scripts of Zeek declare with <code>option</code>, as <code>Site::local_nets</code>, can be
            changed in all nodes while they run, without a restart: <a href="docs/guide/options">how options work</a>.
          </p>
        )}
        {options.length > 0 && <OptionList options={options} onAsk={setAsked} />}
        <p class="buttons">
          <button type="button" class="primary" onClick={() => setAsked({ type: 'set_option', name: '', value: '' })}>
            Set an option…
          </button>
        </p>
      </section>
      {done && (
        <ChangeOutcome
          key={done.request.reqid}
          accepted={done.request}
          title={titleOfChange(done.change)}
          silent={noValue}
          onCorrect={() => setAsked(done.change)}
        />
      )}
      {asked && (
        <AskOption
          change={asked}
          options={options}
          onAccepted={(change, request) => {
            setDone({ change, request })
            setAsked(undefined)
          }}
          onClose={() => setAsked(undefined)}
        />
      )}
    </>
  )
}

import { api, useMay } from '../context.js'
import { titleOfChange, toldOfOption, type OptionChange } from '../model/options.js'
import { AskOption } from '../options/ask.js'
import { OptionList } from '../options/list.js'
import { useAnswered } from '../parts/answered.js'
import { ChangeOutcome, useChanges } from '../parts/change.js'
import { Page } from '../parts/page.js'
import { useRead } from '../parts/read.js'
import { Reading } from '../parts/reading.js'

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
  const read = useRead('options', async signal => (await api.GET('/v1/options', { signal })).data!.options)
  useAnswered(['set_option', 'unset_option'], read.again)
  const { asked, ask, done, accept, close } = useChanges<OptionChange>()
  const options = read.value ?? []
  return (
    <>
      <section aria-labelledby="options">
        <h2 id="options">Set while nodes run</h2>
        <Reading of={read} what="Options" />
        {read.value?.length === 0 && (
          <p>
            None is set. What scripts of Zeek declare with <code>option</code>, as <code>Site::local_nets</code>, can be
            changed in all nodes while they run, without a restart: <a href="docs/guide/options">how options work</a>.
          </p>
        )}
        {options.length > 0 && <OptionList options={options} onAsk={ask} />}
        <p class="buttons">
          <button type="button" class="primary" onClick={() => ask({ type: 'set_option', name: '', value: '' })}>
            Set an option…
          </button>
        </p>
      </section>
      {done && (
        <ChangeOutcome
          key={done.request.reqid}
          accepted={done.request}
          title={titleOfChange(done.change)}
          told={toldOfOption}
          again="Correct…"
          onAgain={() => ask(done.change)}
        />
      )}
      {asked && <AskOption change={asked} options={options} onAccepted={accept} onClose={close} />}
    </>
  )
}

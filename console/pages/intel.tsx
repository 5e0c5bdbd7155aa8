import { api, useMay } from '../context.js'
import { AskFeed, type AskedFeed } from '../intel/ask.js'
import { FeedList } from '../intel/list.js'
import { titleOfFeedChange, toldOfFeed } from '../model/intel.js'
import { useAnswered } from '../parts/answered.js'
import { ChangeOutcome, useChanges } from '../parts/change.js'
import { DropZone } from '../parts/drop-zone.js'
import { Page } from '../parts/page.js'
import { useRead } from '../parts/read.js'
import { Reading } from '../parts/reading.js'

/** The feeds of intelligence that the manager reads while it runs: listed, set, replaced, downloaded and unset. */
export function Intel() {
  const mayChange = useMay('operator')
  return (
    <Page title="Intelligence" help="intel">
      {mayChange ? <Whole /> : <p>To see feeds of intelligence, and to change them, takes the role operator.</p>}
    </Page>
  )
}

function Whole() {
  const read = useRead('intel', async signal => (await api.GET('/v1/intel', { signal })).data!.feeds)
  useAnswered(['set_intel', 'unset_intel'], read.again)
  const { asked, ask, done, accept, close } = useChanges<AskedFeed>()
  const feeds = read.value ?? []
  const set = (file?: File) => ask({ type: 'set_intel', name: '', file })
  return (
    <>
      <section aria-labelledby="feeds">
        <h2 id="feeds">Feeds</h2>
        <Reading of={read} what="Feeds" />
        {read.value?.length === 0 && (
          <p>
            None is set. A feed is a file of indicators, as addresses and domains that are known to be bad. The manager
            reads it while it runs, without a restart, and the next file of a feed takes its place:{' '}
            <a href="docs/guide/intel">how feeds work</a>.
          </p>
        )}
        {feeds.length > 0 && <FeedList feeds={feeds} onAsk={ask} />}
        <p class="buttons">
          <button type="button" class="primary" onClick={() => set()}>
            Set a feed…
          </button>
        </p>
      </section>
      {done && (
        <ChangeOutcome
          key={done.request.reqid}
          accepted={done.request}
          title={titleOfFeedChange(done.change)}
          told={toldOfFeed}
          again={done.change.type === 'set_intel' ? 'Choose another file…' : 'Try again…'}
          onAgain={() => ask(done.change)}
        />
      )}
      {asked ? (
        <AskFeed change={asked} feeds={feeds} onAccepted={accept} onClose={close} />
      ) : (
        <DropZone invitation="Drop the file of a feed to set it" onFile={set} />
      )}
    </>
  )
}

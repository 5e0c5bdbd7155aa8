import { useNewUse } from '../content/uses.js'
import { DeleteBundle } from '../content/delete-bundle.js'
import { Difference } from '../content/difference.js'
import { BundleFacts } from '../content/facts.js'
import { Files } from '../content/files.js'
import { Arrived } from '../content/arrived.js'
import { Refusal } from '../api.js'
import { api, useMay } from '../context.js'
import { isFeedOnly, shownRef } from '../model/bundles.js'
import { plain } from '../model/format.js'
import { Link } from '../parts/link.js'
import { Page } from '../parts/page.js'
import { useRead } from '../parts/read.js'
import { Reading } from '../parts/reading.js'

/** One bundle, by its id or a name: what it is, its files, and what is different in it. */
export function BundlePage({ bundle }: { bundle: string }) {
  const mayRead = useMay('operator')
  return (
    <Page title={shownRef(bundle)} help="content">
      {mayRead ? <Whole of={bundle} /> : <p>To read what is in a bundle takes the role operator.</p>}
    </Page>
  )
}

function Whole({ of: ref }: { of: string }) {
  const read = useRead(ref, async signal => {
    const { data } = await api.GET('/v1/bundles/{bundle}', { params: { path: { bundle: ref } }, signal })
    return data!
  })
  useNewUse(read.again)
  const { value, failure } = read
  if (failure instanceof Refusal && failure.status < 500) {
    return (
      <p class="notice doubt">
        {plain(failure.message)}. <Link href="/content">All bundles</Link>
      </p>
    )
  }
  return (
    <>
      <Reading of={read} what="It" />
      {value && (
        <>
          <Arrived id={value.id} />
          <DeleteBundle bundle={value} />
          <BundleFacts bundle={value} />
          {!isFeedOnly(value) && <Difference of={value} />}
          <Files content={value.content} />
        </>
      )}
    </>
  )
}

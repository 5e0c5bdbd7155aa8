import { UploadForm } from '../content/upload-form.js'
import { useNewUse } from '../content/uses.js'
import { api, useMay } from '../context.js'
import { shortId, shownUser, type Bundle } from '../model/bundles.js'
import { bytes, plain } from '../model/format.js'
import { Link } from '../parts/link.js'
import { ListFoot } from '../parts/list-foot.js'
import { Page } from '../parts/page.js'
import { usePages } from '../parts/pages.js'
import { Table } from '../parts/table.js'
import { Time } from '../parts/time.js'

const pageLength = 100

/** What nodes can load: every bundle, newest first, and where another one is uploaded. */
export function Content() {
  const mayRead = useMay('operator')
  const list = usePages<Bundle>('bundles', async (after, signal) => {
    const { data } = await api.GET('/v1/bundles', { params: { query: { limit: pageLength, after } }, signal })
    return { items: data!.bundles, next: data!.next }
  })
  useNewUse(list.again)
  return (
    <Page title="Content" help="content">
      <UploadForm bundles={list.items} />
      <section aria-labelledby="bundles" class="bundles">
        <h2 id="bundles">Bundles</h2>
        <Table
          name="Bundles, newest first"
          columns={['ID', 'Names', { number: 'Files' }, { number: 'Size' }, 'Uploaded', 'By', 'Used by']}
        >
          {list.items.map(bundle => (
            <Row key={bundle.id} bundle={bundle} mayRead={mayRead} />
          ))}
        </Table>
        <ListFoot list={list} what="Bundles" isLive={false} />
      </section>
    </Page>
  )
}

function Row({
  bundle: { id, names, files, size, created_at: at, created_by: by, used_by: users },
  mayRead
}: {
  bundle: Bundle
  mayRead: boolean
}) {
  const short = <code title={id}>{shortId(id)}</code>
  return (
    <tr>
      <td>{mayRead ? <Link href={`/content/${id}`}>{short}</Link> : short}</td>
      <td class="text">{names.map(plain).join(', ')}</td>
      <td class="number">{files}</td>
      <td class="number">{bytes(size)}</td>
      <td>
        <Time at={at} form="day" />
      </td>
      <td class="text">{plain(by ?? '')}</td>
      <td>{users.map(shownUser).join(', ')}</td>
    </tr>
  )
}

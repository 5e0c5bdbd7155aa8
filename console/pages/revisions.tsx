import { api, useMay } from '../context.js'
import { shortId } from '../model/bundles.js'
import { plain } from '../model/format.js'
import type { Revision } from '../model/revisions.js'
import { toneOfRequest } from '../model/states.js'
import { useAnswered } from '../parts/answered.js'
import { Link } from '../parts/link.js'
import { ListFoot } from '../parts/list-foot.js'
import { Page } from '../parts/page.js'
import { usePages } from '../parts/pages.js'
import { StateMark } from '../parts/state-mark.js'
import { Table } from '../parts/table.js'
import { Time } from '../parts/time.js'

const pageLength = 50

/** What was deployed, newest first: by whom, why, and what has come of it. */
export function Revisions() {
  const mayRead = useMay('operator')
  const list = usePages<Revision>('revisions', async (after, signal) => {
    const { data } = await api.GET('/v1/revisions', { params: { query: { limit: pageLength, after } }, signal })
    return { items: data!.revisions, next: data!.next }
  })
  useAnswered(['deploy'], list.again)
  return (
    <Page title="Revisions" help="revisions">
      <section aria-label="Revisions" class="revisions">
        {list.items.length > 0 && (
          <Table
            name="Revisions, newest first"
            columns={['Revision', 'Outcome', 'When', 'Who', { number: 'Nodes' }, 'Bundle', 'Comment']}
          >
            {list.items.map(revision => (
              <Row key={revision.revision} revision={revision} mayRead={mayRead} />
            ))}
          </Table>
        )}
        <ListFoot
          list={list}
          what="Revisions"
          isLive={false}
          none={
            <>
              Nothing was deployed yet. Every deployment is kept as a revision, which can be compared and deployed
              again: <a href="docs/guide/revisions">how revisions work</a>. <Link href="/deploy">Deploy</Link>
            </>
          }
        />
        {!mayRead && <p class="aside">To compare revisions, and to deploy one again, takes the role operator.</p>}
      </section>
    </Page>
  )
}

function Row({
  revision: { revision, created_at: at, created_by: by, outcome, deployed, nodes, bundle, comment },
  mayRead
}: {
  revision: Revision
  mayRead: boolean
}) {
  return (
    <tr>
      <th scope="row">{mayRead ? <Link href={`/revisions/${revision}`}>{revision}</Link> : revision}</th>
      <td>
        <span class="state">
          <StateMark tone={toneOfRequest(outcome)} /> {outcome}
          {deployed && <strong>, deployed</strong>}
        </span>
      </td>
      <td>
        <Time at={at} form="day" />
      </td>
      <td class="text">{plain(by ?? '')}</td>
      <td class="number">{nodes}</td>
      <td>{bundle !== undefined && <BundleName id={bundle} isLink={mayRead} />}</td>
      <td class="text">{plain(comment ?? '')}</td>
    </tr>
  )
}

function BundleName({ id, isLink }: { id: string; isLink: boolean }) {
  const short = <code title={id}>{shortId(id)}</code>
  return isLink ? <Link href={`/content/${id}`}>{short}</Link> : short
}

import { api, useMay } from '../context.js'
import { plain } from '../model/format.js'
import { numberIn } from '../model/revisions.js'
import { useAnswered } from '../parts/answered.js'
import { Link } from '../parts/link.js'
import { Page } from '../parts/page.js'
import { useRead } from '../parts/read.js'
import { Reading } from '../parts/reading.js'
import { DeployAgain } from '../revisions/deploy-again.js'
import { RevisionConfiguration } from '../revisions/configuration.js'
import { Difference } from '../revisions/difference.js'
import { RevisionFacts } from '../revisions/facts.js'

/** Of so many of the newest one can be looked at. */
const revisionsMax = 1000

/** One revision: what it was, how it differs from another one, and what deploys it again. */
export function RevisionPage({ revision }: { revision: string }) {
  const mayRead = useMay('operator')
  return (
    <Page title={`Revision ${plain(revision)}`} help="revisions">
      {mayRead ? (
        <Whole number={numberIn(revision)} />
      ) : (
        <p>To compare revisions, and to deploy one again, takes the role operator.</p>
      )}
    </Page>
  )
}

function Whole({ number }: { number: number | undefined }) {
  const read = useRead('revisions', async signal => {
    const { data } = await api.GET('/v1/revisions', { params: { query: { limit: revisionsMax } }, signal })
    return data!
  })
  useAnswered(['deploy'], read.again)
  const { revisions = [], next } = read.value ?? {}
  const revision = revisions.find(one => one.revision === number)
  return (
    <>
      <Reading of={read} what="It" />
      {read.value && !revision && (
        <p class="notice doubt">
          {next === undefined ? 'No such revision is kept' : `It is not among the newest ${revisionsMax}`}.{' '}
          <Link href="/revisions">All revisions</Link>
        </p>
      )}
      {revision && (
        <>
          <DeployAgain revision={revision} deployed={revisions.find(({ deployed }) => deployed)} />
          <RevisionFacts revision={revision} />
          <Difference of={revision} revisions={revisions} />
          <RevisionConfiguration of={revision.revision} />
        </>
      )}
    </>
  )
}

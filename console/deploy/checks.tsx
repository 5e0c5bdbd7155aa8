import { useMemo } from 'preact/hooks'
import { Link } from '../parts/link.js'
import { plain } from '../model/format.js'
import type { RequestResult } from '../model/types.js'
import { RequestProgress, useRequest } from '../parts/request-progress.js'
import { Captures } from '../parts/captures.js'
import { Findings } from '../parts/findings.js'
import { StateMark } from '../parts/state-mark.js'
import { More, useMore } from './more.js'
import { useArrival, useDesk, type Accepted } from './desk.js'
import { Table } from '../parts/table.js'

const rowsShown = 30

/** What a check has found, node by node. */
export function Checks() {
  const check = useDesk(({ state }) => state.check)
  return check ? <CheckResults key={check.request.reqid} check={check} /> : null
}

function CheckResults({ check: { request: accepted, nodes } }: { check: Accepted }) {
  const { results } = useRequest(accepted.reqid, accepted) ?? accepted
  const heading = useArrival(accepted.reqid)
  const more = useMore(rowsShown)
  const ofNodes = useMemo(
    () => results.filter(({ node }) => node !== undefined).sort((a, b) => rankOf(a) - rankOf(b)),
    [results]
  )
  return (
    <section aria-labelledby="check">
      <h2 id="check" ref={heading} tabIndex={-1}>
        Check of the nodes
      </h2>
      <RequestProgress accepted={accepted} nodes={nodes} hasTable />
      {ofNodes.length > 0 && (
        <Table name="Nodes that were checked" columns={['Node', 'Instance', 'Result', 'Findings']}>
          {ofNodes.slice(0, more.shown).map(result => (
            <Row key={`${result.instance} ${result.node}`} result={result} />
          ))}
        </Table>
      )}
      <More {...more} total={ofNodes.length} step={rowsShown} what="nodes" />
      {results.map(({ data }, index) => data?.captures && <CaptureResults key={index} {...data} />)}
    </section>
  )
}

function CaptureResults({ captures = [], findings = [] }: NonNullable<RequestResult['data']>) {
  return (
    <>
      <h3>Captures</h3>
      {captures.length > 0 && <Captures captures={captures} />}
      {findings.length > 0 && <Findings findings={findings} />}
    </>
  )
}

/** Nodes that failed come first, then those with warnings. */
const rankOf = ({ success, data }: RequestResult) => (success ? ((data?.findings ?? []).length > 0 ? 1 : 2) : 0)

/** A result does not change: of many rows only those that are new are drawn. */
function Row({ result }: { result: RequestResult }) {
  return useMemo(() => <ResultRow {...result} />, [result])
}

function ResultRow({ node = '', instance = '', success, error, data }: RequestResult) {
  const findings = data?.findings ?? []
  return (
    <tr>
      <th scope="row">{plain(node)}</th>
      <td>
        <Link href={`/hosts/${encodeURIComponent(instance)}`}>{plain(instance)}</Link>
      </td>
      <td class="state">
        <StateMark tone={success ? 'good' : 'bad'} /> {success ? 'ok' : 'failed'}
      </td>
      <td class="text">
        {findings.length > 0 ? <Findings findings={findings} /> : success ? 'nothing' : plain(error ?? 'failed')}
      </td>
    </tr>
  )
}

import { Link } from '../parts/link.js'
import { api, useCluster, useShared, useStream } from '../context.js'
import { nameOf } from '../model/event-words.js'
import { counted, plain } from '../model/format.js'
import { toneOfRequest } from '../model/states.js'
import type { ClusterRequest } from '../model/types.js'
import { ListFoot } from '../parts/list-foot.js'
import { Page } from '../parts/page.js'
import { usePages } from '../parts/pages.js'
import { useQuery } from '../parts/query.js'
import { StateMark } from '../parts/state-mark.js'
import { Time } from '../parts/time.js'
import { Table } from '../parts/table.js'

const types = [
  'deploy',
  'stage_configuration',
  'check',
  'plan',
  'start',
  'stop',
  'restart',
  'diagnose',
  'get_id_value'
] as const
const states = ['pending', 'succeeded', 'partial', 'failed', 'timed_out', 'interrupted', 'expired'] as const
const pageLength = 50

/** Which requests there were, newest first, and how they go. */
export function Requests() {
  const { stream } = useShared()
  const [query, change] = useQuery()
  const [type, state] = [query.get('type') ?? '', query.get('state') ?? '']
  const isLive = useStream(stream, () => stream.isLive)
  const tracked = useCluster(({ requests }) => requests)
  const list = usePages<ClusterRequest>(`${type} ${state}`, async (after, signal) => {
    const filter = { type: (type || undefined) as never, state: (state || undefined) as never }
    const { data } = await api.GET('/v1/requests', {
      params: { query: { limit: pageLength, after, ...filter } },
      signal
    })
    return { items: data!.requests, next: data!.next }
  })
  const requests = merged(list.items, [...tracked.values()]).filter(
    request => (type === '' || request.type === type) && (state === '' || request.state === state)
  )
  return (
    <Page title="Requests" help="http-api#requests">
      <section aria-label="Filter">
        <form class="filters" onSubmit={event => event.preventDefault()}>
          <Choice name="Type" value={type} values={types} onChoose={value => change({ type: value })} />
          <Choice name="State" value={state} values={states} onChoose={value => change({ state: value })} />
        </form>
      </section>
      <section aria-label="Requests">
        <Table name="Requests, newest first" columns={['Submitted', 'Type', 'State', 'About', 'Results']}>
          {requests.map(request => (
            <Row key={request.reqid} request={request} />
          ))}
        </Table>
        <ListFoot list={list} what="Requests" isLive={isLive} />
      </section>
    </Page>
  )
}

/** Returns requests as they were read with what the stream tells of them since, newest first. */
function merged(read: readonly ClusterRequest[], tracked: readonly ClusterRequest[]): ClusterRequest[] {
  const all = new Map(read.map(request => [request.reqid, request]))
  const oldest = read.at(-1)?.created_at ?? ''
  for (const request of tracked) {
    const known = all.get(request.reqid)
    // One that was answered stays so, whatever the stream knew before.
    if (known ? known.state === 'pending' : request.created_at >= oldest) all.set(request.reqid, request)
  }
  return [...all.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1))
}

function Row({
  request: { reqid, type, state, created_at: created, arguments: args, results }
}: {
  request: ClusterRequest
}) {
  const failed = results.filter(({ success }) => !success).length
  return (
    <tr>
      <td>
        <Link href={`/requests/${reqid}`}>
          <Time at={created} form="day" />
        </Link>
      </td>
      <td>{nameOf(type)}</td>
      <td>
        <span class="state">
          <StateMark tone={toneOfRequest(state)} /> {state}
        </span>
      </td>
      <td class="text">
        {plain([args.nodes, args.roles, args.instances].flat().filter(Boolean).slice(0, 5).join(', '))}
      </td>
      <td>
        {counted(results.length, 'result')}
        {failed > 0 && `, ${failed} failed`}
      </td>
    </tr>
  )
}

function Choice({
  name,
  value,
  values,
  onChoose
}: {
  name: string
  value: string
  values: readonly string[]
  onChoose: (value: string) => void
}) {
  return (
    <label>
      {name}
      <select value={value} onChange={event => onChoose(event.currentTarget.value)}>
        <option value="">all</option>
        {[...new Set([...values, value])].filter(Boolean).map(one => (
          <option key={one} value={one}>
            {nameOf(one)}
          </option>
        ))}
      </select>
    </label>
  )
}

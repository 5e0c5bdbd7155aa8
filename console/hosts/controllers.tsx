import { api } from '../context.js'
import { lag, plain } from '../model/format.js'
import type { Schema } from '../model/types.js'
import { StateMark } from '../parts/state-mark.js'
import { Table } from '../parts/table.js'
import { useRefreshed } from '../parts/refresh.js'

const everyMs = 5_000

/** Which of several controllers leads, and how far the others are. Of one that is alone there is nothing to say. */
export function Controllers() {
  const { value = [], failure } = useRefreshed(
    async signal => (await api.GET('/v1/replication', { signal })).data!.replicas,
    { everyMs }
  )
  if (value.length === 0) return null
  return (
    <section aria-labelledby="controllers">
      <h2 id="controllers">Controllers</h2>
      {failure !== undefined && (
        <p role="alert" class="notice bad">
          Not told anew: {plain(failure)}
        </p>
      )}
      <Table
        name="How far controllers are"
        columns={['Name', 'Role', { number: 'Behind' }, 'Version', 'URL', 'Problem']}
      >
        {value.map(replica => (
          <Row key={replica.name} replica={replica} />
        ))}
      </Table>
    </section>
  )
}

function Row({ replica }: { replica: Schema['Replica'] }) {
  const { name, answers, role = '-', lag_seconds: seconds, version = '-', url = '-', diverged, obstacle } = replica
  const isBad = !answers || diverged !== undefined
  return (
    <tr>
      <th scope="row">
        <StateMark tone={isBad ? 'bad' : 'good'} /> {plain(name)}
      </th>
      <td>{answers ? plain(role) : 'does not answer'}</td>
      <td class="number">{seconds === undefined ? '-' : lag(seconds)}</td>
      <td>{plain(version)}</td>
      <td class="text">{plain(url)}</td>
      <td class="text">{plain(diverged ?? obstacle ?? '')}</td>
    </tr>
  )
}

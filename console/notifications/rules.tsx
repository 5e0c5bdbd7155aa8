import { plain } from '../model/format.js'
import type { Schema } from '../model/types.js'
import { Table } from '../parts/table.js'
import { Time } from '../parts/time.js'

type Rule = Schema['NotificationRule']

/** What is told to which sinks, and how far that is. */
export function Rules({ rules }: { rules: readonly Rule[] }) {
  return (
    <Table name="Rules" columns={['Rule', 'Tells', 'Sink', { number: 'Waiting' }, 'Due', 'Last told']}>
      {rules.flatMap(rule =>
        rule.queues.map(({ sink, waiting, due, last_success: last }, at) => (
          <tr key={`${rule.name} ${sink}`}>
            {at === 0 && (
              <>
                <th scope="rowgroup" rowSpan={rule.queues.length}>
                  {plain(rule.name)}
                </th>
                <td rowSpan={rule.queues.length}>{plain(wordsOf(rule))}</td>
              </>
            )}
            <td>{plain(sink)}</td>
            <td class="number">{waiting}</td>
            <td>{due === undefined ? '-' : <Time at={due} />}</td>
            <td>{last === undefined ? 'never' : <Time at={last} form="day" />}</td>
          </tr>
        ))
      )}
    </Table>
  )
}

function wordsOf({
  severity,
  types,
  health,
  instances,
  nodes,
  group_for: seconds,
  quiet,
  is_quiet: isQuiet
}: Rule): string {
  const only = (what: string, names: readonly string[] | undefined) => names && `${what} ${names.join(', ')}`
  return [
    severity === 'info' ? 'everything' : severity === 'warning' ? 'warnings and errors' : 'errors',
    only('of', types),
    only('health:', health),
    only('on', instances),
    only('nodes', nodes),
    seconds > 0 && `gathered for ${seconds} s`,
    quiet && (isQuiet ? `quiet now: only ${quiet.severity}` : 'with quiet hours')
  ]
    .filter(Boolean)
    .join('; ')
}

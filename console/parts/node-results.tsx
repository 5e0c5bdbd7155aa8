import { useMemo } from 'preact/hooks'
import { plain } from '../model/format.js'
import { answersOf, type NodeAnswer } from '../model/node-answers.js'
import type { RequestResult } from '../model/types.js'
import { LongTable, type LongColumn } from './long-table.js'
import { StateMark } from './state-mark.js'

const columns: readonly LongColumn<NodeAnswer>[] = [
  { title: 'Node', width: 'minmax(7rem, 14rem)', cell: ({ node }) => plain(node) },
  { title: 'Host', width: 'minmax(7rem, 14rem)', cell: ({ instance }) => plain(instance) },
  {
    title: 'Answer',
    width: 'minmax(0, 1fr)',
    cell: ({ tone, text }) => (
      <>
        <StateMark tone={tone} /> <span class="text">{plain(text)}</span>
      </>
    )
  }
]

/** What each node has answered to a change. `told`: says what its value means, or that it has none. */
export function NodeResults({
  results,
  told
}: {
  results: readonly RequestResult[]
  told: (value: string | undefined) => string
}) {
  const answers = useMemo(() => answersOf(results, told), [results, told])
  if (answers.length === 0) return null
  return <LongTable name="Answers of nodes" columns={columns} rows={answers} keyOf={({ node }) => node} />
}

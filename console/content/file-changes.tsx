import { useMemo } from 'preact/hooks'
import { changesOf, type BundleDifference, type FileChange } from '../model/bundles.js'
import { plain } from '../model/format.js'
import { LongTable, type LongColumn } from '../parts/long-table.js'
import { Sign } from '../parts/sign.js'

const columns: readonly LongColumn<FileChange>[] = [
  {
    title: 'Path',
    width: 'minmax(0, 1fr)',
    cell: ({ kind, path }) => (
      <>
        <Sign kind={kind} /> {plain(path)}
      </>
    )
  },
  { title: 'Change', width: '5rem', cell: ({ kind }) => kind },
  { title: 'Size', width: '10rem', isNumber: true, cell: ({ size }) => size },
  { title: 'What', width: '14rem', cell: ({ what }) => what }
]

/** The files that differ between two bundles; nothing where none does. */
export function FileChanges({ of: difference }: { of: BundleDifference }) {
  const changes = useMemo(() => changesOf(difference), [difference])
  if (changes.length === 0) return null
  return <LongTable name="Files that differ" columns={columns} rows={changes} keyOf={({ path }) => path} />
}

import { useMemo } from 'preact/hooks'
import { filesWith, modeOf, shortId, type BundleFile } from '../model/bundles.js'
import { bytes, counted, plain } from '../model/format.js'
import { LongTable, type LongColumn } from '../parts/long-table.js'
import { useQuery } from '../parts/query.js'

const columns: readonly LongColumn<BundleFile>[] = [
  { title: 'Path', width: 'minmax(0, 1fr)', cell: ({ path }) => plain(path) },
  { title: 'Size', width: '6rem', isNumber: true, cell: ({ size }) => bytes(size) },
  { title: 'Mode', width: '6.5rem', cell: modeOf },
  { title: 'SHA-256', width: '8rem', cell: ({ sha256 }) => <code title={sha256}>{shortId(sha256)}</code> }
]

/** The files of a bundle; which ones is in the URL. */
export function Files({ content }: { content: readonly BundleFile[] }) {
  const [query, change] = useQuery()
  const text = query.get('q') ?? ''
  const files = useMemo(() => filesWith(content, text), [content, text])
  return (
    <section aria-labelledby="files" class="files">
      <h2 id="files">Files</h2>
      <form class="filters" role="search" aria-label="Files" onSubmit={event => event.preventDefault()}>
        <label>
          Path
          <input
            type="search"
            value={text}
            placeholder="any part of it"
            onInput={event => change({ q: event.currentTarget.value })}
          />
        </label>
        <span class="aside" role="status">
          {files.length === content.length
            ? counted(content.length, 'file')
            : `${counted(files.length, 'file')} of ${content.length}`}
        </span>
      </form>
      {files.length === 0 ? (
        <p>No path has this in it.</p>
      ) : (
        <LongTable name="Files of the bundle" columns={columns} rows={files} keyOf={({ path }) => path} />
      )}
    </section>
  )
}

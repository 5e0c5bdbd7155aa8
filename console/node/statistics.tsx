import { useMemo, useState } from 'preact/hooks'
import { useNow } from '../context.js'
import { bytes, count, counted, lag, percent, plain } from '../model/format.js'
import { seriesOf, type Figure, type Point } from '../model/series.js'
import { Time } from '../parts/time.js'
import { Plot } from './plot.js'
import { useSamples } from './samples.js'
import { Table } from '../parts/table.js'

interface Plotted {
  figure: Figure
  name: string
  text: (value: number) => string
  unitOf?: (value: number) => number
  isBad?: boolean
}

/** Of a lag below 10 ms tenths count, too. */
const shortLag = (seconds: number) =>
  seconds > 0 && seconds < 0.00995 ? `${(seconds * 1000).toFixed(1)} ms` : lag(seconds)

const plots: readonly Plotted[] = [
  { figure: 'packets_per_second', name: 'Packets', text: value => `${count(value)}/s` },
  { figure: 'dropped_percent', name: 'Dropped', text: percent, isBad: true },
  { figure: 'packet_lag', name: 'Lag', text: shortLag, unitOf: () => 0.001 },
  { figure: 'cpu_percent', name: 'CPU', text: percent },
  {
    figure: 'memory_bytes',
    name: 'Memory',
    text: bytes,
    unitOf: value => 1024 ** Math.max(0, Math.floor(Math.log(Math.max(1, value)) / Math.log(1024)))
  }
]

const hour = 3600

/** What a node has used and seen in the last hour, as plots, or as a table. */
export function Statistics({ name, hasPackets }: { name: string; hasPackets: boolean }) {
  const { points, isThere, failure } = useSamples(name)
  const now = Math.floor(useNow(10_000) / 1000)
  const newest = points.at(-1)
  const to = Math.max(now, newest ? Date.parse(newest.time) / 1000 : 0)
  const shown = plots.filter(({ figure }) => hasPackets || points.some(point => point[figure] !== undefined))
  return (
    <section aria-labelledby="statistics">
      <h2 id="statistics">The last hour</h2>
      {failure !== undefined && points.length > 0 && (
        <p class="notice doubt">What was before is not told: {plain(failure)}. Samples are shown as they come.</p>
      )}
      {points.length === 0 ? (
        <p aria-busy={!isThere && failure === undefined}>
          {failure !== undefined
            ? `No sample is told: ${plain(failure)}. They are shown as they come.`
            : isThere
              ? 'No sample of the last hour. They are shown as they come, every ten seconds.'
              : 'Reading samples…'}
        </p>
      ) : (
        <>
          <div class="plots">
            {shown.map(plotted => (
              <FigurePlot key={plotted.figure} {...plotted} points={points} from={to - hour} to={to} />
            ))}
          </div>
          <p class="aside">
            {counted(points.length, 'sample')}, the last of {newest && <Time at={newest.time} />}. Where the line has a
            gap nothing was told.
          </p>
          <Samples points={points} shown={shown} name={name} />
        </>
      )}
    </section>
  )
}

function FigurePlot({ figure, points, ...more }: Plotted & { points: readonly Point[]; from: number; to: number }) {
  const series = useMemo(() => seriesOf(points, figure), [points, figure])
  return <Plot series={series} {...more} />
}

function Samples({ points, shown, name }: { points: readonly Point[]; shown: readonly Plotted[]; name: string }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <details onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>Show as table</summary>
      {isOpen && (
        <Table name={`Samples of ${name}`} columns={['Time', ...shown.map(({ name }) => ({ number: name }))]} isTall>
          {[...points].reverse().map(point => (
            <tr key={point.time}>
              <th scope="row">
                <Time at={point.time} />
              </th>
              {shown.map(({ figure, text }) => (
                <td key={figure} class="number">
                  {point[figure] === undefined ? '-' : text(point[figure])}
                </td>
              ))}
            </tr>
          ))}
        </Table>
      )}
    </details>
  )
}

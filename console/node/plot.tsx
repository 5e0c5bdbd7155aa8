import { useEffect, useRef, useState } from 'preact/hooks'
import UPlot from 'uplot'
import { clock } from '../model/format.js'
import { lonely, summaryOf, ticksOf, topOf, type Series } from '../model/series.js'
import { useThemeChange } from '../parts/theme.js'

interface PlotProps {
  name: string
  series: Series
  /** In seconds since 1970. */
  from: number
  to: number
  text: (value: number) => string
  /** What values are round multiples of, near a value. */
  unitOf?: (value: number) => number
  isBad?: boolean
}

/** One figure of a node over time. Its cursor is at the same time in all plots of a page. */
export function Plot(props: PlotProps) {
  const { name, series, from, to, text, isBad = false } = props
  const box = useRef<HTMLDivElement>(null)
  const latest = useRef(props)
  latest.current = props
  const plot = useRef<UPlot>()
  const [at, setAt] = useState<number>()
  const [fontSize, setFontSize] = useState(0)
  useEffect(() => {
    const { current: element } = box
    const observer = new ResizeObserver(() => {
      setFontSize(parseFloat(getComputedStyle(element!).fontSize))
      const size = sizeOf(element!)
      if (plot.current && plot.current.width !== size.width) plot.current.setSize(size)
    })
    observer.observe(element!)
    return () => observer.disconnect()
  }, [])
  useEffect(() => {
    if (fontSize === 0) return
    const { times, values } = latest.current.series
    plot.current = new UPlot(
      optionsOf(box.current!, fontSize, () => latest.current, setAt),
      [times, values],
      box.current!
    )
    return () => plot.current!.destroy()
  }, [fontSize])
  useEffect(() => plot.current?.setData([series.times, series.values]), [series, from, to])
  useThemeChange(() => plot.current?.redraw(false))
  const summary = summaryOf(series.values)
  const value = at === undefined ? undefined : series.values[at]
  return (
    <figure class={`plot ${isBad ? 'bad' : ''}`}>
      <figcaption>
        <span class="name">{name}</span>
        {at === undefined ? (
          <span class="value">{summary ? text(summary.last) : '-'}</span>
        ) : (
          <span class="value">
            <span class="aside">{clock(series.times[at]! * 1000)}</span> {typeof value === 'number' ? text(value) : '-'}
          </span>
        )}
      </figcaption>
      <div
        ref={box}
        class="canvas"
        role="img"
        aria-label={
          summary
            ? `${name}: last ${text(summary.last)}, least ${text(summary.least)}, most ${text(summary.most)}`
            : `${name}: no values`
        }
      />
      <p class="aside">{summary ? `${text(summary.least)} to ${text(summary.most)}` : 'No values.'}</p>
    </figure>
  )
}

/** Of a value that is further from the cursor nothing is told there, in seconds. */
const nearSeconds = 60

/** Returns the place of the value that the cursor is at. */
function valueAt({ cursor: { idxs, left = -1 } }: UPlot): number | undefined {
  return left < 0 ? undefined : (idxs?.[1] ?? undefined)
}

/** Heights and widths of a plot, in sizes of its font. */
const height = 10
const axisHeight = 1.8
const axisWidth = 5.4

const sizeOf = (element: HTMLElement) => ({
  width: Math.max(100, element.clientWidth),
  height: Math.round(height * parseFloat(getComputedStyle(element).fontSize))
})

/** Few values, and those without others beside them, are points: as a line they would not be seen. */
const fewValues = 5
const pointsOf = (values: Series['values']) => (values.length <= fewValues ? [...values.keys()] : lonely(values))

function optionsOf(
  element: HTMLElement,
  fontSize: number,
  latest: () => PlotProps,
  onCursor: (at: number | undefined) => void
): UPlot.Options {
  // Where colours are known only to the styles: they may be other ones at each drawing.
  const style = getComputedStyle(element)
  const lines = { stroke: () => style.borderTopColor, width: 1 }
  const axis = {
    stroke: () => style.color,
    font: `${fontSize}px ${style.fontFamily}`,
    grid: lines,
    ticks: { show: false }
  }
  const top = () => {
    const { series, unitOf } = latest()
    const most = Math.max(0, ...series.values.map(value => value ?? 0))
    return topOf(most, unitOf?.(most))
  }
  const ticks = () => {
    const { from, to } = latest()
    const all = ticksOf(from, to, Math.max(2, Math.floor(element.clientWidth / (7 * fontSize))))
    // One at the very start would be written over the other axis.
    return all.filter(({ at }) => at - from > (to - from) / 20)
  }
  return {
    ...sizeOf(element),
    legend: { show: false },
    padding: [fontSize * 0.6, fontSize * 1.4, 0, 0],
    cursor: {
      y: false,
      drag: { x: false, y: false },
      sync: { key: 'node' },
      dataIdx: ({ data: [times] }, _series, closest, time) =>
        Math.abs(times[closest]! - time) <= nearSeconds ? closest : null,
      points: { size: 7, stroke: () => style.stroke, fill: () => style.stroke }
    },
    hooks: {
      setCursor: [plot => onCursor(valueAt(plot))]
    },
    scales: {
      x: { time: true, range: () => [latest().from, latest().to] },
      y: { range: () => [0, top()] }
    },
    axes: [
      {
        ...axis,
        size: axisHeight * fontSize,
        gap: fontSize * 0.3,
        splits: () => ticks().map(({ at }) => at),
        values: () => ticks().map(({ text }) => text)
      },
      {
        ...axis,
        size: axisWidth * fontSize,
        gap: fontSize * 0.4,
        splits: () => [0, top() / 2, top()],
        values: (_plot, splits) => splits.map(value => latest().text(value))
      }
    ],
    series: [
      {},
      {
        stroke: () => style.stroke,
        width: 1.5,
        points: {
          show: true,
          size: 4,
          stroke: () => style.stroke,
          fill: () => style.stroke,
          filter: () => pointsOf(latest().series.values)
        }
      }
    ]
  }
}

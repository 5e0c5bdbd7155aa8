import { useMemo, useRef, useState } from 'preact/hooks'
import type { OutputLine } from '../model/lines.js'
import { partsOf, type Match } from '../model/search.js'
import { counted } from '../model/format.js'
import { useRowsOfElement } from '../parts/virtual.js'

/** Of a line that is longer the rest is behind a button: in characters. */
const cutAt = 2_000
const lineHeight = 22

interface LogProps {
  name: string
  list: readonly OutputLine[]
  isWrapped: boolean
  /** The text that is looked for, and where it is. */
  wanted: string
  matches: readonly Match[]
  current: Match | undefined
}

/** Lines of an output. It stays at its end while lines come, unless somebody has scrolled away from there. */
export function Log({ name, list, isWrapped, wanted, matches, current }: LogProps) {
  const box = useRef<HTMLDivElement>(null)
  const [whole, setWhole] = useState<ReadonlySet<number>>(new Set())
  const rows = useRowsOfElement({
    count: list.length,
    getScrollElement: () => box.current,
    estimateSize: () => lineHeight,
    getItemKey: index => list[index]!.id,
    initialOffset: () => list.length * lineHeight,
    overscan: 12,
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: lineHeight
  })
  const shown = useRef<Match>()
  if (shown.current !== current) {
    shown.current = current
    const at = current ? list.findIndex(({ id }) => id === current.line) : -1
    if (at >= 0) queueMicrotask(() => rows.scrollToIndex(at, { align: 'center' }))
  }
  const starts = useMemo(() => {
    const byLine = new Map<number, number[]>()
    for (const { line, start } of matches) byLine.set(line, [...(byLine.get(line) ?? []), start])
    return byLine
  }, [matches])
  const isAtEnd = list.length === 0 || rows.isAtEnd(lineHeight)
  return (
    <div class="log-frame">
      <div
        class={`log ${isWrapped ? 'wrapped' : ''}`}
        ref={box}
        role="log"
        aria-live="off"
        aria-label={name}
        tabIndex={0}
      >
        <div class="lines" style={{ height: `${rows.getTotalSize()}px` }}>
          {rows.getVirtualItems().map(({ index, key, start }) => (
            <div
              key={key}
              class={`line ${list[index]!.from}`}
              data-index={index}
              ref={rows.measureElement}
              style={{ transform: `translateY(${start}px)` }}
            >
              <Line
                line={list[index]!}
                isWhole={whole.has(list[index]!.id) || current?.line === list[index]!.id}
                starts={starts.get(list[index]!.id) ?? noStarts}
                length={wanted.length}
                current={current?.line === list[index]!.id ? current.start : undefined}
                onWhole={() => setWhole(new Set(whole).add(list[index]!.id))}
              />
            </div>
          ))}
        </div>
      </div>
      {!isAtEnd && (
        <button type="button" class="to-end" onClick={() => rows.scrollToEnd()}>
          To the end
        </button>
      )}
    </div>
  )
}

const noStarts: readonly number[] = []
const marks = { stdout: 'out', stderr: 'err', note: '' }

function Line({
  line: { from, text },
  isWhole,
  starts,
  length,
  current,
  onWhole
}: {
  line: OutputLine
  isWhole: boolean
  starts: readonly number[]
  length: number
  current: number | undefined
  onWhole: () => void
}) {
  const isCut = text.length > cutAt && !isWhole
  const shown = isCut ? text.slice(0, cutAt) : text
  return (
    <>
      <span class="from">{marks[from]}</span>
      <span class="what">
        {starts.length === 0
          ? shown
          : partsOf(shown, starts, length).map(({ text, isMatch, start }) =>
              isMatch ? (
                <mark key={start} class={start === current ? 'current' : undefined}>
                  {text}
                </mark>
              ) : (
                text
              )
            )}
        {isCut && (
          <button type="button" class="rest" onClick={onWhole}>
            Show {counted(text.length - cutAt, 'more character')}
          </button>
        )}
      </span>
    </>
  )
}

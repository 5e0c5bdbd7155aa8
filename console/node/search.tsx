import { matchesMax, type Match } from '../model/search.js'

/** Looks for a text in an output, and steps from one place to the next. */
export function Search({
  wanted,
  matches,
  current,
  find,
  step
}: {
  wanted: string
  matches: readonly Match[]
  current: Match | undefined
  find: (text: string) => void
  step: (by: 1 | -1) => void
}) {
  const at = current ? matches.findIndex(({ line, start }) => line === current.line && start === current.start) : -1
  const many = matches.length >= matchesMax ? `${matchesMax} or more` : String(matches.length)
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') {
      event.preventDefault()
      step(event.shiftKey ? -1 : 1)
    }
    if (event.key === 'Escape') find('')
  }
  return (
    <div class="search" role="search" aria-label="The output">
      <label>
        Search
        <input type="search" value={wanted} onInput={event => find(event.currentTarget.value)} onKeyDown={onKeyDown} />
      </label>
      <button type="button" aria-label="Previous match" disabled={matches.length === 0} onClick={() => step(-1)}>
        ↑
      </button>
      <button type="button" aria-label="Next match" disabled={matches.length === 0} onClick={() => step(1)}>
        ↓
      </button>
      <span class="aside found">
        {wanted === '' ? '' : matches.length === 0 ? 'Not found' : at < 0 ? `${many} found` : `${at + 1} of ${many}`}
      </span>
    </div>
  )
}

import { useContext, useMemo } from 'preact/hooks'
import { joined } from '../model/configuration-problems.js'
import type { Problem } from '../model/configuration-problems.js'
import { lineOf } from '../model/configuration-text.js'
import { counted, plain } from '../model/format.js'
import { StateMark } from '../parts/state-mark.js'
import { DeskContext, useDesk } from './desk.js'

/** Returns what is wrong with the text: what was found here, and what the controller has said. */
export function useProblems(): readonly Problem[] {
  const found = useDesk(({ draft }) => draft.analysis.problems)
  const said = useDesk(({ state }) => state.said)
  return useMemo(() => joined(said, found), [said, found])
}

/** More than anyone reads at once. */
const shownMax = 50

/** What is wrong with the text, line by line: each leads there. */
export function Problems() {
  const desk = useContext(DeskContext)
  const problems = useProblems()
  const isCurrent = useDesk(({ draft }) => draft.isCurrent)
  const form = useDesk(({ draft }) => draft.analysis.form)
  const errors = problems.filter(({ level }) => level === 'error').length
  const warnings = problems.length - errors
  const sum = [
    ...(errors > 0 ? [counted(errors, 'problem')] : []),
    ...(warnings > 0 ? [counted(warnings, 'warning')] : [])
  ]
  // Lines are counted when they are shown: while something is written they are those of before.
  const lines = useMemo(
    () => problems.slice(0, shownMax).map(({ place }) => place && lineOf(desk.draft.text, place.from)),
    [problems, isCurrent]
  )
  return (
    <div class="problems">
      <p role="status">
        {problems.length > 0 ? (
          <>
            <StateMark tone={errors > 0 ? 'bad' : 'doubt'} /> {sum.join(', ')}
          </>
        ) : (
          form === 'json' && (
            <>
              <StateMark tone="good" /> Nothing is wrong with the text.
            </>
          )
        )}
      </p>
      {problems.length > 0 && (
        <ol aria-label="Problems">
          {problems.slice(0, shownMax).map(({ level, message, place }, index) => (
            <li key={`${index} ${message}`}>
              <StateMark tone={level === 'error' ? 'bad' : 'doubt'} />{' '}
              {place ? (
                <button type="button" class="quiet" onClick={() => desk.draft.editor?.goTo(place)}>
                  <span class="line">
                    {level === 'error' ? 'Line' : 'Warning, line'} {lines[index]}
                  </span>
                  : {plain(message)}
                </button>
              ) : (
                <span class="text">
                  {level === 'error' ? '' : 'Warning: '}
                  {plain(message)}
                </span>
              )}
            </li>
          ))}
          {problems.length > shownMax && <li>and {problems.length - shownMax} more</li>}
        </ol>
      )}
    </div>
  )
}

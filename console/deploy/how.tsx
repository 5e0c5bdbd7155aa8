import { useState } from 'preact/hooks'
import type { How } from '../model/deployment.js'
import { noStepFields } from '../model/strategy.js'
import type { Schema } from '../model/types.js'
import { StrategyFields } from './strategy.js'

/** More the controller does not take. */
const commentMax = 500

/** Returns how something is deployed unless something else is chosen, and what chooses. */
export function useHow(): [How, (part: Partial<How>) => void] {
  const [how, setHow] = useState<How>({
    check: true,
    requiresCaptures: false,
    force: false,
    comment: '',
    steps: noStepFields
  })
  return [how, part => setHow(before => ({ ...before, ...part }))]
}

/**
 * Where it is chosen how something is deployed. `faults`: what the controller has said of the fields; `isFirst`: there
 * are no nodes yet to go over; `isPlanned`: a plan has said what is restarted; `hasCaptures`: a check reads some.
 */
export function HowFields({
  how: { check, requiresCaptures, force, comment, steps },
  onChange,
  faults = [],
  isFirst = false,
  isPlanned = false,
  hasCaptures = false,
  placeholder = 'what it is for'
}: {
  how: How
  onChange: (part: Partial<How>) => void
  faults?: readonly Schema['FieldError'][] | undefined
  isFirst?: boolean
  isPlanned?: boolean
  hasCaptures?: boolean
  placeholder?: string
}) {
  return (
    <fieldset class="how">
      <legend>How</legend>
      <label>
        <input type="checkbox" checked={check} onChange={() => onChange({ check: !check })} /> Check the nodes first; if
        one fails, nothing is changed
      </label>
      {hasCaptures && check && (
        <label>
          <input
            type="checkbox"
            checked={requiresCaptures}
            onChange={() => onChange({ requiresCaptures: !requiresCaptures })}
          />{' '}
          Nor when a capture loses lines of a log
        </label>
      )}
      {!isPlanned && (
        <label>
          <input type="checkbox" checked={force} onChange={() => onChange({ force: !force })} /> Restart nodes that do
          not differ, too
        </label>
      )}
      {!isFirst && (
        <StrategyFields steps={steps} faults={faults} onChange={part => onChange({ steps: { ...steps, ...part } })} />
      )}
      <label>
        Comment
        <input
          type="text"
          value={comment}
          maxLength={commentMax}
          placeholder={placeholder}
          onInput={event => onChange({ comment: event.currentTarget.value })}
        />
      </label>
    </fieldset>
  )
}

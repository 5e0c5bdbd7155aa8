import { toneOf, type Tone } from '../model/states.js'

/** A shape of its own for each tone: a disc, a ring, a square, a cross, a diamond. */
const shapes: Record<Tone, string> = {
  good: 'M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1z',
  busy: 'M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1zm0 3.5a3.5 3.5 0 1 1 0 7a3.5 3.5 0 1 1 0-7z',
  quiet: 'M2.5 2.5h11v11h-11z',
  bad: 'M1 4.2 4.2 1 8 4.8 11.8 1 15 4.2 11.2 8 15 11.8 11.8 15 8 11.2 4.2 15 1 11.8 4.8 8z',
  doubt: 'M8 .5 15.5 8 8 15.5.5 8z'
}

/** A mark for a tone. It says nothing to a screen reader: the word stands beside it. */
export function StateMark({ tone }: { tone: Tone }) {
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={shapes[tone]} fill-rule="evenodd" />
    </svg>
  )
}

/** The state of a node, as mark and word. */
export function NodeStateText({ state }: { state: string }) {
  return (
    <span class="state">
      <StateMark tone={toneOf(state)} /> {state}
    </span>
  )
}

import { toneOf, type Tone } from '../model/states.js'

/**
 * A mark for a tone, with a shape of its own. It says nothing to a screen reader: the word stands beside it. Its shape
 * is a style: a thousand pictures take a browser ten times as long to draw.
 */
export function StateMark({ tone }: { tone: Tone }) {
  return <span class={`mark ${tone}`} aria-hidden="true" />
}

/** The state of a node, as mark and word. */
export function NodeStateText({ state }: { state: string }) {
  return (
    <span class="state">
      <StateMark tone={toneOf(state)} /> {state}
    </span>
  )
}

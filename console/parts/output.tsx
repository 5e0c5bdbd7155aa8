import { plainOutput } from '../model/format.js'

/** More than a person reads, and than a browser draws quickly, in characters; the end is what matters. */
const shownMax = 20_000

/** What a program has written, as text. */
export function Output({ name, text }: { name: string; text: string | undefined }) {
  if (text === undefined || text.trim() === '') return null
  const isCut = text.length > shownMax
  return (
    <figure class="output">
      <figcaption>
        {name}
        {isCut && `, the last ${shownMax} characters`}
      </figcaption>
      <pre tabIndex={0} aria-label={name}>
        {plainOutput(isCut ? text.slice(-shownMax) : text)}
      </pre>
    </figure>
  )
}

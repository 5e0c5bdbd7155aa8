import { plain } from '../model/format.js'
import type { Read } from './read.js'

/**
 * Says of something that it is being read, or could not be; then it can be tried again. `what`: its name, as "Options".
 */
export function Reading({ of: { value, failure, again }, what }: { of: Read<unknown>; what: string }) {
  if (failure) {
    return (
      <div role="alert" class="notice bad text">
        <p>
          {what} could not be read: {plain(failure.message)}.
        </p>
        <p class="buttons">
          <button type="button" onClick={again}>
            Read again
          </button>
        </p>
      </div>
    )
  }
  return value === undefined ? <p aria-busy="true">Reading…</p> : null
}

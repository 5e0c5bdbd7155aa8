import { formatPlace, isAt, parsePlace, placeHeader, type LogPlace } from '../log-place.js'

/**
 * Has each answer of several controllers tell at least what those before it have told: a load balancer may choose one
 * that has less.
 */
export class Freshness {
  #told: LogPlace | undefined

  /** Says in a request what its answer has to tell at least. */
  ask(headers: Headers): void {
    if (this.#told) headers.set(placeHeader, formatPlace(this.#told))
  }

  /** Notes what an answer tells; answers may come in another order than they were made. */
  note(headers: Headers): void {
    const told = parsePlace(headers.get(placeHeader) ?? '')
    if (told && !(this.#told && isAt(this.#told, told))) this.#told = told
  }
}

import { isAt, parsePlace, placeHeader } from '../log-place.js'

/**
 * Has each answer of several controllers tell at least what those before it have told: a load balancer may choose one
 * that has less.
 */
export class Freshness {
  #told: string | undefined

  /** Says in a request what its answer has to tell at least. */
  ask(headers: Headers): void {
    if (this.#told !== undefined) headers.set(placeHeader, this.#told)
  }

  /** Notes what an answer tells; answers may come in another order than they were made. */
  note(headers: Headers): void {
    const told = headers.get(placeHeader) ?? ''
    const [own, place] = [parsePlace(this.#told ?? ''), parsePlace(told)]
    if (place && !(own && isAt(own, place))) this.#told = told
  }
}

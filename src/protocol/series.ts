import { Type, type Static } from '@sinclair/typebox'

/** The step to a text from the one before it: what is added to each number in it, or the text itself. */
export const Step = Type.Union([Type.Array(Type.Integer()), Type.String({ maxLength: 64 })])
export type Step = Static<typeof Step>

/** Numbers of addresses of IPv6, and of all other texts, no longer than what is counted exactly. */
const numbers = { 16: /([0-9a-f]{1,12})/, 10: /(\d{1,15})/ }

/**
 * A series of texts, each told by the step to it. Names, addresses and ports of nodes mostly count on, so that their
 * steps are alike, and compress to next to nothing.
 */
export class Series {
  #text = ''
  /** What the text is made of, in turns: what is between its numbers, and its numbers. */
  #parts = ['']
  /** As many digits as each number has at least; 0 where no zeros precede it. */
  #widths: number[] = [0]
  #radix: keyof typeof numbers = 10

  /** Returns the step to a text, which is the next one. */
  stepTo(text: string): Step {
    if (text === this.#text) return []
    const parts = text.split(numbers[this.#radix])
    const added = this.#addedTo(parts)
    if (!added) return this.#begin(text)
    this.#text = text
    this.#parts = parts
    return added
  }

  /** Returns the text to which a step leads. */
  take(step: Step): string {
    if (typeof step === 'string') return this.#begin(step)
    if (step.length === 0) return this.#text
    this.#parts = this.#parts.map((part, at) =>
      at % 2 === 0 ? part : this.#written(this.#valueOf(part) + (step[(at - 1) / 2] ?? 0), at)
    )
    return (this.#text = this.#parts.join(''))
  }

  /** Returns what is added to each number; undefined where more than numbers differs, or their zeros do. */
  #addedTo(parts: readonly string[]): number[] | undefined {
    if (parts.length !== this.#parts.length) return undefined
    const added: number[] = []
    for (let at = 0; at < parts.length; at++) {
      const [part, before] = [parts[at]!, this.#parts[at]!]
      const isNumber = at % 2 === 1
      if (part === before) {
        if (isNumber) added.push(0)
        continue
      }
      if (!isNumber || this.#written(this.#valueOf(part), at) !== part) return undefined
      added.push(this.#valueOf(part) - this.#valueOf(before))
    }
    return added
  }

  #begin(text: string): string {
    this.#text = text
    this.#radix = text.includes(':') ? 16 : 10
    this.#parts = text.split(numbers[this.#radix])
    this.#widths = this.#parts.map(part => (part.startsWith('0') ? part.length : 0))
    return text
  }

  #valueOf(number: string): number {
    return Number.parseInt(number, this.#radix)
  }

  #written(value: number, at: number): string {
    return value.toString(this.#radix).padStart(this.#widths[at]!, '0')
  }
}

import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { Term as TermSchema } from '../../schemas/agent.js'
import { checker } from '../../schemas/validator.js'
import { AppError, invalid, messageOf } from '../errors.js'
import { Sequence, writeFileAtomically } from '../util.js'

const checkTerm = checker(TermSchema, invalid)

/**
 * The highest term of a controller that the agent has obeyed, on disk. A controller of a lower one does not lead any
 * more, whatever it believes.
 */
export class Term {
  readonly #path: string
  readonly #accepting = new Sequence()
  #highest: number | undefined

  /** Reads the term. A file that is missing is none; so is a damaged one, which is logged. */
  static async read(path: string, log: Logger): Promise<Term> {
    try {
      return new Term(path, checkTerm(JSON.parse(await readFile(path, 'utf8')), 'term'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        log.warn(`${path}: ${messageOf(error)}; a controller of any term is obeyed`)
      }
      return new Term(path, undefined)
    }
  }

  private constructor(path: string, highest: number | undefined) {
    this.#path = path
    this.#highest = highest
  }

  /**
   * Resolves once a controller of that term may be obeyed: no lower one is from then on, after a crash of the machine
   * neither. Rejects with `not_leader` when there was a higher one, and when the term cannot be kept. A controller
   * without a term is alone.
   */
  async accept(term: number | undefined): Promise<void> {
    if (term === undefined) return
    await this.#accepting.run(async () => {
      const highest = this.#highest ?? 0
      if (term < highest) {
        throw new AppError('not_leader', `the term of the controller is ${term}, and there was one of term ${highest}`)
      }
      if (term > highest) await writeFileAtomically(this.#path, `${term}\n`)
      this.#highest = term
    })
  }
}

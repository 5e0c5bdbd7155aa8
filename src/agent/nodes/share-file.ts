import { readFile, unlink } from 'node:fs/promises'
import { Share } from '../../../schemas/agent.js'
import { checker } from '../../../schemas/validator.js'
import { AppError, invalid, messageOf } from '../../errors.js'
import { writeFileAtomically } from '../../util.js'

const checkShare = checker(Share, invalid)

/** Share that the agent received last, on disk: the agent goes on with it after a restart, controller or not. */
export class ShareFile {
  #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Reads the share; undefined when there is none. Throws what is wrong with it, with the name of the file. */
  async load(): Promise<Share | undefined> {
    const text = await readFile(this.#path, 'utf8').catch(error => {
      if (error.code !== 'ENOENT') throw error
    })
    return text === undefined ? undefined : checkShare(this.#parse(text), this.#path)
  }

  async save(share: Share): Promise<void> {
    await writeFileAtomically(this.#path, JSON.stringify(share))
  }

  async clear(): Promise<void> {
    await unlink(this.#path).catch(error => {
      if (error.code !== 'ENOENT') throw error
    })
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch (error) {
      throw new AppError('unavailable', `${this.#path}: ${messageOf(error)}`, { cause: error })
    }
  }
}

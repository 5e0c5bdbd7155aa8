import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ListOf } from '../../schemas/basics.js'
import { NodeRun } from '../../schemas/operations.js'
import { checker } from '../../schemas/validator.js'
import { invalid, messageOf } from '../errors.js'

/** How many runs are remembered. */
export const runsKept = 20
/** Largest history that is read: one is some kilobytes, and a larger file is none. */
const maxBytes = 256 * 1024

const fileOf = (directory: string) => join(directory, 'runs.json')
const checkRuns = checker(ListOf(NodeRun), invalid)

/**
 * Returns the runs of a program, the newest first; none when there is no history, or when it is no good: then with what
 * is wrong with it.
 */
export function readHistory(directory: string): { runs: NodeRun[]; trouble?: string } {
  const path = fileOf(directory)
  try {
    if (statSync(path).size > maxBytes) throw new Error('it is too long')
    return { runs: checkRuns(JSON.parse(readFileSync(path, 'utf8')), 'runs').slice(0, runsKept) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { runs: [] }
    return { runs: [], trouble: `${path} cannot be read: ${messageOf(error)}` }
  }
}

export const readRuns = (directory: string): NodeRun[] => readHistory(directory).runs

/** History of a program's processes, in a file beside their outputs: it outlives the supervisor that runs them. */
export class History {
  #directory: string
  #runs: NodeRun[]

  constructor(directory: string) {
    this.#directory = directory
    this.#runs = readRuns(directory)
  }

  /** Records that a process has started, or could not be started: then it has no process ID (`pid` is 0). */
  begin(pid: number, startedAt = new Date()): void {
    this.endUnseen()
    this.#runs = [{ ...(pid === 0 ? {} : { pid }), started_at: startedAt.toISOString() }, ...this.#runs].slice(
      0,
      runsKept
    )
    this.#write()
  }

  /** Records that a process that already runs was taken over. */
  adopt(pid: number, startedAt: Date): void {
    const [latest] = this.#runs
    if (latest?.pid !== pid || latest.ended_at !== undefined) this.begin(pid, startedAt)
  }

  /** Records that the latest process is gone. */
  end(reason: string): void {
    const [latest, ...before] = this.#runs
    if (!latest || latest.ended_at !== undefined) return
    this.#runs = [{ ...latest, ended_at: new Date().toISOString(), reason }, ...before]
    this.#write()
  }

  /** Records that the latest process is gone, since an unknown time. */
  endUnseen(): void {
    this.end('exited while no supervisor was there')
  }

  #write(): void {
    try {
      const path = fileOf(this.#directory)
      mkdirSync(this.#directory, { recursive: true })
      writeFileSync(`${path}.tmp`, JSON.stringify(this.#runs), { mode: 0o600 })
      renameSync(`${path}.tmp`, path)
    } catch {
      // A full disk must not keep a program from running. All of it is written again next time.
    }
  }
}

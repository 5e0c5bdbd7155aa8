import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { writeFileAtomically } from '../util.js'
import { exitCodes, Failure } from './failure.js'

/** A controller, or several of which one leads, and how to be known there. */
export interface Context {
  /** Several have commas between them. */
  url: string
  token?: string | undefined
  /** Path of a file of certificates, absolute. */
  ca?: string | undefined
}

export interface Contexts {
  /** The name of the one that is used where none is named. */
  current?: string | undefined
  contexts: Record<string, Context>
}

/** Returns the path of the file of contexts, by the XDG Base Directory Specification. */
export function contextsFile({ XDG_CONFIG_HOME: config }: NodeJS.ProcessEnv): string {
  return join(config?.startsWith('/') ? config : join(homedir(), '.config'), 'zeek-cluster', 'contexts.json')
}

/** Reads the contexts; there are none without a file. */
export async function readContexts(file: string): Promise<Contexts> {
  try {
    const read: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (isContexts(read)) return read
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { contexts: {} }
    if (code !== undefined) throw new Failure(exitCodes.usage, message, { cause: error })
  }
  throw new Failure(exitCodes.usage, `${file} is damaged: remove it, and log in again (zeek-cluster login URL)`)
}

/** Writes the contexts, for their owner only: they hold tokens. */
export async function writeContexts(file: string, contexts: Contexts): Promise<void> {
  await writeFileAtomically(file, `${JSON.stringify(contexts, undefined, 2)}\n`)
}

// By hand: a validator would take longer to load than most commands to run.
function isContexts(value: unknown): value is Contexts {
  const { current, contexts } = (value ?? {}) as Record<string, unknown>
  return isOptionalText(current) && isRecord(contexts) && Object.values(contexts).every(isContext)
}

function isContext(value: unknown): value is Context {
  if (!isRecord(value)) return false
  const { url, token, ca } = value
  return typeof url === 'string' && isOptionalText(token) && isOptionalText(ca)
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isOptionalText = (value: unknown): boolean => value === undefined || typeof value === 'string'

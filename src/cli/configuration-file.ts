import { access, readFile, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { text } from 'node:stream/consumers'
import { exitCodes, Failure } from '../client/failure.js'
import { AppError } from '../errors.js'
import type { BesideNodeCfg } from '../formats/zeekctl-cfg/zeekctl-files.js'
import type { Io } from './io.js'

/** A configuration as it is sent; what it says is for the controller to judge. */
export interface ConfigurationFile {
  config: object
  /** What was not taken over from the file of another tool. */
  notes: readonly string[]
}

type Input = Pick<Io, 'stdin' | 'interrupted'>

/** Reads standard input, unless Ctrl-C ends that: someone may have forgotten to give it anything. */
export const readStdin = async ({ stdin, interrupted }: Input): Promise<string> =>
  await text(addAbortSignal(interrupted, stdin))

/** Reads a file, or standard input for `-`. Throws a Failure that names it. */
export async function readInput(file: string, io: Input): Promise<string> {
  try {
    return await (file === '-' ? readStdin(io) : readFile(file, 'utf8'))
  } catch (error) {
    throw new Failure(exitCodes.usage, (error as Error).message, { cause: error })
  }
}

/** Reads a configuration in any form that there is: JSON, YAML, the file of another tool, ZeekControl's directory. */
export async function readConfiguration(path: string, io: Input): Promise<ConfigurationFile> {
  const foreign = await readForeign(path, {}, io)
  const { file, text: input } = foreign
  if (input.trim() === '') throw new Failure(exitCodes.usage, `${file} is empty`)
  if (!isYaml(file, input)) return await converted(foreign)
  const config = unwrapped(await parsed(file, input))
  if (typeof config === 'object' && config !== null && !Array.isArray(config)) return { config, notes: [] }
  throw new Failure(exitCodes.usage, `${file} is no configuration: it holds instances and nodes`)
}

/** A file of another tool, and of ZeekControl those beside it. */
export interface ForeignFile {
  file: string
  text: string
  beside: BesideNodeCfg
  /** What is there and was not read. */
  notes: readonly string[]
}

/** Files of ZeekControl that are named, beside its node.cfg. */
export type NamedFiles = Partial<Record<'zeekctl' | 'networks', string | undefined>>

/**
 * Reads a file with those that are named beside it; of a directory the node.cfg, and the others as far as it has them.
 */
export async function readForeign(path: string, named: NamedFiles, io: Input): Promise<ForeignFile> {
  const isDirectory = path !== '-' && (await stat(path).catch(() => undefined))?.isDirectory() === true
  const file = isDirectory ? join(path, 'node.cfg') : path
  const text = await readInput(file, io)
  const directory = dirname(file)
  const found = basename(file) === 'node.cfg' ? await filesIn(directory) : {}
  const taken = isDirectory ? { ...found, ...named } : named
  const beside: BesideNodeCfg = {}
  for (const key of ['zeekctl', 'networks'] as const) {
    if (taken[key] !== undefined) beside[key] = await readInput(taken[key], io)
  }
  const passedOver = Object.keys(found).filter(key => !(key in beside))
  const notes = passedOver.map(
    key => `${key}.cfg is beside ${file}, and was not read: give the directory, ${directory}, to have all of them read`
  )
  return { file, text, beside, notes }
}

async function filesIn(directory: string): Promise<NamedFiles> {
  const found: NamedFiles = {}
  for (const key of ['zeekctl', 'networks'] as const) {
    const file = join(directory, `${key}.cfg`)
    const isThere = await access(file).then(
      () => true,
      () => false
    )
    if (isThere) found[key] = file
  }
  return found
}

/** Whether a text is YAML, of which JSON is a part: by its name, else by what only the other files have. */
function isYaml(file: string, input: string): boolean {
  const extension = extname(file).toLowerCase()
  if (['.json', '.yaml', '.yml'].includes(extension)) return true
  if (['.cfg', '.conf', '.ini'].includes(extension)) return false
  return /^\s*[{-]/.test(input) || !/^(\[|[ \t]*\w+[ \t]*=)/m.test(input)
}

async function parsed(file: string, input: string): Promise<unknown> {
  if (/^\s*\{/.test(input)) {
    try {
      return JSON.parse(input)
    } catch {
      // YAML's parser tells at which line it is wrong; and may read it.
    }
  }
  const { parse } = await import('yaml')
  try {
    return parse(input)
  } catch (error) {
    throw new Failure(exitCodes.usage, `${file}: ${(error as Error).message.split('\n')[0]!.replace(/:$/, '')}`)
  }
}

interface Configuration {
  instances?: unknown
  nodes?: unknown
}

/** Whether a configuration says on which instances its nodes are. */
export const namesInstances = (config: Configuration): boolean => config.instances !== undefined

/** Returns a configuration without instances with all of its nodes on the only one that is connected. */
export function onOneInstance(config: Configuration, connected: readonly string[]): object {
  const [instance, ...others] = connected
  if (instance === undefined || others.length > 0) {
    throw new Failure(
      exitCodes.usage,
      `the configuration names no instances, and ${
        instance === undefined ? 'none is connected' : `there are ${connected.join(', ')}`
      }: say on which one each node is`
    )
  }
  const { nodes } = config
  return {
    ...config,
    instances: [{ name: instance }],
    nodes: Array.isArray(nodes) ? nodes.map((node: unknown) => ({ instance, ...(node as object) })) : nodes
  }
}

/** The body of a request holds the configuration as its only member. */
function unwrapped(value: unknown): unknown {
  const isBody = typeof value === 'object' && value !== null && Object.keys(value).join() === 'config'
  return isBody ? (value as { config: unknown }).config : value
}

/** Converts the file of another tool, as this host sees names and itself. Throws `invalid_request`. */
export async function convertForeign({ file, text, beside, notes: before }: ForeignFile): Promise<ConfigurationFile> {
  const [{ convert }, { contextHere }] = await Promise.all([
    import('../formats/convert.js'),
    import('../formats/context.js')
  ])
  const { configuration, notes } = await convert(file, text, contextHere(), beside)
  return { config: configuration, notes: [...before, ...notes] }
}

async function converted(foreign: ForeignFile): Promise<ConfigurationFile> {
  try {
    return await convertForeign(foreign)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw new Failure(exitCodes.usage, `${foreign.file}: ${error.message}`, { cause: error })
  }
}

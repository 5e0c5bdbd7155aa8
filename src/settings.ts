import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Type, type Static, type TObject, type TProperties, type TSchema } from '@sinclair/typebox'
import { checker } from '../schemas/validator.js'
import { AppError, messageOf } from './errors.js'
import { maxTimerMs } from './util.js'

/** A duration in a setting. */
export const Seconds = (options: { default?: number; description: string; minimum?: number; maximum?: number }) =>
  Type.Number({ minimum: 0, maximum: Math.floor(maxTimerMs / 1000), ...options })
/** A percentage. */
export const Percent = (options: { default: number; description: string }) =>
  Type.Number({ minimum: 0, maximum: 100, ...options })
/** An address to listen on. */
export const ListenAddress = (options: { default: string; description: string }) =>
  Type.String({ format: 'listen-ip', ...options })
export const ListenPort = (options: { default: number; description: string }) =>
  Type.Integer({ minimum: 1, maximum: 65535, ...options })
/** The path of an optional file or directory. */
export const File = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))
export const Count = (options: { default: number; description: string; minimum?: number; maximum?: number }) =>
  Type.Integer({ minimum: 0, ...options })

/** Settings that controller, agent and supervisor all need. */
export const managementSettings = {
  management_state_dir: Type.String({
    default: './var',
    minLength: 1,
    description: 'where everything that must survive is kept'
  }),
  management_spool_dir: File(
    'where finished logs wait to be archived, in log-queue/; on the file system of the state directory; default: spool/ in the state directory'
  ),
  management_log_level: Type.Unsafe<'debug' | 'info' | 'warn' | 'error'>({
    type: 'string',
    enum: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    description: 'what is logged'
  }),
  management_secrets: Type.String({
    default: '',
    description:
      'names, with commas, of further environment variables, options and identifiers whose values are secret; * at the beginning or the end of one stands for any text'
  }),
  management_heartbeat: Seconds({
    default: 5,
    minimum: 0.01,
    description: 'seconds between heartbeats of a link; three missed ones close it'
  }),
  management_retry_max: Seconds({
    default: 5,
    minimum: 0.01,
    description: 'seconds that the delay grows to after which a lost controller or agent is dialled again'
  }),
  management_restart_delay_max: Seconds({
    default: 10,
    minimum: 0.01,
    description: 'seconds that the delay grows to after which a controller or an agent that exited is started again'
  }),
  management_stop_timeout: Seconds({ default: 10, description: 'seconds that a controller or an agent has to end' })
}

/** Prefixes that only we use, so that an unknown name with one of them is a typing error. */
const ownPrefixes = ['ZEEK_CONTROLLER_', 'ZEEK_AGENT_', 'ZEEK_MANAGEMENT_']
/**
 * Variables that are no settings: the role of a process, which we pass on, and one of Zeek's own framework that has no
 * use here.
 */
const notSettings = ['ZEEK_MANAGEMENT_NODE', 'ZEEK_MANAGEMENT_TESTING']

export const environmentName = (key: string) => `ZEEK_${key.toUpperCase()}`
export const flagName = (key: string) => `--${key.replaceAll('_', '-')}`

export interface Sources {
  /** Values by flag name, without the dashes. */
  flags: Record<string, string>
  env: NodeJS.ProcessEnv
  /** The path of a YAML or JSON file. */
  file?: string | undefined
}

/** Defaults that follow from other settings; `isGiven` returns whether a setting was given explicitly. */
export type DerivedDefaults<S> = (settings: S, isGiven: (key: keyof S) => boolean) => Partial<S>

function readFile(path: string): Record<string, unknown> {
  try {
    // Loaded where there is a file, since that takes a tenth of a process's start.
    const { parse } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
    const values: unknown = parse(readFileSync(path, 'utf8')) ?? {}
    if (typeof values !== 'object' || Array.isArray(values)) throw new Error('it must hold names and values')
    return values as Record<string, unknown>
  } catch (error) {
    throw new AppError('invalid_request', `${path}: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Returns the settings: flags override the environment, that the file, and that the defaults, some of which `follow`
 * derives. Throws an AppError with one line that names what is unknown or wrong.
 */
export function loadSettings<P extends TProperties>(
  properties: P,
  { flags, env, file }: Sources,
  follow: DerivedDefaults<Static<TObject<P>>> = () => ({})
): Static<TObject<P>> {
  const keys = Object.keys(properties)
  const fromFile = file === undefined ? {} : readFile(file)
  const unknown = [
    ...Object.keys(flags)
      .map(flag => `--${flag}`)
      .filter(flag => !keys.some(key => flagName(key) === flag)),
    ...Object.keys(env).filter(
      name =>
        ownPrefixes.some(prefix => name.startsWith(prefix)) &&
        !notSettings.includes(name) &&
        !keys.some(key => environmentName(key) === name)
    ),
    ...Object.keys(fromFile)
      .filter(key => !keys.includes(key))
      .map(key => `${file}: ${key}`)
  ]
  if (unknown.length > 0) throw new AppError('invalid_request', `${unknown[0]} is not a setting`)

  const values: Record<string, unknown> = {}
  const origin: Record<string, string> = {}
  for (const key of keys) {
    const flag = flags[flagName(key).slice(2)]
    const variable = env[environmentName(key)]
    if (flag !== undefined) [values[key], origin[key]] = [flag, flagName(key)]
    // As in Zeek's scripts, an empty variable counts as absent.
    else if (variable !== undefined && variable !== '') [values[key], origin[key]] = [variable, environmentName(key)]
    else if (fromFile[key] !== undefined && fromFile[key] !== null) {
      ;[values[key], origin[key]] = [fromFile[key], `${file}: ${key}`]
    }
  }
  const blank = keys.find(key => typeof values[key] === 'string' && values[key].trim() === '')
  if (blank !== undefined) throw new AppError('invalid_request', `${origin[blank]} must not be blank`)
  // Settings that were not given have their default, or may be missing, and need no check, so that only few schemas are
  // compiled.
  const { required = [] }: { required?: readonly string[] } = Type.Object<TProperties>(properties)
  const told = keys.filter(key => key in values || (required.includes(key) && !('default' in properties[key]!)))
  const check = checker<TSchema>(
    Type.Object(Object.fromEntries(told.map(key => [key, properties[key]!]))),
    ([error]) => {
      const key = error?.field.split('/')[1] ?? ''
      return new AppError(
        'invalid_request',
        `${origin[key] ?? key} ${error?.message} (it is ${JSON.stringify(values[key])})`
      )
    },
    'coerce'
  )
  const defaults = Object.fromEntries(
    keys.flatMap(key => ('default' in properties[key]! ? [[key, properties[key].default]] : []))
  )
  const settings = { ...defaults, ...(check({ ...values }, '') as object) } as Static<TObject<P>>
  return { ...settings, ...follow(settings, key => key in values) }
}

import { suggestion } from '../../../schemas/nearest.js'
import type { ClusterNode } from '../../../schemas/types.js'
import { messageOf } from '../../errors.js'
import { adviceOnRest, sortArguments, type ZeekArguments } from '../arguments.js'
import { faultAt, lowerCase, type Section } from '../ini/ini.js'
import { readVariables } from '../ini/variables.js'
import { defaultBalancing, perFlowTypes, type Balancing } from '../node-cfg/load-balancing.js'
import { linesOf } from '../lines.js'
import { firstOf, note } from '../notes.js'
import { shown, type Fault } from '../refusal.js'
import { nodeFaults } from '../schema-faults.js'
import { intervalOf, type Scope, type Settings } from './zeekctl-options.js'
import { readOption, zeekctlNames, type Given } from './zeekctl-option.js'

/** What ZeekControl says of all nodes together. */
export interface ZeekctlCfg {
  /** Whether there was no file, so that these are its defaults. */
  isAssumed: boolean
  /** What nodes load before their own scripts. */
  scripts: readonly string[]
  /** What they load after these, and options that win over theirs. */
  arguments: Pick<ZeekArguments, 'scripts' | 'options'>
  /** Their environment, which their own wins over. */
  env: Record<string, string>
  balancing: Balancing
  /** Returns the options of a node of that name and these scopes; its own win over them. */
  optionsOf: (node: string, scopes: readonly Scope[]) => Record<string, string>
  /** Returns the text of an option; undefined where the file has none. */
  get: (name: string) => string | undefined
}

/** What ZeekControl has without a zeekctl.cfg. */
export const zeekctlDefaults: ZeekctlCfg = {
  isAssumed: true,
  scripts: ['local.zeek'],
  arguments: { scripts: [], options: {} },
  env: {},
  balancing: defaultBalancing,
  optionsOf: () => ({}),
  get: () => undefined
}

type Complain = (key: string, message: string) => void

/**
 * Reads ZeekControl's zeekctl.cfg: `name = value` a line, of which the last one of a name counts; lines that begin with
 * `#` are comments. `isBundled`: a bundle has the site's scripts and plugins. What is wrong is in `errors`, with its
 * line.
 */
export function readZeekctlCfg(
  text: string,
  { isBundled = false } = {}
): { zeekctl: ZeekctlCfg; errors: Fault[]; notes: string[] } {
  const errors: Fault[] = []
  const section = readLines(text, errors)
  const complain: Complain = (key, message) => {
    errors.push({ ...faultAt(section, key, message), section: fileName })
  }
  const entries = [...section.entries.values()]
  const get = (name: string) => section.entries.get(lowerCase(name))?.value
  const given = entries.flatMap(entry => readOption(entry, complain))
  const notes = given.flatMap(one =>
    adviceOn(one, get, isBundled).map(advice => note(section, one.name, one.text, advice))
  )
  const zeekctl: ZeekctlCfg = {
    isAssumed: false,
    scripts: words(get('SitePolicyScripts') ?? zeekctlDefaults.scripts.join(' ')),
    arguments: readArguments(get('ZeekArgs') ?? '', complain, advice => {
      notes.push(note(section, 'ZeekArgs', get('ZeekArgs')!, advice))
    }),
    env: {
      ...(get('Prefixes') ? { ZEEK_PREFIXES: get('Prefixes')! } : {}),
      ...readVariables(get('Env_Vars') ?? '', message => complain('Env_Vars', message))
    },
    balancing: readBalancing(get, complain),
    optionsOf: (node, scopes) =>
      Object.assign({}, ...given.map(({ scope, options }) => (scopes.includes(scope) ? options(node) : {}))),
    get
  }
  const unknown = entries.filter(({ key }) => !zeekctlNames.has(lowerCase(key)))
  notes.push(
    ...firstOf(unknown, ({ key, value = '' }) => note(section, key, value, adviceOnUnknown(key)), 'options are unknown')
  )
  examine(zeekctl, given, complain)
  return { zeekctl, errors, notes }
}

const fileName = 'zeekctl.cfg'
const words = (text: string) => text.split(/\s+/).filter(word => word !== '')

function readLines(text: string, errors: Fault[]): Section {
  const section: Section = { name: '', line: 0, entries: new Map() }
  for (const { text: line, number } of linesOf(text)) {
    const equals = line.indexOf('=')
    const key = line.slice(0, Math.max(0, equals)).trim()
    if (key === '') {
      const message = `must be a comment, or a name, "=" and a value: '${shown(line)}'`
      errors.push({ section: fileName, line: number, message })
    } else section.entries.set(lowerCase(key), { key, value: line.slice(equals + 1).trim(), line: number })
  }
  return section
}

/** Returns what is to be done about an option that the configuration does not hold. */
function adviceOn({ isSame, settings, outcome }: Given, get: ZeekctlCfg['get'], isBundled: boolean): string[] {
  if (isSame || outcome.unless?.some(name => get(name) !== undefined)) return []
  if (settings) return [adviceOnSettings(settings)]
  return outcome.advice === undefined || (isBundled && outcome.isBundled) ? [] : [outcome.advice]
}

function adviceOnSettings(settings: Settings): string {
  const names = Object.keys(settings)
  const whose = names.every(name => name.startsWith('controller_'))
    ? 'the controller'
    : names.some(name => name.startsWith('management_'))
      ? 'controller and agents'
      : 'the agents'
  // As a line of the file, which is YAML.
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name}: ${/^[A-Za-z0-9_./-]+$/.test(`${value}`) ? value : JSON.stringify(value)}`
  )
  return `set ${lines.join(' and ')} in the settings of ${whose}`
}

function adviceOnUnknown(key: string): string {
  const names = [...zeekctlNames.values()].filter(name => name.includes('.') === key.includes('.'))
  return key.includes('.')
    ? `belongs to a plugin of ZeekControl, which has no effect here${suggestion(key, names)}`
    : `is unknown, and ignored by ZeekControl, too${suggestion(key, names)}`
}

function readArguments(text: string, complain: Complain, tell: (advice: string) => void): ZeekctlCfg['arguments'] {
  try {
    const { scripts, options, rest } = sortArguments(text)
    adviceOnRest(rest).forEach(tell)
    return { scripts, options }
  } catch (error) {
    complain('ZeekArgs', `is invalid: ${messageOf(error)}`)
    return zeekctlDefaults.arguments
  }
}

function readBalancing(get: ZeekctlCfg['get'], complain: Complain): Balancing {
  const type = get('PFRINGClusterType')
  const perFlow = type === undefined ? defaultBalancing.perFlow : perFlowTypes[type]
  if (perFlow === undefined) {
    complain('PFRINGClusterType', `must be one of ${Object.keys(perFlowTypes).join(', ')}: '${shown(type!)}'`)
  }
  return {
    clusterId: Number(get('PFRINGClusterID') ?? defaultBalancing.clusterId),
    perFlow: perFlow ?? defaultBalancing.perFlow,
    firstAppInstance: Number(get('PFRINGFirstAppInstance') ?? defaultBalancing.firstAppInstance),
    prefix: get('lb_custom.InterfacePrefix') ?? defaultBalancing.prefix,
    suffix: get('lb_custom.InterfaceSuffix') ?? defaultBalancing.suffix
  }
}

/** Reports what the schemas refuse, and what options have of each other. */
function examine(
  { scripts, arguments: more, env, balancing: { prefix, suffix }, get }: ZeekctlCfg,
  given: readonly Given[],
  complain: Complain
): void {
  const parts: [key: string, Partial<ClusterNode>][] = [
    ['SitePolicyScripts', { scripts: [...scripts] }],
    ['ZeekArgs', more],
    ['Env_Vars', { env }],
    [
      prefix === '' ? 'lb_custom.InterfaceSuffix' : 'lb_custom.InterfacePrefix',
      { interface: `${prefix}eth0${suffix}` }
    ],
    ...given.map(({ name, options }): [string, Partial<ClusterNode>] => [name, { options: options('a') }])
  ]
  for (const [key, part] of parts) for (const { message } of nodeFaults(part)) complain(key, message)
  const [expiry, rotation] = [
    intervalOf(get('LogExpireInterval') ?? '') ?? 0,
    Number(get('LogRotationInterval') ?? 3600)
  ]
  if (expiry > 0 && expiry < rotation) complain('LogExpireInterval', 'must not be shorter than LogRotationInterval')
}

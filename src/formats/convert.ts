import { basename } from 'node:path'
import { ClusterConfigurationInput } from '../../schemas/types.js'
import { checker } from '../../schemas/validator.js'
import { mixedAddresses, oddPlaces } from '../addresses.js'
import { AppError, invalid } from '../errors.js'
import { expanded } from '../groups/expansion.js'
import { sharing } from '../sharing.js'
import { parseClusterCfg, type ClusterCfgContext } from './cluster-cfg/cluster-cfg.js'
import type { Converted } from './converted.js'
import { refuse } from './refusal.js'
import { parseZeekConf } from './zeek-conf/zeek-conf.js'
import { parseZeekctlFiles, type BesideNodeCfg } from './zeekctl-cfg/zeekctl-files.js'

export type Format = 'cluster.cfg' | 'node.cfg' | 'zeek.conf'

/** Patterns for lines that only one format has; the first that matches determines the format. */
const marks: [Format, RegExp][] = [
  ['cluster.cfg', /^(\[instances\]|[ \t]*(instance|role)[ \t]*[=:])/im],
  ['node.cfg', /^[ \t]*(host|type)[ \t]*[=:]/im],
  ['zeek.conf', /^(\[interface |(interface|workers|manager|loggers|proxies)[ \t]*=)/m]
]

/** Returns the format of a file: by its name, else by its text. Throws `invalid_request`, with what was expected. */
export function formatOf(fileName: string, text: string): Format {
  const name = basename(fileName)
  if (name === 'zeek.conf' || name.endsWith('.zeek.conf')) return 'zeek.conf'
  if (name === 'node.cfg' || name === 'cluster.cfg') return name
  const format =
    name === 'zeekctl.cfg' || name === 'networks.cfg' ? undefined : marks.find(([, mark]) => mark.test(text))?.[0]
  if (format) return format
  throw new AppError(
    'invalid_request',
    `${name} is none of cluster.cfg (zeek-client: sections with instance and role), node.cfg (ZeekControl: sections with type and host), zeek.conf (Zeek's systemd generator: manager, workers, interface)`
  )
}

const check = checker(ClusterConfigurationInput, invalid)

/**
 * Converts a file of another tool into a configuration that can be staged; a node.cfg with what is `beside` it. Throws
 * `invalid_request` with every error of the files; conflicts between its nodes and hosts are reported as staging would,
 * too.
 */
export async function convert(
  fileName: string,
  text: string,
  context: ClusterCfgContext,
  beside: BesideNodeCfg = {}
): Promise<Converted> {
  const format = formatOf(fileName, text)
  if (format !== 'node.cfg' && Object.values(beside).some(value => value !== undefined)) {
    throw new AppError('invalid_request', `${basename(fileName)} is no node.cfg: only that has other files beside it`)
  }
  const { configuration, notes } = await parsers[format]({ fileName, text, context, beside })
  // Errors at a place in the file have already been reported with it.
  check(configuration, 'config')
  const { instances } = configuration
  // Its groups have numbers and lists of CPUs: no host has to tell of itself.
  const { errors, warnings } = sharing(expanded(configuration, () => undefined).configuration.nodes)
  refuse(errors.map(message => ({ section: basename(fileName), message })))
  const placed = instances.flatMap(({ name, host }) => (host === undefined ? [] : { name, host }))
  return { configuration, notes: [...notes, ...warnings, ...oddPlaces(instances), ...mixedAddresses(placed)] }
}

interface Input {
  fileName: string
  text: string
  context: ClusterCfgContext
  beside: BesideNodeCfg
}

const parsers: Record<Format, (input: Input) => Promise<Converted>> = {
  'cluster.cfg': async ({ text, context }) => ({ configuration: await parseClusterCfg(text, context), notes: [] }),
  'node.cfg': async ({ text, context, beside }) => await parseZeekctlFiles(text, beside, context.resolve),
  'zeek.conf': async ({ fileName, text, context: { defaultInstance } }) =>
    parseZeekConf(text, { host: /^(.+)\.zeek\.conf$/.exec(basename(fileName))?.[1], defaultInstance })
}

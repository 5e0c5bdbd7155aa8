import type { ClusterNode, Instance } from '../../../schemas/types.js'
import { canonicalHost } from '../../addresses.js'
import type { Converted } from '../converted.js'
import { Names } from '../node-cfg/hosts.js'
import { readIni, type Section } from '../ini/ini.js'
import { firstOf, note } from '../notes.js'
import { withGroups } from '../numbered.js'
import { refuse, shown, type Fault } from '../refusal.js'
import { instanceFaults } from '../schema-faults.js'
import { adviceFor } from './zeek-conf-advice.js'
import { draftsOf, interfaceName, type Draft } from './zeek-conf-nodes.js'
import { SectionReader, zeekConfDialect } from './zeek-conf-section.js'

export interface ZeekConfContext {
  /** The host that a `<host>.zeek.conf` is for. */
  host?: string | undefined
  /** The instance of a zeek.conf, which is for one host only. */
  defaultInstance: string
}

/** Reads the zeek.conf of Zeek's systemd generator. Throws every error at once, as `invalid_request`. */
export function parseZeekConf(text: string, { host, defaultInstance }: ZeekConfContext): Converted {
  const { sections, errors } = readIni(text, zeekConfDialect)
  const notes: string[] = []
  errors.push(...sectionFaults(sections))
  const open = (section: Section) => new SectionReader(section, errors, notes)
  const unnamed = sections.find(({ name }) => name === '')
  const zeek = open(
    unnamed ?? sections.find(({ name }) => name === 'zeek') ?? { name: 'zeek', line: 0, entries: new Map() }
  )
  const readers = sections.map(section => (section === zeek.section ? zeek : open(section)))
  const interfaces = unnamed ? [zeek] : readers.filter(({ section }) => section.name.startsWith('interface'))

  const prefix = readPrefix(zeek, host ?? '')
  const { others, workers } = draftsOf(zeek, interfaces, prefix === '' ? '' : `${prefix}-`)
  const names = new Names([...others, ...workers.flat()].map(({ name }) => name))
  const instance: Instance = {
    name: names.take(host === undefined ? defaultInstance : `agent-${host}`),
    ...readAddress(zeek)
  }
  const unasked = readers.flatMap(({ section, unasked }) => unasked.map(([key, value]) => ({ section, key, value })))
  notes.push(
    ...firstOf(
      unasked,
      ({ section, key, value }) => note(section, key, value, adviceFor(section.name, key, value)),
      'keys have no place in a configuration'
    )
  )
  refuse(errors)

  const placed = ({ name, ...draft }: Draft): ClusterNode => ({ name, instance: instance.name, ...draft })
  const numbered = interfaces.map(({ section }, index) => [section.name, workers[index]!.map(placed)] as const)
  const { configuration, notes: groupNotes } = withGroups(
    [...others.map(placed), ...numbered.flatMap(([, nodes]) => nodes)],
    new Map(numbered.filter(([, nodes]) => nodes.length > 0))
  )
  notes.push(...groupNotes)
  if (host !== undefined) {
    notes.push(
      'this is the part of one host: convert the file of each, and put their instances and their nodes together'
    )
  }
  notes.push(
    `the host is instance ${instance.name}: start its agent with ZEEK_AGENT_NAME=${instance.name}${instance.host === undefined ? '; its address is the one that its agent has' : ''}`
  )
  return { configuration: { instances: [instance], ...configuration }, notes }
}

/** Returns what is wrong with the division of a file into sections, whatever they contain. */
function sectionFaults(sections: readonly Section[]): Fault[] {
  const isMixed = sections.length > 1 && sections.some(({ name }) => name === '')
  const misnamed = sections.filter(({ name }) => name.startsWith('interface') && interfaceName(name) === undefined)
  return [
    ...(isMixed
      ? [
          {
            line: sections[1]!.line,
            message: 'begins a section, but there are keys before it: all keys are in sections, or none is'
          }
        ]
      : []),
    ...misnamed.map(({ name, line }) => ({
      section: name,
      line,
      message: 'must be "interface NAME", with a name of a-z 0-9 "-" and "_"'
    }))
  ]
}

/** Returns the prefix of the names of nodes: `byDefault`, unless the file sets one. */
function readPrefix(zeek: SectionReader, byDefault: string): string {
  if (!zeek.has('cluster_node_prefix')) return byDefault
  const prefix = zeek.text('cluster_node_prefix')
  if (!/^([a-z0-9][-a-z0-9_]*)?$/.test(prefix)) {
    zeek.complain(
      'cluster_node_prefix',
      'must be empty, or begin with one of a-z 0-9 and go on with these, "-" and "_"'
    )
  }
  return prefix
}

function readAddress(zeek: SectionReader): { host?: string } {
  const key = zeek.has('cluster_address') ? 'cluster_address' : 'address'
  if (!zeek.has(key)) return {}
  const host = canonicalHost(zeek.text(key))
  for (const { message } of instanceFaults({ name: 'a', host })) {
    zeek.complain(key, `${message}: '${shown(zeek.text(key))}'`)
  }
  return { host }
}

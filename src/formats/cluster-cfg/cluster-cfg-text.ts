import type { ClusterConfigurationInput, ClusterNode, Instance } from '../../../schemas/types.js'
import { compare, hostPort } from '../../util.js'
import { sectionOfNode } from './cluster-cfg-node.js'
import { assignment, quoteWord } from '../ini/words.js'

const byName = (a: { name: string }, b: { name: string }) => compare(a.name, b.name)

const line = (key: string, value: string) => `${key} = ${value.replaceAll('%', '%%')}`

function instanceLines({ name, host, listen_port: port }: Instance): string[] {
  if (port !== undefined) return [line(name, hostPort(host ?? '0.0.0.0', port))]
  // The format has no place for an address without a port.
  return host === undefined ? [name] : [`# ${name} is at ${host}`, name]
}

function assignments(map: Record<string, string> | undefined): string | undefined {
  const words = Object.entries(map ?? {})
    .sort(([a], [b]) => compare(a, b))
    .map(([name, value]) => assignment(name, value))
  return words.length > 0 ? words.join(' ') : undefined
}

function nodeLines(node: ClusterNode): string[] {
  const values: [string, string | number | undefined][] = [
    ['instance', node.instance],
    ['role', node.role],
    ['port', node.port],
    ['scripts', node.scripts?.map(quoteWord).join(' ')],
    ['options', assignments(node.options)],
    ['interface', node.interface],
    ['cpu_affinity', node.cpu_affinity],
    ['memory_max', node.memory_max],
    ['nice', node.nice],
    ['env', assignments(node.env)],
    ['load_local', node.load_local === undefined ? undefined : String(node.load_local)],
    ['metrics_port', node.metrics_port]
  ]
  return values.flatMap(([key, value]) => (value === undefined || value === '' ? [] : [line(key, String(value))]))
}

/**
 * Returns the configuration as zeek-client writes it, sorted by name, without its id. Names must be unique. What that
 * format cannot express is in `options`, `memory_max`, `nice` and `load_local`, which zeek-client ignores, and in
 * comments.
 */
export function formatClusterCfg({ instances, nodes, bundle, captures = [] }: ClusterConfigurationInput): string {
  const lost = [...(bundle === undefined ? [] : ['bundle']), ...(captures.length > 0 ? ['captures'] : [])]
  const sections = [...nodes].sort(byName).map(node => [`[${sectionOfNode(node.name)}]`, ...nodeLines(node)])
  // Without this section, nodes would declare their instances.
  if (instances.length > 0 || nodes.length > 0) {
    sections.unshift(['[instances]', ...[...instances].sort(byName).flatMap(instanceLines)])
  }
  if (lost.length > 0) sections.unshift([`# This format has no place for: ${lost.join(', ')}.`])
  return sections.map(lines => `${lines.join('\n')}\n\n`).join('')
}

/**
 * What a text is: JSON, a file that the controller converts, one that only the command line takes, or none of these.
 */
export type Form = 'empty' | 'json' | FileForm | 'yaml' | 'unknown'
export type FileForm = 'cluster.cfg' | 'node.cfg' | 'zeek.conf'

/** Files of other tools, and whose they are. */
export const fileForms: readonly { form: FileForm; of: string }[] = [
  { form: 'cluster.cfg', of: 'zeek-client' },
  { form: 'node.cfg', of: 'ZeekControl' },
  { form: 'zeek.conf', of: 'Zeek with systemd' }
]

/** Patterns for lines that only one form has; the first that matches counts, as where it is converted. */
const marks: readonly [FileForm, RegExp][] = [
  ['cluster.cfg', /^(\[instances\]|[ \t]*(instance|role)[ \t]*[=:][ \t]*\S)/im],
  ['node.cfg', /^[ \t]*(host|type)[ \t]*[=:][ \t]*\S/im],
  ['zeek.conf', /^(\[interface |(interface|workers|manager|loggers|proxies)[ \t]*=)/m]
]

/** Returns what a text is, by itself. */
export function formOf(text: string): Form {
  if (text.trim() === '') return 'empty'
  if (/^\s*(\{|"|\[\s*[{"\]])/.test(text)) return 'json'
  if (/^(instances|nodes):/m.test(text)) return 'yaml'
  return marks.find(([, mark]) => mark.test(text))?.[0] ?? 'unknown'
}

/** Returns the name under which a text is converted: that of its file if it says the form, which may say more. */
export function nameFor(form: FileForm, fileName: string | undefined): string {
  return fileName === form || (form === 'zeek.conf' && fileName?.endsWith('.zeek.conf')) ? fileName! : form
}

/**
 * Returns the configuration of a JSON value: as it is, or the only member `config`, as the body of a request has it.
 */
export function unwrapped(value: unknown): unknown {
  const isBody = typeof value === 'object' && value !== null && Object.keys(value).join() === 'config'
  return isBody ? (value as { config: unknown }).config : value
}

const widthMax = 120

/** Returns a value as a JSON text: what fits into a line is on one, so that each node has its own. */
export function formatConfiguration(value: unknown): string {
  return `${indented(value, '')}\n`
}

function indented(value: unknown, indent: string): string {
  const line = inline(value)
  if (indent !== '' && indent.length + line.length <= widthMax) return line
  const deeper = `${indent}  `
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]'
    return `[\n${value.map(item => deeper + indented(item, deeper)).join(',\n')}\n${indent}]`
  }
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return line
  const members = Object.entries(value).map(([key, of]) => {
    // Lists of the configuration itself are never on one line: they grow.
    const text = indent === '' && Array.isArray(of) ? indented(of, '').replaceAll('\n', `\n${deeper}`) : undefined
    return `${deeper}${JSON.stringify(key)}: ${text ?? indented(of, deeper)}`
  })
  return `{\n${members.join(',\n')}\n${indent}}`
}

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([key, of]) => `${JSON.stringify(key)}: ${inline(of)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

/** Returns a configuration to begin with: a whole cluster on one instance. */
export const exampleOn = (instance: string) => ({
  instances: [{ name: instance }],
  nodes: [
    { name: 'manager', instance, role: 'MANAGER' },
    { name: 'logger-1', instance, role: 'LOGGER' },
    { name: 'proxy-1', instance, role: 'PROXY' },
    { name: 'worker-1', instance, role: 'WORKER', interface: 'eth0' }
  ]
})

/** Returns a configuration without instances with all of its nodes on one. */
export function onInstance(configuration: { nodes?: unknown }, instance: string): object {
  const { nodes } = configuration
  const placed = (node: unknown) =>
    typeof node === 'object' && node !== null
      ? { ...('name' in node ? { name: node.name } : {}), instance, ...node }
      : node
  return {
    instances: [{ name: instance }],
    ...configuration,
    nodes: Array.isArray(nodes) ? nodes.map(placed) : nodes
  }
}

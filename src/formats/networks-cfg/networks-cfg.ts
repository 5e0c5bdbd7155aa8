import { linesOf } from '../lines.js'
import { shown, type Fault } from '../refusal.js'
import { nodeFaults } from '../schema-faults.js'
import { subnetOf } from '../subnet.js'

/** A local network of networks.cfg. */
export interface Network {
  /** As a subnet is written in Zeek: `10.0.0.0/8`, `[2001:db8::]/32`. */
  subnet: string
  /** What the file says of it; empty where it says nothing. */
  description: string
}

/** The option that local networks are the value of. */
export const localNetsOption = 'Site::local_nets'
/** The script that sets it, by the name that it has in ZeekControl. */
export const localNetworksScript = 'local-networks.zeek'

/**
 * Reads ZeekControl's networks.cfg: a subnet in CIDR notation a line, then what it is; lines that begin with `#` are
 * comments. A subnet that is there twice counts once. What is no subnet goes to `errors`: ZeekControl leaves that to
 * Zeek.
 */
export function readNetworksCfg(text: string): { networks: Network[]; errors: Fault[] } {
  const networks = new Map<string, Network>()
  const errors: Fault[] = []
  for (const { text: line, number } of linesOf(text)) {
    const end = line.search(/\s/)
    const [prefix, description] = end < 0 ? [line, ''] : [line.slice(0, end), line.slice(end)]
    const subnet = subnetOf(prefix)
    if (subnet === undefined) {
      errors.push({
        section: 'networks.cfg',
        line: number,
        message: `must be a network as 10.0.0.0/8 or 2001:db8::/32: '${shown(prefix)}'`
      })
    } else if (!networks.has(subnet)) networks.set(subnet, { subnet, description: plain(description) })
  }
  return { networks: [...networks.values()], errors }
}

/** Returns a description as it can be in a comment, which ends with its line. */
// eslint-disable-next-line no-control-regex -- they are what is replaced
const plain = (description: string) => shown(description.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim())

/** Returns networks as the value of their option. */
export const localNets = (networks: readonly Network[]): string => `{${networks.map(({ subnet }) => subnet).join()}}`

/** Returns why networks cannot be the value of their option, if they cannot: it has a longest value. */
export const tooManyNetworks = (networks: readonly Network[]): Fault[] =>
  nodeFaults({ options: { [localNetsOption]: localNets(networks) } }).map(() => ({
    section: 'networks.cfg',
    message: `holds ${networks.length} networks, too many for an option; \`convert --bundle\` makes a script of them`
  }))

/** Returns the script that sets them, as ZeekControl does: they replace those that scripts before it have set. */
export const renderLocalNetworks = (networks: readonly Network[]): string =>
  `# Made of networks.cfg.

redef ${localNetsOption} = {
${networks.map(({ subnet, description }) => `\t${subnet},${description === '' ? '' : ` # ${description}`}\n`).join('')}};
`

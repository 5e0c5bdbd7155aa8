import type { Converted } from '../converted.js'
import {
  localNets,
  localNetsOption,
  localNetworksScript,
  readNetworksCfg,
  tooManyNetworks,
  type Network
} from '../networks-cfg/networks-cfg.js'
import type { Resolve } from '../node-cfg/hosts.js'
import { parseNodeCfg } from '../node-cfg/node-cfg.js'
import { readZeekctlCfg, zeekctlDefaults, type ZeekctlCfg } from './zeekctl-cfg.js'

/** The files of ZeekControl that belong to a node.cfg, and what else is known of its installation. */
export interface BesideNodeCfg {
  /** The text of zeekctl.cfg. */
  zeekctl?: string | undefined
  /** The text of networks.cfg. */
  networks?: string | undefined
  /** The name of the bundle that the site's scripts are in, and a script of its networks. */
  bundle?: string | undefined
}

/** Reads the files of ZeekControl. Throws every error of all of them at once, as `invalid_request`. */
export async function parseZeekctlFiles(
  nodeCfg: string,
  { zeekctl, networks = '', bundle }: BesideNodeCfg,
  resolve: Resolve
): Promise<Converted> {
  const isBundled = bundle !== undefined
  const cfg = zeekctl === undefined ? undefined : readZeekctlCfg(zeekctl, { isBundled })
  const nets = readNetworksCfg(networks)
  const errors = [...(cfg?.errors ?? []), ...nets.errors, ...(isBundled ? [] : tooManyNetworks(nets.networks))]
  const common = withNetworks(cfg?.zeekctl ?? zeekctlDefaults, nets.networks, isBundled)
  const { configuration, notes } = await parseNodeCfg(nodeCfg, { resolve, common, errors })
  return {
    configuration: { ...(isBundled && { bundle }), ...configuration },
    notes: [...(cfg?.notes ?? []), ...notes]
  }
}

function withNetworks(common: ZeekctlCfg, networks: readonly Network[], isBundled: boolean): ZeekctlCfg {
  if (isBundled) {
    // Nodes load this one of a bundle by themselves.
    const scripts = common.scripts.filter(name => !isLocal(name))
    return { ...common, scripts: networks.length === 0 ? scripts : [...scripts, localNetworksScript] }
  }
  if (networks.length === 0) return common
  const option = { [localNetsOption]: localNets(networks) }
  return { ...common, optionsOf: (node, scopes) => ({ ...common.optionsOf(node, scopes), ...option }) }
}

/** Whether a script is what nodes load of a bundle by itself. */
export const isLocal = (name: string) => /^(\.\/)?local(\.zeek)?$/.test(name)

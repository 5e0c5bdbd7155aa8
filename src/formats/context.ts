import { lookup } from 'node:dns/promises'
import { hostname } from 'node:os'
import { AppError } from '../errors.js'
import { aborted, Slots } from '../util.js'
import type { ClusterCfgContext } from './cluster-cfg/cluster-cfg.js'
import type { Resolve } from './node-cfg/hosts.js'

/** How long the names of one file may take to be looked up, in milliseconds: there may be any number of them. */
const patienceMs = 10_000
/** Lookups at a time, of all files: each holds one of the few threads of the process. */
const slots = new Slots(2)

/**
 * Returns what files of other tools are read with on this host: as in zeek-client, nodes without an instance are on it.
 */
export function contextHere(defaultInstance = `agent-${hostname()}`): ClusterCfgContext {
  return { resolve: resolver(async host => (await lookup(host)).address, patienceMs), defaultInstance }
}

/** Returns a function that looks up the names of one file, and rejects once that has taken so long for all together. */
export function resolver(lookUp: Resolve, ms: number): Resolve {
  const tooLate = AbortSignal.timeout(ms)
  const over = aborted(tooLate)
  const refuse = () => {
    throw new AppError('timeout', 'it takes too long to look up the names of the file')
  }
  return async host =>
    await Promise.race([slots.run(async () => await (tooLate.aborted ? refuse() : lookUp(host))), over.then(refuse)])
}

import type { IncomingMessage } from 'node:http'
import { AppError } from './errors.js'

/** The parts of a request that say what it is for. */
export type Addressed = Pick<IncomingMessage, 'url' | 'headers' | 'rawHeaders'>

/** Returns whether a request has several Host headers, which is to be refused (RFC 9112, 3.2). */
export function hasSeveralHosts({ rawHeaders }: Pick<Addressed, 'rawHeaders'>): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]!.toLowerCase() === 'host') hosts++
  return hosts > 1
}

/**
 * Returns the host and port that a request is for, as it was written: those of its target where this is a whole URI,
 * else those of Host; empty where there are none. Throws `invalid_request` for several Host headers: Node drops all but
 * the first, and a proxy in front may have heeded another.
 */
export function authorityOf(request: Addressed): string {
  if (hasSeveralHosts(request)) throw new AppError('invalid_request', 'there are several Host headers')
  const { url = '', headers } = request
  return /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1] ?? headers.host ?? ''
}

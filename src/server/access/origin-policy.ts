import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { authorityOf, type Addressed } from '../../authority.js'
import { AppError } from '../../errors.js'
import { hostOf, isLoopback } from '../../util.js'
import type { Forwarded, Origin } from './forwarded.js'

export interface OriginPolicyOptions {
  /** Returns whether clients know the controller by this name or address; loopback names are always allowed. */
  isNamed: (host: string) => boolean
  /** Whether clients speak TLS, with the controller or with a proxy. */
  isSecure: boolean
  /** Proxies whose information about their clients is trusted. */
  proxies: BlockList
  /** Tells who has asked another controller, which forwards it: that has looked at the rest. */
  forwarded: Forwarded
}

/** Decides which hosts and origins are the controller's own, and which address a client has. */
export class OriginPolicy {
  #options: OriginPolicyOptions
  /**
   * The last loopback Host, to skip its check: nearly all requests have the same one, and unlike the names of a
   * certificate, loopback names do not change.
   */
  #host: string | undefined

  constructor(options: OriginPolicyOptions) {
    this.#options = options
  }

  /** Whether clients speak TLS. */
  get isSecure(): boolean {
    return this.#options.isSecure
  }

  /** Returns the host and port under which a client reaches the controller. Throws `invalid_request`. */
  hostOf(request: Addressed): string {
    return authorityOf(request)
  }

  /**
   * Refuses requests from web pages of other sites: those that say so (Origin, Sec-Fetch-Site), and those whose name
   * was made to point here (Host). Throws `forbidden`, or `invalid_request` for several Host headers.
   */
  refuseForeigner(request: Addressed & Pick<IncomingMessage, 'headers' | 'method' | 'url'>): void {
    if (this.#options.forwarded.of(request)) return
    const { origin, 'sec-fetch-site': from, 'sec-fetch-mode': mode } = request.headers
    const host = this.hostOf(request)
    if (host !== this.#host) {
      const name = hostOf(host).toLowerCase()
      if (isLoopback(name)) this.#host = host
      else if (!this.#options.isNamed(name)) {
        throw new AppError('forbidden', `Host ${host} is not this server: ZEEK_CONTROLLER_HOSTS adds a name`)
      }
    }
    if (origin !== undefined && origin !== `http${this.#options.isSecure ? 's' : ''}://${host}`) {
      // This happens behind a TLS proxy that the settings do not mention.
      const help =
        origin === `https://${host}` ? ': ZEEK_CONTROLLER_TLS_BY_PROXY=true says that a proxy speaks TLS' : ''
      throw new AppError('forbidden', `Origin ${origin} is not this server${help}`)
    }
    // Browsers send this for what has no Origin: an image, a script. Following a link from elsewhere is allowed.
    if ((from === 'cross-site' || from === 'same-site') && mode !== 'navigate') {
      throw new AppError('forbidden', 'a page of another site asks')
    }
  }

  /** Returns the address of a client, as another controller or the last trusted proxy reports it. */
  addressOf(request: Pick<IncomingMessage, 'headers' | 'socket' | 'method' | 'url'>): string {
    const { headers, socket } = request
    const forwarded = this.#forwarded(request)
    if (forwarded) return forwarded.address
    const plain = (text: string) => text.trim().replace(/^::ffff:(?=\d+\.)/i, '')
    const hops = String(headers['x-forwarded-for'] ?? '')
      .split(',')
      .map(plain)
    let address = plain(socket.remoteAddress ?? '')
    // Hops are read from the right; an entry that is not an address, and all left of it, cannot be trusted.
    while (isIP(hops.at(-1) ?? '') !== 0 && this.#isBelieved(address)) address = hops.pop()!
    return address
  }

  /** Returns who has asked another controller; undefined also where nobody is to be believed who says so. */
  #forwarded(request: Pick<IncomingMessage, 'headers' | 'method' | 'url'>): Origin | undefined {
    try {
      return this.#options.forwarded.of(request)
    } catch {
      return undefined
    }
  }

  #isBelieved(address: string): boolean {
    return isIP(address) !== 0 && this.#options.proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
}

/** Parses addresses and networks (`10.0.0.1, 192.168.0.0/16`). Throws an AppError that names the setting. */
export function networksOf(text: string, setting: string): BlockList {
  const list = new BlockList()
  for (const item of namesOf(text)) {
    const [address = '', prefix, ...more] = item.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    const longest = family === 'ipv6' ? 128 : 32
    if (
      isIP(address) === 0 ||
      more.length > 0 ||
      (prefix !== undefined && !(/^\d{1,3}$/.test(prefix) && Number(prefix) <= longest))
    ) {
      throw new AppError('invalid_request', `${setting}: ${item} is neither an address nor a network`)
    }
    list.addSubnet(address, prefix === undefined ? longest : Number(prefix), family)
  }
  return list
}

/** Returns the items of a comma-separated list, in lower case. */
export function namesOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

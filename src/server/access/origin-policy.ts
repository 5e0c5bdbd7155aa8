import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { AppError } from '../../errors.js'
import { isLoopback } from '../../util.js'

export interface OriginPolicyOptions {
  /** Whether clients know the controller by this name or address; that of the machine itself is always good. */
  isNamed: (host: string) => boolean
  /** Whether clients speak TLS, be it with a proxy. */
  isSecure: boolean
  /** Proxies that are believed in what they say of their clients. */
  proxies: BlockList
}

/** Where the controller is, as its clients see it. */
export class OriginPolicy {
  #options: OriginPolicyOptions
  /**
   * The last Host on loopback: nearly all ask for the same, and what it is does not change, as a certificate's names
   * do.
   */
  #host: string | undefined

  constructor(options: OriginPolicyOptions) {
    this.#options = options
  }

  /** Whether clients speak TLS. */
  get isSecure(): boolean {
    return this.#options.isSecure
  }

  /**
   * No web page of another site may do anything here, neither one that says so (Origin, Sec-Fetch-Site) nor one whose
   * name was made to point here (Host). Throws `forbidden`.
   */
  refuseForeigner({
    headers: { host = '', origin, 'sec-fetch-site': from, 'sec-fetch-mode': mode }
  }: Pick<IncomingMessage, 'headers'>): void {
    if (host !== this.#host) {
      const name = host
        .replace(/:\d+$/, '')
        .replace(/^\[(.*)\]$/, '$1')
        .toLowerCase()
      if (isLoopback(name)) this.#host = host
      else if (!this.#options.isNamed(name)) {
        throw new AppError('forbidden', `Host ${host} is not this server: ZEEK_CONTROLLER_HOSTS adds a name`)
      }
    }
    if (origin !== undefined && origin !== `http${this.#options.isSecure ? 's' : ''}://${host}`) {
      // As behind a proxy of which nothing is said.
      const help =
        origin === `https://${host}` ? ': ZEEK_CONTROLLER_TLS_BY_PROXY=true says that a proxy speaks TLS' : ''
      throw new AppError('forbidden', `Origin ${origin} is not this server${help}`)
    }
    // Browsers say this of what has no Origin: an image, a script. To follow a link from elsewhere is well.
    if ((from === 'cross-site' || from === 'same-site') && mode !== 'navigate') {
      throw new AppError('forbidden', 'a page of another site asks')
    }
  }

  /** The address of a client, as the last proxy tells that is believed. */
  addressOf({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): string {
    const plain = (text: string) => text.trim().replace(/^::ffff:(?=\d+\.)/i, '')
    const hops = String(headers['x-forwarded-for'] ?? '')
      .split(',')
      .map(plain)
    let address = plain(socket.remoteAddress ?? '')
    // What is left of a hop that is no address was not said by whom we believe.
    while (isIP(hops.at(-1) ?? '') !== 0 && this.#isBelieved(address)) address = hops.pop()!
    return address
  }

  #isBelieved(address: string): boolean {
    return isIP(address) !== 0 && this.#options.proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
}

/** A list of addresses and networks (`10.0.0.1, 192.168.0.0/16`). Throws an AppError that names the setting. */
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

/** The items of a list with commas, in lower case. */
export function namesOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

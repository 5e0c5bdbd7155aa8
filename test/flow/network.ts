import { execFileSync } from 'node:child_process'
import type { Test } from 'tap'
import { Namespace, sendTo } from '../support/namespace.js'

/** The addresses of both ends. To us they are loopback, so that the cluster may use them without TLS. */
export const near = '127.1.0.1'
export const far = '127.1.0.2'

/**
 * A second network, tied to the one of this process (which must be its own) by a cable. What is cut is sent to a card
 * that does not exist: it is lost without a word, as on a cable that is cut somewhere else.
 */
export class Network {
  /** In front of a command: has it run there. */
  readonly prefix: readonly string[]

  private constructor(prefix: readonly string[]) {
    this.prefix = prefix
  }

  static async open(t: Test): Promise<Network> {
    const { pid, prefix } = await Namespace.open(t)
    const network = new Network(prefix)
    execFileSync('ip', ['link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', String(pid)])
    for (const [prefix, device, address, card] of [
      [[], 'near', near, '01'],
      [network.prefix, 'far', far, '02']
    ] as const) {
      const script = `ip link set lo up; ip address flush dev lo; ip address add 127.0.0.1/32 dev lo
        echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
        ip address add ${address}/24 dev ${device}; ip link set ${device} address 02:00:00:00:00:${card} up`
      const [command, ...args] = [...prefix, 'sh', '-ec', script]
      execFileSync(command!, args)
    }
    network.heal()
    return network
  }

  /** Loses what is sent from here to there, the other way, or both. */
  cut(way: 'there' | 'back' | 'both' = 'both'): void {
    if (way !== 'back') this.#send('there', '99')
    if (way !== 'there') this.#send('back', '99')
  }

  heal(): void {
    this.#send('there', '02')
    this.#send('back', '01')
  }

  #send(way: 'there' | 'back', card: string): void {
    const [prefix, address, device] = way === 'there' ? ([[], far, 'near'] as const) : [this.prefix, near, 'far']
    sendTo(prefix, address, device, `02:00:00:00:00:${card}`)
  }
}

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { cleanEnv } from '../support/environment.js'

const unshare = ['unshare', '--net', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])]

/** The addresses of both ends. To us they are loopback, so that the cluster may use them without TLS. */
export const near = '127.1.0.1'
export const far = '127.1.0.2'

/** In front of a command: gives it a network of its own. */
export const ownNetwork: readonly string[] = unshare

/** Why there can be no networks here; false where there can. */
export function whyNoNetwork(): string | false {
  const { status, error, stderr } = spawnSync(
    unshare[0]!,
    [...unshare.slice(1), 'ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far'],
    { encoding: 'utf8' }
  )
  return status !== 0 && `no network namespaces here: ${(error?.message ?? stderr).trim()}`
}

/**
 * A second network, tied to the one of this process (which must be its own) by a cable. What is cut is sent to a card
 * that does not exist: it is lost without a word, as on a cable that is cut somewhere else.
 */
export class Network {
  readonly #pid: number

  private constructor(pid: number) {
    this.#pid = pid
  }

  static async open(t: Test): Promise<Network> {
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec sleep infinity'], {
      env: cleanEnv,
      stdio: ['ignore', 'pipe', 'ignore']
    })
    t.teardown(() => holder.kill('SIGKILL'))
    await once(holder.stdout, 'data')
    const network = new Network(holder.pid!)
    execFileSync('ip', ['link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', String(holder.pid)])
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

  /** In front of a command: has it run there. */
  get prefix(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.#pid}/ns/net`]
  }

  /** Loses what is sent from here to there, the other way, or both. */
  cut(way: 'there' | 'back' | 'both' = 'both'): void {
    if (way !== 'back') this.#setCard([], far, 'near', '99')
    if (way !== 'there') this.#setCard(this.prefix, near, 'far', '99')
  }

  heal(): void {
    this.#setCard([], far, 'near', '02')
    this.#setCard(this.prefix, near, 'far', '01')
  }

  #setCard(prefix: readonly string[], address: string, device: string, card: string): void {
    const [command, ...args] = [
      ...prefix,
      'ip',
      'neighbour',
      'replace',
      address,
      'lladdr',
      `02:00:00:00:00:${card}`,
      'dev',
      device,
      'nud',
      'permanent'
    ]
    execFileSync(command!, args)
  }
}

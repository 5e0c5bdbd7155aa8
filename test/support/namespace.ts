import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { cleanEnv } from './environment.js'
import { childrenOf, isRunning } from './running.js'
import { until } from './until.js'

const unshare = ['unshare', '--net', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])]

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

export interface NamespaceOptions {
  /**
   * What else there is to be of its own, besides a network: as unshare has it. With `--pid` its end is that of all in
   * it.
   */
  own?: readonly string[]
  /** A script (sh), with its arguments, that prints a line when all is as it is to be, and does not end. */
  script?: readonly string[]
}

/** A network of its own, as long as a process lives that holds it: until the test ends, or before. */
export class Namespace {
  /** The process id of who holds it. */
  readonly pid: number

  private constructor(pid: number) {
    this.pid = pid
  }

  static async open(
    t: Test,
    { own = [], script = ['echo; exec sleep infinity'] }: NamespaceOptions = {}
  ): Promise<Namespace> {
    const forks = own.includes('--pid') ? ['--fork', '--kill-child'] : []
    // It ends with this process, however that ends.
    const [command, ...args] = ['setpriv', '--pdeathsig', 'KILL', 'unshare', '--net', ...own, ...forks]
    const holder = spawn(command!, [...args, 'sh', '-ec', ...script], {
      env: cleanEnv,
      stdio: ['ignore', 'pipe', 'pipe']
    })
    let said = ''
    holder.stderr.on('data', chunk => (said += chunk))
    const ended = once(holder, 'exit')
    const isReady = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)])
    if (!isReady) throw new Error(`unshare: ${said}`)
    const namespace = new Namespace(forks.length > 0 ? childrenOf(holder.pid!)[0]! : holder.pid!)
    t.teardown(() => namespace.end())
    return namespace
  }

  /** In front of a command: has it run in this network. */
  get prefix(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.pid}/ns/net`]
  }

  /** Runs a script there, with its arguments. Throws when it fails. */
  sh(script: string, ...args: string[]): void {
    const [command, ...before] = [...this.prefix, 'sh', '-ec', script, 'sh', ...args]
    execFileSync(command!, before, { env: cleanEnv, stdio: ['ignore', 'ignore', 'pipe'] })
  }

  /** Ends who holds it. */
  async end(): Promise<void> {
    if (isRunning(this.pid)) process.kill(this.pid, 'SIGKILL')
    await until(() => !isRunning(this.pid), 'who has held the namespace is gone')
  }
}

/** Has what is sent to an address on a cable go to a card: where there is no such card, it is lost without a word. */
export function sendTo(prefix: readonly string[], address: string, device: string, card: string): void {
  const [command, ...args] = [...prefix, 'ip', 'neighbour', 'replace', address, 'lladdr', card, 'dev', device]
  execFileSync(command!, [...args, 'nud', 'permanent'])
}

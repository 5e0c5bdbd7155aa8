import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { InstanceNode, InstanceStatus } from '../../schemas/api.js'
import type { Join } from '../../schemas/joins.js'
import { directoryOf } from '../support/directory.js'
import { makeRoot, packager, run } from '../support/packages.js'
import { childrenOf } from '../support/running.js'
import { until } from '../support/until.js'
import { Host, Lan, type Ended } from './hosts.js'

export const agentState = '/var/lib/zeek-cluster-agent'
const controllerState = '/var/lib/zeek-cluster-controller'
export const agentUnit = 'zeek-cluster-agent'
export const controllerUnit = 'zeek-cluster-controller'

const controllerName = 'zeek.example.org'

/** Packages, a controller's host and two sensors where the Debian one is installed, and nothing is started. */
export async function makeFleet(t: Test) {
  const build = packager(t)
  if (!build) return undefined
  const packages = directoryOf(t)
  const packed = (kind: RegExp) =>
    join(
      packages,
      readdirSync(packages).find(file => kind.test(file))!
    )
  const [base] = await Promise.all([makeRoot(t), build(packages)])
  cpSync(packed(/\.deb$/), join(base, 'package.deb'))
  run('chroot', base, 'dpkg', '-i', '/package.deb')
  rmSync(join(base, 'package.deb'))
  const lan = await Lan.open(t)
  const names = [controllerName, 'sensor-1', 'sensor-2']
  writeFileSync(
    join(base, 'etc/hosts'),
    ['127.0.0.1 localhost', ...names.map((name, at) => `10.77.0.${at + 1} ${name}`), ''].join('\n')
  )
  const hosts: Host[] = []
  for (const [at, name] of names.entries()) hosts.push(await Host.start(t, lan, { name, number: at + 1, base }))
  const [controller, one, two] = hosts as [Host, Host, Host]
  return { lan, controller, one, two, deb: packed(/\.deb$/), bundle: packed(/\.bundle\.tar\.gz$/) }
}

/** Whoever runs the cluster, at the controller's host. */
export class Operator {
  readonly #host: Host
  readonly #token: string

  constructor(host: Host, token: string) {
    this.#host = host
    this.#token = token
  }

  /** Starts a command. */
  begin(...args: string[]) {
    return this.#host.begin(['zeek-cluster', ...args], {
      ZEEK_CLUSTER_URL: `https://${this.#host.name}:2149`,
      ZEEK_CLUSTER_CA: `${controllerState}/authority.pem`,
      ZEEK_CLUSTER_TOKEN: this.#token
    })
  }

  async run(...args: string[]): Promise<Ended> {
    return await this.begin(...args).ended
  }

  /** Returns what a command prints as JSON, or an empty object while the controller is away. */
  async ask<T>(...args: string[]): Promise<Partial<T>> {
    const { code, stdout } = await this.run(...args, '--json')
    return code === 3 ? {} : (JSON.parse(stdout) as T)
  }

  async instance(name: string): Promise<InstanceStatus | undefined> {
    const { instances = [] } = await this.ask<{ instances: InstanceStatus[] }>('upgrade')
    return instances.find(one => one.name === name)
  }

  async connected(name: string): Promise<void> {
    await until(async () => (await this.instance(name))?.connected === true, `${name} is connected`)
  }

  async joins(): Promise<Join[]> {
    return (await this.ask<{ joins: Join[] }>('instances', 'pending', '--all')).joins ?? []
  }

  async nodes(): Promise<InstanceNode[]> {
    return (await this.ask<{ nodes: InstanceNode[] }>('status')).nodes ?? []
  }

  /** Returns the process ids of nodes by name, once all of them run. */
  async pids(...names: string[]): Promise<Record<string, number>> {
    const nodes = await until(
      async () => {
        const nodes = await this.nodes()
        return names.every(name => nodes.some(({ node, state }) => node === name && state === 'RUNNING')) && nodes
      },
      `${names.join(', ')} run`
    )
    return Object.fromEntries(names.map(name => [name, nodes.find(({ node }) => node === name)!.pid!]))
  }
}

/** Kills the supervisor of a unit and what it has launched beside nodes: all of a service but these. */
export function killService(host: Host, unit: string): void {
  const supervisor = host.mainOf(unit)
  if (supervisor === undefined) throw new Error(`${unit} does not run on ${host.name}`)
  const roles = childrenOf(supervisor).filter(pid => host.commandOf(pid).includes('main.js'))
  for (const pid of [supervisor, ...roles]) process.kill(pid, 'SIGKILL')
}

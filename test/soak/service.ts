import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configurationOf } from '../flow/cluster.js'
import { startHost } from '../support/host.js'
import { freePorts, portFlags } from '../support/ports.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import type { Config } from '../chaos/errands.js'
import { roleOf } from './processes.js'
import { Sampler } from './sampler.js'
import { makeTokens } from './troubles.js'
import type { Run } from '../chaos/run.js'
import { fixture } from '../support/environment.js'

const two = ['sensor-1', 'sensor-2'] as const

/** So little is kept that something is dropped all the time; enough for whoever comes back within twenty seconds. */
export const retention = { events: 3_000, reads: 1_000, audit: 2_000, others: 500, requests: 5_000 }

/**
 * A controller and two agents, one of which dials, one is dialled; each with a supervisor, in processes of their own.
 */
export class Service {
  readonly url: string
  readonly port: number
  readonly config: Config
  readonly directory: string
  readonly hosts: Record<'controller' | (typeof two)[number], Awaited<ReturnType<typeof startHost>>>

  private constructor({ port, config, directory, hosts }: Pick<Service, 'port' | 'config' | 'directory' | 'hosts'>) {
    this.url = `http://127.0.0.1:${port}`
    this.port = port
    this.config = config
    this.directory = directory
    this.hosts = hosts
  }

  static async start(t: { teardown: (job: () => unknown) => void }, run: Run, root: string): Promise<Service> {
    const [http, agents, dialled] = (await freePorts(3)) as [number, number, number]
    const directory = join(root, 'controller')
    const heaps = join(root, 'heaps')
    for (const path of [directory, heaps]) mkdirSync(path)
    run.tokens = await makeTokens(directory)
    const tokenFile = join(root, 'sensor-1.token')
    writeFileSync(tokenFile, await tokenCommand(['create'], { role: 'agent', name: 'sensor-1' }, directory))
    const env = { NODE_OPTIONS: `--import ${fixture('soak', 'heap.mjs')}`, SOAK_HEAP: heaps }
    const shared = {
      'controller-port': String(agents),
      'management-log-level': 'warn',
      'management-heartbeat': '1',
      'management-retry-max': '1',
      'management-restart-delay-max': '1',
      'agent-restart-delay': '0.3',
      'agent-restart-reset': '5',
      'agent-stop-timeout': '2'
    }
    const controller = startHost(
      t,
      {
        ...shared,
        ...portFlags(12_000 + (process.pid % 70) * 100),
        'management-state-dir': directory,
        'controller-name': 'controller',
        'controller-websocket-port': String(http),
        'controller-authentication': 'token',
        'controller-connect-grace': '3',
        'controller-events-heartbeat': '1',
        'controller-events-stall': '5',
        'controller-events-max-count': String(retention.events),
        'controller-events-max-reads': String(retention.reads),
        'controller-audit-max-count': String(retention.audit),
        'controller-audit-max-others': String(retention.others),
        'controller-requests-max-count': String(retention.requests)
      },
      ['--controller'],
      env
    )
    const connections = [
      { 'agent-controller': `127.0.0.1:${agents}`, 'agent-token-file': tokenFile },
      { 'agent-controller': 'none', 'agent-port': String(dialled) }
    ]
    const [first, second] = await Promise.all(
      two.map((name, index) =>
        startHost(
          t,
          { ...shared, ...connections[index], 'agent-name': name, 'management-state-dir': join(root, name) } as Record<
            string,
            string
          >,
          ['--agent'],
          env
        )
      )
    )
    const config = configurationOf(two)
    config.instances[1] = { name: 'sensor-2', host: '127.0.0.1', listen_port: dialled }
    return new Service({
      port: http,
      config,
      directory,
      hosts: { controller: await controller, 'sensor-1': first!, 'sensor-2': second! }
    })
  }

  get database(): string {
    return join(this.directory, 'controller.sqlite')
  }

  isNodes(directory: string): boolean {
    return two.some(name => directory === join(this.directory, '..', name, 'nodes'))
  }

  /** Watches each supervisor, and the controller or agent that it runs at the time. */
  sampler(run: Run): Sampler {
    const hosts = Object.entries(this.hosts)
    return new Sampler({
      pids: () =>
        Object.fromEntries(
          hosts.flatMap(([name, { pid }]) => [
            [name === 'controller' ? name : `agent ${name}`, roleOf(pid)],
            [`supervisor of ${name}`, pid]
          ])
        ),
      supervisors: () => hosts.map(([, { pid }]) => pid),
      metrics: async () => await (await fetch(`${this.url}/metrics`, { headers: run.headers('viewer') })).text(),
      database: this.database,
      heaps: join(this.directory, '..', 'heaps')
    })
  }

  /** What the processes said that nobody should have to read: all of them log warnings of ours as JSON. */
  complaints(): string[] {
    return Object.entries(this.hosts).flatMap(([name, { output }]) =>
      output.stderr
        .split('\n')
        .filter(line => /Warning:|Error:|"level":"ERROR"/.test(line))
        .map(line => `${name}: ${line.slice(0, 300)}`)
    )
  }
}

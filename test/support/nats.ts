import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePorts } from './ports.js'
import { until } from './until.js'

const binary = process.env.ZEEK_TEST_NATS_SERVER ?? 'nats-server'

/** Why there are no servers to test with; false when there are. */
export const noNats: string | false = (() => {
  const { error, stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  if (error) return `there is no ${binary}`
  const [, major, minor, patch] = /v(\d+)\.(\d+)\.(\d+)/.exec(stdout)?.map(Number) ?? []
  const isNew = major! > 2 || (major === 2 && (minor! > 12 || (minor === 12 && patch! >= 3)))
  return isNew ? false : `${binary} is older than 2.12.3: ${stdout.trim()}`
})()

/** One server, a process. */
export interface NatsServer {
  name: string
  url: string
  /** URL of its monitor. */
  monitor: string
  /** Stops it as an operator does. */
  stop(): Promise<void>
  kill(): Promise<void>
  /** Stops it in the middle of what it does, with its connections open. */
  freeze(): void
  thaw(): void
  /** Starts it again, with what it had; does not wait until it is ready. */
  start(): void
  /** Resolves once it has all that the others have. */
  isReady(): Promise<void>
}

/** Servers that are one. */
export interface Nats {
  servers: NatsServer[]
  urls: string[]
  monitors: string[]
  isReady(): Promise<void>
}

/** Where something runs. */
export interface Place {
  address: string
  /** What is to run it there. */
  prefix?: readonly string[]
}

export const here: Place = { address: '127.0.0.1' }

export interface NatsOptions {
  count?: 1 | 3
  /** Where each of them runs, and what runs it there. Default: here, on loopback. */
  places?: readonly Place[]
  /** Lines for the configuration of each. */
  extra?: string
  syncInterval?: string
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts servers, which end with the test. */
export async function startNats(
  t: Pick<Test, 'teardown'>,
  { count = 1, places = [], extra = '', syncInterval = 'always' }: NatsOptions = {}
): Promise<Nats> {
  const directory = mkdtempSync(join(tmpdir(), 'zeek-cluster-nats-'))
  const ports = await freePorts(count * 3)
  const placeOf = (index: number) => places[index] ?? here
  const routes = ports.slice(0, count).map((port, index) => `nats://${placeOf(index).address}:${port}`)
  const servers = routes.map((_, index) => {
    const { address } = placeOf(index)
    const name = `n${index + 1}`
    const home = join(directory, name)
    mkdirSync(home)
    const [route, port, monitorPort] = [ports[index]!, ports[count + index]!, ports[2 * count + index]!]
    writeFileSync(
      join(home, 'nats.conf'),
      [
        `server_name: ${name}`,
        `listen: "${address}:${port}"`,
        `http: "${address}:${monitorPort}"`,
        `jetstream { store_dir: "${home}", sync_interval: ${syncInterval}, max_file_store: 4GB, max_memory_store: 64MB }`,
        ...(count > 1 ? [`cluster { name: test, listen: "${address}:${route}", routes: [${routes.join(', ')}] }`] : []),
        extra
      ].join('\n')
    )
    return createServer({ ...placeOf(index), name, home, port, monitorPort })
  })
  t.teardown(async () => {
    await Promise.all(servers.map(server => server.kill()))
    rmSync(directory, { recursive: true, force: true })
  })
  for (const server of servers) server.start()
  const nats: Nats = {
    servers,
    urls: servers.map(({ url }) => url),
    monitors: servers.map(({ monitor }) => monitor),
    isReady: async () => {
      await Promise.all(servers.map(server => server.isReady()))
    }
  }
  await nats.isReady()
  return nats
}

interface ServerPlace extends Place {
  name: string
  home: string
  port: number
  monitorPort: number
}

function createServer(place: ServerPlace): NatsServer {
  let child: ChildProcess | undefined
  const end = async (signal: NodeJS.Signals) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
  const monitor = `http://${place.address}:${place.monitorPort}`
  return {
    name: place.name,
    url: `nats://${place.address}:${place.port}`,
    monitor,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    freeze: () => child!.kill('SIGSTOP'),
    thaw: () => child!.kill('SIGCONT'),
    start: () => {
      const log = openSync(join(place.home, 'log'), 'a')
      const [command, ...args] = [...(place.prefix ?? []), binary, '-c', join(place.home, 'nats.conf')]
      const started = spawn(command!, args, { stdio: ['ignore', log, log] })
      closeSync(log)
      running.add(started)
      started.once('exit', () => running.delete(started))
      child = started
    },
    isReady: async () => {
      await until(
        async () => (await fetch(`${monitor}/healthz`).catch(() => undefined))?.ok,
        `the server ${place.name} is ready`
      )
    }
  }
}

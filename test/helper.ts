import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventSourceParserStream, type EventSourceMessage } from 'eventsource-parser/stream'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { Request, RequestType } from '../schemas/api.js'
import { agentSettings } from '../src/agent/config.js'
import type { Host } from '../src/agent/host.js'
import { parseTable } from '../src/agent/listeners.js'
import { startAgent } from '../src/agent/main.js'
import { Programs } from '../src/agent/programs.js'
import { controllerSettings } from '../src/controller/config.js'
import { startController, type ControllerOptions } from '../src/controller/main.js'
import { supervisorHandlers } from '../src/host.js'
import { Link } from '../src/link/link.js'
import { memoryPair } from '../src/link/transport.js'
import { loadSettings, managementSettings } from '../src/settings.js'
import { Supervisor } from '../src/supervisor/supervisor.js'
import { packageRoot } from '../src/util.js'

export const silent = pino({ level: 'silent' })
export const standIn = join(packageRoot, 'demo', 'zeek')
export const mainProgram = join(packageRoot, 'dist', 'src', 'main.js')

// tap hooks every spawn to load itself into the child, by NODE_OPTIONS. Our children are to be what they are in life.
const onSpawn = (globalThis as any)[Symbol.for('process-on-spawn@*:singletonId')]
if (onSpawn) onSpawn.listeners = []

/** The environment without what tap has put into it, and without settings. */
export const cleanEnv: NodeJS.ProcessEnv = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|TAP|_TAP|ZEEK)/.test(name)))

/** Waits until something is true. The limit is for what never is: a loaded machine may take long. */
export async function until<T> (what: () => T | Promise<T>, text: string, ms = 60_000): Promise<Exclude<T, false | null | undefined>> {
  const end = Date.now() + ms
  for (;;) {
    const value = await what()
    if (value) return value as Exclude<T, false | null | undefined>
    if (Date.now() > end) throw new Error(`still not so: ${text}`)
    await sleep(20)
  }
}

const directories = new WeakMap<Test, string>()

/** A directory that nobody else has, and that outlives every other teardown: tap removes its own first where it was made before the first of them. */
export function directoryOf (t: Test): string {
  // Each call of testdir() empties it.
  if (!directories.has(t)) {
    t.teardown(() => {})
    directories.set(t, t.testdir())
  }
  return mkdtempSync(join(directories.get(t)!, 'd-'))
}

/** Whether a range is ours from now on, until this process ends: its file says whose it is. */
function claim (base: number): boolean {
  const file = join(tmpdir(), `zeek-cluster-test-ports-${base}`)
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
  } catch {
    // Whoever had it may have been killed.
    const owner = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
    if (owner === 0 || isRunning(owner)) return false
    rmSync(file, { force: true })
    return claim(base)
  }
  claims.push(file)
  return true
}

const claims: string[] = []
process.once('exit', () => { for (const file of claims) rmSync(file, { force: true }) })

/** Whether someone listens in a range: nodes outlive a test that was killed. */
function isHeld (base: number): boolean {
  return ['tcp', 'tcp6'].flatMap(name => parseTable(readFileSync(`/proc/net/${name}`, 'utf8'))).some(({ port }) => port >= base && port < base + 100)
}

let nextBase = 10_000

/** A range of ports for the nodes of one test: away from the ephemeral ones, and from those of other tests, also in other processes. */
export function portBase (): number {
  while (nextBase < 32_600) {
    nextBase += 100
    if (!isHeld(nextBase) && claim(nextBase)) return nextBase
  }
  throw new Error('every range of ports is taken')
}

let portsLeft: number[] = []

/** Ports that nobody listens on, each given once. Not ephemeral ones: those any connection can take before a server does. */
export async function freePorts (count: number): Promise<number[]> {
  return Array.from({ length: count }, () => {
    if (portsLeft.length === 0) {
      const base = portBase()
      portsLeft = Array.from({ length: 100 }, (_, n) => base + n)
    }
    return portsLeft.shift()!
  })
}

/** Starts of all the ranges that a controller assigns from. */
export function portFlags (base = portBase()): Record<string, string> {
  return {
    'controller-auto-assign-broker-start-port': String(base),
    'controller-auto-assign-metrics-start-port': String(base + 25),
    'controller-auto-assign-zeromq-start-port': String(base + 50),
  }
}

export const allSettings = { ...managementSettings, ...controllerSettings, ...agentSettings }
export const settingsOf = (flags: Record<string, string>) => loadSettings(allSettings, { flags, env: {} })

/** A controller in this process, on ports of its own. */
export async function startTestController (t: Test, flags: Record<string, string> = {}, { log = silent, now = Date.now, agent }: Partial<Pick<ControllerOptions, 'log' | 'now' | 'agent'>> = {}) {
  const [http, agents] = await freePorts(2)
  const settings = settingsOf({
    'management-state-dir': flags['management-state-dir'] ?? directoryOf(t),
    'controller-name': 'controller',
    'controller-websocket-port': String(http),
    'controller-port': String(agents),
    'controller-connect-grace': '1',
    // None among the events that a test waits for, however slow the machine.
    'controller-events-heartbeat': '600',
    'controller-health-interval': '0',
    ...portFlags(),
    ...flags
  })
  const running = await startController({ settings, log, now, agent })
  let closed: Promise<void> | undefined
  const close = () => closed ??= running.close()
  t.teardown(close)
  return { ...running, close, settings, ask: (type: RequestType, args: object = {}, query = '') => ask(running.url, type, args, query) }
}

/** A host with nothing against it: what this one has and may is not a test's concern. */
export const goodHost: Host = { interface: async () => 'up', listeners: async () => [], unpinnable: async () => undefined, maySniff: async () => true, free: async () => 50 }

/** An agent in this process, with a supervisor of its own, whose nodes are stopped at the end of the test. */
export async function startTestAgent (t: Test, name: string, controllerPort: number, flags: Record<string, string> = {}, directory = directoryOf(t), host: Host = goodHost) {
  const settings = settingsOf({
    'management-state-dir': directory,
    'agent-name': name,
    'agent-controller': `127.0.0.1:${controllerPort}`,
    'agent-restart-delay': '0.2',
    'agent-stop-timeout': '2',
    bin: standIn,
    ...flags
  })
  const [ours, theirs] = memoryPair()
  const supervisor: Supervisor = new Supervisor(join(directory, 'supervisor'), { changed: status => link.notify('changed', status), attached: () => {} })
  const link = new Link(theirs, supervisorHandlers(supervisor))
  await supervisor.recover()
  const agent = await startAgent({ settings, env: cleanEnv, programs: new Programs(ours), controllerPort, log: silent, host })
  let closed: Promise<void> | undefined
  const close = () => closed ??= agent.close()
  t.teardown(async () => {
    await close()
    await supervisor.close()
  })
  return { ...agent, close, supervisor, settings }
}

/** POSTs a request and returns it finished. */
export async function ask (url: string, type: RequestType, args: object = {}, query = ''): Promise<Request> {
  const response = await fetch(`${url}/v1/requests/${type}${query}`, { method: 'POST', headers: { 'content-type': 'application/json', prefer: 'wait=30' }, body: JSON.stringify(args) })
  const body = await response.json() as Request
  if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(body)}`)
  return body
}

export async function getJson (url: string, headers: Record<string, string> = {}): Promise<any> {
  return await (await fetch(url, { headers })).json()
}

export interface Stream {
  response: Response
  /** The next event, of the given name (or type of a domain event) where one is given. Undefined at the end. */
  next (name?: string): Promise<EventSourceMessage & { json: any } | undefined>
  /** Every event until the stream ends, or until (and with) the first that fits. */
  collect (last?: (json: any) => boolean): Promise<(EventSourceMessage & { json: any })[]>
  close (): void
}

/** Follows a stream of Server-Sent Events over a real socket. */
export async function openStream (t: Test, url: string, headers: Record<string, string> = {}): Promise<Stream> {
  const abort = new AbortController()
  const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: abort.signal })
  const close = () => abort.abort()
  t.teardown(close)
  const messages = response.body?.pipeThrough(new TextDecoderStream() as any).pipeThrough(new EventSourceParserStream()).getReader() as ReadableStreamDefaultReader<EventSourceMessage> | undefined
  const read = async () => {
    const { value } = await messages?.read().catch(() => ({ value: undefined })) ?? { value: undefined }
    return value && { ...value, json: JSON.parse(value.data) }
  }
  return {
    response,
    close,
    next: async name => {
      for (;;) {
        const event = await read()
        if (!event || name === undefined || event.event === name || event.json.type === name) return event
      }
    },
    collect: async last => {
      const events = []
      for (;;) {
        const event = await read()
        if (!event) return events
        events.push(event)
        if (last?.(event.json)) return events
      }
    }
  }
}

/** The real thing: a supervisor in a process of its own. Resolves when it says that it is ready. */
export async function startHost (t: Pick<Test, 'teardown'>, flags: Record<string, string>, roles: readonly ('--controller' | '--agent')[] = [], env: NodeJS.ProcessEnv = {}) {
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
  const child = spawn(process.execPath, [mainProgram, 'start', ...roles, ...args], { env: { ...cleanEnv, ZEEK_BIN: standIn, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', chunk => { output.stdout += chunk })
  child.stderr.on('data', chunk => { output.stderr += chunk })
  const exited = once(child, 'exit')
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
  }
  t.teardown(() => stop())
  await until(() => output.stdout.includes('is ready') || child.exitCode !== null, 'zeek-cluster is ready')
  return { child: child as ChildProcess, pid: child.pid!, output, exited, stop }
}

export function isRunning (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

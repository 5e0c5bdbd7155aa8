import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

/**
 * Three instances on this machine, each with a supervisor and an agent of its own, and a stand-in for zeek: a cluster
 * to look at without Zeek. With --once it ends after the show, otherwise with Ctrl-C.
 */

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = join(root, 'dist', 'src', 'main.js')
const url = `http://127.0.0.1:${process.env.ZEEK_CONTROLLER_WEBSOCKET_PORT ?? 2149}`
const instances = ['sensor-1', 'sensor-2', 'sensor-3']

const configuration = {
  instances: instances.map(name => ({ name })),
  nodes: [
    { name: 'manager', instance: 'sensor-1', role: 'MANAGER' },
    { name: 'logger-1', instance: 'sensor-1', role: 'LOGGER' },
    { name: 'proxy-1', instance: 'sensor-1', role: 'PROXY' },
    { name: 'worker-1', instance: 'sensor-2', role: 'WORKER', interface: 'lo' },
    { name: 'worker-2', instance: 'sensor-3', role: 'WORKER', interface: 'lo' }
  ]
}

const say = (text: string) => console.log(`\n== ${text}`)

async function start(directory: string, instance: string, withController: boolean): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [program, 'start', '--agent', ...(withController ? ['--controller'] : []), '--management-log-level=error'],
    {
      env: {
        ...process.env,
        ZEEK_BIN: join(root, 'demo', 'zeek'),
        ZEEK_AGENT_NAME: instance,
        ZEEK_MANAGEMENT_STATE_DIR: join(directory, instance)
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      // Ctrl-C is for the demo, which stops them in order.
      detached: true
    }
  )
  const [line] = await Promise.race([
    once(createInterface(child.stdout!), 'line'),
    once(child, 'exit').then(() => [undefined])
  ])
  if (line === undefined) throw new Error(`${instance} did not start`)
  console.log(line)
  return child
}

async function ask(type: string, body: object = {}): Promise<any> {
  const response = await fetch(`${url}/v1/requests/${type}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: JSON.stringify(body)
  })
  return await response.json()
}

/** Prints events as they come; resolves `seen` with the first that fits. */
function follow(signal: AbortSignal): { seen: (fits: (event: any) => boolean) => Promise<void>; done: Promise<void> } {
  const waiting = new Set<{ fits: (event: any) => boolean; resolve: () => void }>()
  const read = async () => {
    const response = await fetch(`${url}/v1/events`, { headers: { accept: 'application/x-ndjson' }, signal })
    for await (const line of createInterface(Readable.fromWeb(response.body as any))) {
      const event = JSON.parse(line)
      const { type, cursor, time = '', ...rest } = event
      console.log(`${time.slice(11, 23).padEnd(12)} ${type.padEnd(28)} ${JSON.stringify(rest).slice(0, 150)}`)
      for (const one of waiting) {
        if (one.fits(event)) {
          waiting.delete(one)
          one.resolve()
        }
      }
    }
  }
  return {
    seen: fits =>
      new Promise(resolve => {
        waiting.add({ fits, resolve })
      }),
    done: read().catch(error => {
      if (!signal.aborted) throw error
    })
  }
}

const allConnected = async () => {
  const { instances: list } = (await (await fetch(`${url}/v1/instances`)).json()) as {
    instances: { connected: boolean }[]
  }
  return list.filter(({ connected }) => connected).length === instances.length
}

async function show(events: ReturnType<typeof follow>): Promise<void> {
  // The stream first, and each time before looking: who comes in between is told by neither.
  await events.seen(({ type }) => type === 'hello')
  for (;;) {
    const next = events.seen(({ type }) => type === 'notify_agent_hello')
    if (await allConnected()) break
    await next
  }
  say('stage a configuration: a manager, a logger and a proxy on sensor-1, a worker on each of the others')
  const staged = await ask('stage_configuration', { config: configuration })
  say(`staged: ${staged.results[0].data.id}; deploy it`)
  const deployed = await ask('deploy')
  say(`deployed: ${deployed.state}`)
  const { nodes } = (await (await fetch(`${url}/v1/nodes`)).json()) as { nodes: { node: string; pid: number }[] }
  const worker = nodes.find(({ node }) => node === 'worker-2')!
  say(`kill -9 ${worker.pid}: worker-2 crashes, and comes back`)
  const back = events.seen(
    ({ type, node, new_state: state, pid }) =>
      type === 'notify_change' && node === 'worker-2' && state === 'RUNNING' && pid !== worker.pid
  )
  process.kill(worker.pid, 'SIGKILL')
  await back
}

const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-demo-'))
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort())
const children: ChildProcess[] = []
let failed = false
try {
  for (const [index, instance] of instances.entries()) {
    if (!stopping.signal.aborted) children.push(await start(directory, instance, index === 0))
  }
  const events = follow(stopping.signal)
  await Promise.race([show(events), events.done, once(stopping.signal, 'abort')])
  if (!stopping.signal.aborted && !process.argv.includes('--once')) {
    say(`try it, in another terminal:

   curl -N '${url}/v1/events?snapshot=true'
   curl ${url}/v1/nodes
   curl -X POST -H 'Prefer: wait=10' ${url}/v1/requests/get_nodes
   curl -X POST -H 'Prefer: wait=10' -H 'Content-Type: application/json' -d '{"nodes": ["worker-1"]}' ${url}/v1/requests/restart
   curl -X POST -H 'Prefer: wait=10' -H 'Content-Type: application/json' -d '{"id": "Cluster::node"}' ${url}/v1/requests/get_id_value
   open ${url}/docs

   Ctrl-C ends it.
`)
    await once(stopping.signal, 'abort')
  }
  stopping.abort()
  await events.done
} catch (error) {
  failed = true
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`)
} finally {
  say('stopping')
  // The agents first, so that the controller hears of it.
  for (const child of children.reverse()) {
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  await rm(directory, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)

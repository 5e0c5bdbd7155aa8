import { setTimeout as sleep } from 'node:timers/promises'
import { chromium, type Browser, type Page } from 'playwright-core'
import { SimulatedAgent } from './agents.js'
import { clusterOf, deploy, hostOf, instanceOf } from './cluster.js'
import { startController, type RunningController } from './controller.js'
import { quantiles, type Bench } from './row.js'

/**
 * The overview of the console with a thousand nodes, of which 200 a second change their state: how long a change takes
 * from its agent to the screen, beside a page that does nothing but show the last event. Needs Chromium.
 */
const instances = 100
const perSecond = 200
const tickMs = 20
/** The node whose changes are timed. */
const probe = 'sensor-50-worker-5'

export const bench: Bench = async function* ({ quick, say }) {
  const seconds = quick ? 5 : 60
  const controller = await startController()
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--enable-precise-memory-info']
  })
  try {
    say(`${instances} agents of ten nodes`)
    const agents = await Promise.all(
      Array.from({ length: instances }, (_, index) =>
        SimulatedAgent.connect(instanceOf(index), controller.agentPort, { host: hostOf(index) })
      )
    )
    await deploy(controller, clusterOf(instances, 'console'))
    const changes = new Changes(agents)
    say('a page that shows the last event')
    const bare = await measure(browser, controller, changes, { seconds, open: openBare })
    say('the overview')
    const console = await measure(browser, controller, changes, { seconds, open: openConsole })
    const { p50, p99 } = quantiles(console.latencies)
    const theirs = quantiles(bare.latencies)
    const what = `${instances * 10} nodes, ${perSecond} changes/s`
    yield {
      what,
      figure: 'median ms to the screen',
      ours: p50,
      baseline: 'the last event as text',
      theirs: theirs.p50,
      detail: { console, bare }
    }
    yield { what, figure: 'p99 ms to the screen', ours: p99, baseline: 'the last event as text', theirs: theirs.p99 }
    yield {
      what,
      figure: 'longest task, ms',
      ours: Math.max(0, ...console.longTasks),
      baseline: 'that is allowed',
      theirs: 50,
      aim: { atMost: 1 }
    }
    yield {
      what: `heap after ${seconds} s of it`,
      figure: 'MB',
      ours: console.heap[1],
      baseline: 'before',
      theirs: console.heap[0],
      aim: { atMost: 1.5 }
    }
    yield {
      what: 'first load, all nodes drawn',
      figure: 'ms',
      ours: console.loadMs,
      baseline: 'an empty page',
      theirs: bare.loadMs,
      detail: { bytes: console.bytes }
    }
    await Promise.all(agents.map(agent => agent.close()))
  } finally {
    await browser.close()
    await controller.stop()
  }
}

/** Nodes of all agents that become PENDING and RUNNING again, in turn. */
class Changes {
  #agents: readonly SimulatedAgent[]
  #at = 0

  constructor(agents: readonly SimulatedAgent[]) {
    this.#agents = agents
  }

  /** Changes nodes for so many seconds. Returns when the probe was changed, in milliseconds since 1970. */
  async run(seconds: number): Promise<number[]> {
    const probed: number[] = []
    const end = performance.now() + seconds * 1000
    for (let tick = 0; performance.now() < end; tick++) {
      for (let n = 0; n < (perSecond * tickMs) / 1000; n++) this.#changeNext()
      if (tick % 10 === 0) {
        probed.push(Date.now())
        this.#change(probe, probed.length % 2 === 1)
      }
      await sleep(tickMs)
    }
    if (probed.length % 2 === 1) this.#change(probe, false)
    return probed
  }

  #changeNext(): void {
    const index = this.#at++ % (this.#agents.length * 10)
    const name = `${instanceOf(index % this.#agents.length)}-worker-${Math.floor(index / this.#agents.length) + 1}`
    if (name !== probe) this.#change(name, Math.floor(this.#at / 1000) % 2 === 0)
  }

  #change(name: string, isPending: boolean): void {
    const agent = this.#agents.find(({ name: instance }) => name.startsWith(`${instance}-worker-`))!
    const status = agent.statuses().find(({ node }) => node === name)
    if (!status) return
    const [state, old] = isPending ? (['PENDING', 'RUNNING'] as const) : (['RUNNING', 'PENDING'] as const)
    agent.link.notify('change', { status: { ...status, state }, old_state: old, reason: 'a bench' })
  }
}

interface Measured {
  latencies: number[]
  longTasks: number[]
  /** In MB, before and after, each after a collection. */
  heap: [number, number]
  loadMs: number
  /** Of scripts, styles and the page, as they came over the network. */
  bytes: number
}

async function measure(
  browser: Browser,
  controller: RunningController,
  changes: Changes,
  { seconds, open }: { seconds: number; open: (page: Page, url: string) => Promise<void> }
): Promise<Measured> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  const page = await context.newPage()
  const before = performance.now()
  await open(page, controller.url)
  const loadMs = performance.now() - before
  await page.evaluate(watch)
  await changes.run(2)
  await page.evaluate('window.seen.length = 0; window.longTasks.length = 0')
  const start = await heapOf(page)
  const probed = await changes.run(seconds)
  await sleep(2_000)
  const end = await heapOf(page)
  const { seen, longTasks, bytes } = await page.evaluate<{
    seen: [string, number][]
    longTasks: number[]
    bytes: number
  }>(
    `({ seen, longTasks, bytes: performance.getEntries().reduce((sum, { transferSize = 0 }) => sum + transferSize, 0) })`
  )
  await context.close()
  const latencies = latenciesOf(probed, seen)
  if (latencies.length < probed.length / 2) {
    throw new Error(`of ${probed.length} changes ${latencies.length} were on the screen`)
  }
  return { latencies, longTasks, heap: [start, end], loadMs, bytes }
}

async function openConsole(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await page.getByRole('link', { name: `${probe}: RUNNING`, exact: true }).waitFor({ state: 'attached' })
}

async function openBare(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/healthz`)
  await page.evaluate(`{
    document.body.innerHTML = '<p class="probe"></p>'
    new EventSource('/v1/events?types=notify_change').onmessage = ({ data }) => {
      const { node, new_state: state } = JSON.parse(data)
      document.querySelector('p').setAttribute('aria-label', node + ': ' + state)
    }
  }`)
}

/** Notes when the probe has changed on the screen, and what has kept the page busy for long. In the page. */
const watch = `{
  window.seen = []
  window.longTasks = []
  new MutationObserver(changes => {
    for (const { target } of changes) {
      const [node, state] = (target.getAttribute('aria-label') ?? '').split(': ')
      // What is drawn is on the screen once the next task runs.
      if (node === '${probe}') requestAnimationFrame(() => setTimeout(() => window.seen.push([state, Date.now()])))
    }
  }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['aria-label'] })
  new PerformanceObserver(list => {
    window.longTasks.push(...list.getEntries().map(({ duration }) => duration))
  }).observe({ type: 'longtask' })
}`

/** Returns how long each change took that was seen; two that came within one picture are none. */
function latenciesOf(probed: readonly number[], seen: readonly (readonly [state: string, at: number])[]): number[] {
  let next = 0
  return probed.flatMap((at, n) => {
    while (next < seen.length && seen[next]![1] < at) next++
    const one = seen[next]
    return one?.[0] === (n % 2 === 0 ? 'PENDING' : 'RUNNING') ? [one[1] - at] : []
  })
}

async function heapOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  await session.detach()
  return usedSize / 1e6
}

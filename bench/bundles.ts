import { execFile, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { create } from 'tar'
import { packageRoot } from '../src/util.js'
import { clusterOf, eventsOf, post } from './cluster.js'
import { startController, type RunningController } from './controller.js'
import type { HostJob, HostReport } from './loads/host.js'
import { start, startOurs, stop, told } from './process.js'
import { median, quantiles, type Bench } from './row.js'
import { timed } from './schedule.js'

const run = promisify(execFile)
const rounds = 3

/** Bundles: how fast one is uploaded, and comes to hosts; what links have left for others meanwhile. */
export const bench: Bench = async function* ({ quick, say }) {
  const [megabytes, files] = quick ? [10, 1_000] : [100, 20_000]
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-'))
  const controller = await startController()
  try {
    say(`a bundle of ${megabytes} MB, and one of ${files} files`)
    const large = await archiveOf(join(directory, 'large'), 1, megabytes * 1e6)
    const many = await archiveOf(join(directory, 'many'), files, 500)
    const uploads: number[] = []
    const sums: number[] = []
    let id = ''
    for (let round = 0; round < rounds; round++) {
      sums.push(
        await timed(async () => {
          await run('sh', ['-c', `cat ${large} | sha256sum`])
        })
      )
      uploads.push(
        await timed(async () => {
          id = await upload(controller, large)
        })
      )
    }
    yield {
      what: `upload of ${megabytes} MB`,
      figure: 'MB/s',
      ours: megabytes / (median(uploads) / 1000),
      baseline: 'cat | sha256sum',
      theirs: megabytes / (median(sums) / 1000),
      aim: { atLeast: 0.5 }
    }
    const unpacking = await timed(async () => {
      await mkdir(join(directory, 'unpacked'))
      await run('tar', ['-xf', many, '-C', join(directory, 'unpacked')])
    })
    let manyId = ''
    const uploading = await timed(async () => {
      manyId = await upload(controller, many)
    })
    yield { what: `upload of ${files} files`, figure: 'ms', ours: uploading, baseline: 'tar -x', theirs: unpacking }

    // Each host is a process of its own, as it is in earnest: what it writes and compares holds up no other.
    const hosts = await Promise.all(
      ['sensor-1', 'sensor-2', 'sensor-3', 'sensor-4'].map(name => startHost(name, controller))
    )
    const [asking, ...fetching] = hosts as [ChildProcess, ...ChildProcess[]]
    const fetch = (n: number, asks = false, bundle = id): HostJob => ({
      type: 'fetch',
      id: bundle,
      directory: join(directory, `fetched-${n}`),
      asks
    })
    await report(asking, { type: 'ask', count: 200 })
    const alone = await report(asking, { type: 'ask', count: quick ? 200 : 2_000 })
    const idle = quantiles(alone.askedMs)
    const own = quantiles((await report(asking, fetch(0, true))).askedMs)
    yield {
      what: 'a question on a link meanwhile',
      figure: 'p99 ms',
      ours: own.p99,
      baseline: 'without it',
      theirs: idle.p99,
      aim: { atMost: 2 },
      detail: { own, idle }
    }
    const before = controller.resident()
    const reports = await Promise.all(fetching.map(async (host, n) => await report(host, fetch(n + 1))))
    const tookMs = Math.max(...reports.map(({ tookMs }) => tookMs))
    yield {
      what: `${megabytes} MB to three hosts`,
      figure: 'MB/s to all of them',
      ours: (3 * megabytes) / (tookMs / 1000),
      baseline: 'cat | sha256sum',
      theirs: megabytes / (median(sums) / 1000),
      detail: { residentMB: (controller.resident() - before) / 1e6 }
    }
    const fetchedMany = await report(asking, fetch(4, false, manyId))
    yield {
      what: `${files} files to a host`,
      figure: 'ms',
      ours: fetchedMany.tookMs,
      baseline: 'tar -x',
      theirs: unpacking
    }
    await Promise.all(hosts.map(async host => await stop(host)))
    say('deployments that change nothing, with and without it')
    const names = ['host-1', 'host-2', 'host-3']
    const agents = names.map(name => startAgent(name, join(directory, name), controller.agentPort))
    try {
      const { nodes } = clusterOf(names.length, 'without', { each: 3 })
      const config = {
        instances: names.map(name => ({ name })),
        nodes: nodes.map(({ instance, interface: _interface, ...node }) => ({
          ...node,
          instance: names[Number(instance.slice('sensor-'.length)) - 1]!,
          ...(node.role === 'WORKER' ? { interface: 'lo' } : {})
        }))
      }
      const times: Record<'with' | 'without', number[]> = { with: [], without: [] }
      for (const kind of ['without', 'with', 'without', 'with'] as const) {
        await redeploy(controller, kind === 'with' ? { ...config, bundle: id } : config)
        for (let round = 0; round < (quick ? 1 : 6); round++) times[kind].push(await redeploy(controller))
      }
      yield {
        what: `a deployment that changes nothing, with ${megabytes} MB at each of three hosts`,
        figure: 'ms',
        ours: median(times.with),
        baseline: 'without a bundle',
        theirs: median(times.without),
        aim: { atMost: 1.15 }
      }
    } finally {
      for (const agent of agents) await stop(agent)
    }
  } finally {
    await controller.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Starts a host that is only what it fetches. Resolves once it is connected. */
async function startHost(name: string, { agentPort }: RunningController): Promise<ChildProcess> {
  const host = startOurs(1, './loads/host.js', [name, String(agentPort)])
  await told(host)
  return host
}

/** Has a host do something. Returns how long that took. */
async function report(host: ChildProcess, job: HostJob): Promise<HostReport> {
  host.send(job)
  return await told(host)
}

/** Starts an agent as anyone would, whose nodes are the stand-in's. */
function startAgent(name: string, directory: string, port: number): ChildProcess {
  const { NODE_OPTIONS: _options, ...env } = process.env
  const flags = {
    'agent-name': name,
    'agent-controller': `127.0.0.1:${port}`,
    'management-state-dir': directory,
    'management-log-level': 'error',
    bin: join(packageRoot, 'demo', 'zeek')
  }
  return start(
    1,
    process.execPath,
    [
      join(packageRoot, 'dist/src/main.js'),
      'start',
      '--agent',
      ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
    ],
    ['ignore', 'ignore', 'inherit'],
    env
  )
}

/** Deploys a configuration, or what is staged. Returns how long that took, in milliseconds, once it has succeeded. */
async function redeploy(controller: RunningController, config?: object): Promise<number> {
  if (config) await eventsOf(controller, (await post(controller, 'stage_configuration', { config })).reqid)
  for (let tries = 0; ; tries++) {
    const begun = performance.now()
    const response = (await eventsOf(controller, (await post(controller, 'deploy', {})).reqid)).at(-1)
    if (response?.success === true) return performance.now() - begun
    // The agents may not be there yet.
    if (tries > 20) throw new Error(`it was not deployed: ${JSON.stringify(response).slice(0, 1000)}`)
    await sleep(500)
  }
}

/** Makes an archive of so many files of so many bytes, in which nothing repeats. */
async function archiveOf(directory: string, files: number, bytes: number): Promise<string> {
  await mkdir(join(directory, 'scripts'), { recursive: true })
  for (let n = 0; n < files; n++) await writeFile(join(directory, 'scripts', `${n}.dat`), randomBytes(bytes))
  const file = `${directory}.tar`
  await create({ file, cwd: directory }, ['scripts'])
  return file
}

async function upload({ url }: RunningController, file: string): Promise<string> {
  const response = await fetch(`${url}/v1/bundles`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-tar' },
    body: await openAsBlob(file)
  })
  if (!response.ok) throw new Error(await response.text())
  return ((await response.json()) as { id: string }).id
}

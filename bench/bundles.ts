import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { create } from 'tar'
import { controllerMethods } from '../schemas/agent.js'
import { Content, type BundleSource } from '../src/agent/content.js'
import { asking } from '../src/protocol/methods.js'
import { SimulatedAgent } from './agents.js'
import { startController, type RunningController } from './controller.js'
import { median, quantiles, type Bench } from './row.js'

const run = promisify(execFile)
const ask = asking(controllerMethods)
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

    const agents = await Promise.all(
      ['sensor-1', 'sensor-2', 'sensor-3'].map(name => SimulatedAgent.connect(name, controller.agentPort))
    )
    const [pinged] = agents
    const idle = await pings(pinged!, undefined, quick ? 200 : 2_000)
    const before = controller.resident()
    let fetching = 0
    const flow = Promise.all(
      agents.map(async (agent, index) => {
        fetching = Math.max(
          fetching,
          await timed(async () => await new Content(join(directory, `host-${index}`)).ensure(id, sourceOf(agent)))
        )
      })
    )
    const busy = await pings(pinged!, flow, Infinity)
    yield {
      what: `${megabytes} MB to three hosts`,
      figure: 'MB/s to all of them',
      ours: (3 * megabytes) / (fetching / 1000),
      baseline: 'cat | sha256sum',
      theirs: megabytes / (median(sums) / 1000),
      detail: { residentMB: (controller.resident() - before) / 1e6 }
    }
    yield {
      what: 'a question on the same link meanwhile',
      figure: 'p99 ms',
      ours: quantiles(busy).p99,
      baseline: 'without it',
      theirs: quantiles(idle).p99,
      aim: { atMost: 2 }
    }
    const fetchingMany = await timed(
      async () => await new Content(join(directory, 'host-many')).ensure(manyId, sourceOf(pinged!))
    )
    yield { what: `${files} files to a host`, figure: 'ms', ours: fetchingMany, baseline: 'tar -x', theirs: unpacking }
    await Promise.all(agents.map(agent => agent.close()))
  } finally {
    await controller.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function timed(job: () => Promise<void>): Promise<number> {
  const begun = performance.now()
  await job()
  return performance.now() - begun
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

function sourceOf({ link }: SimulatedAgent): BundleSource {
  return {
    files: async id => (await ask(link, 'bundle', { id }, { timeoutMs: 60_000 })).files,
    chunk: async (id, offset) =>
      Buffer.from((await ask(link, 'bundle_chunk', { id, offset }, { timeoutMs: 60_000 })).data, 'base64')
  }
}

/** Returns how long small questions take, one after the other: so many, or until a job is done. */
async function pings({ link }: SimulatedAgent, job: Promise<unknown> | undefined, most: number): Promise<number[]> {
  const done = new AbortController()
  if (job) job.finally(() => done.abort()).catch(() => {})
  const took: number[] = []
  while (!done.signal.aborted && took.length < most) {
    took.push(
      await timed(async () => {
        await link.ask('no such method', {}, { timeoutMs: 60_000 }).catch(() => {})
      })
    )
    await sleep(2)
  }
  await job
  return took
}

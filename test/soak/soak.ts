/**
 * The whole service under a steady load, for long: real supervisors, tokens, a small retention, clients of every kind,
 * and
 * kills in the first fifth and the last quarter (of at most twenty minutes). Between them one controller lives without
 * any, and memory is
 * measured. Tells which promises were broken and what has grown; the exit code is 1 when there is any of that.
 *
 *   npm run soak        SOAK_SECONDS=1200, SOAK_SEED, SOAK_CLIENTS=6, SOAK_RESULT (where the figures go, as JSON)
 */
import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { allDone, calm, caughtUp, deploy, readStore, settle, writeNodes } from '../chaos/end.js'
import { figures, violations } from '../chaos/history.js'
import { RestClient } from '../chaos/rest-client.js'
import type { Audited, Line } from '../chaos/lines.js'
import { Dice, Run } from '../chaos/run.js'
import { watchNodes } from '../chaos/watch-nodes.js'
import { FileRun, readHistory } from './file-run.js'
import { followers, kills, load, nuisances, type Latency } from './load.js'
import { isRunning } from '../support/running.js'
import { table, summary } from './report.js'
import { allRequests, gaps, seenBy } from './retained.js'
import { retention, Service } from './service.js'
import { Troubles } from './troubles.js'
import { excess, leaks, type Life } from './verdict.js'

const seconds = Number(process.env['SOAK_SECONDS'] ?? 1200)
const seed = Number(process.env['SOAK_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const clients = Number(process.env['SOAK_CLIENTS'] ?? 6)
/** Of a longer one, most is without kills. */
const short = Math.min(seconds, 1200)
/** How long the kills last, then nothing but the load, then the kills again. */
const phases = { 'first kills': 0.2 * short, steady: seconds - 0.45 * short, 'more kills': 0.25 * short }
/** Between two kills. */
const unit = (short * 1000) / 24

const root = mkdtempSync(join(tmpdir(), 'zeek-cluster-soak-'))
const teardowns: (() => unknown)[] = []
const t = {
  teardown: (job: () => unknown) => {
    teardowns.unshift(job)
  }
}
const run = new FileRun(join(root, 'history.jsonl'))
const audit = new Run()
audit.headers = role => run.headers(role)
const dice = new Dice(seed)
const started = Date.now()
const say = (text: string) => console.log(`${String(Math.round((Date.now() - started) / 1000)).padStart(5)} s  ${text}`)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    void leave().finally(() => process.exit(1))
  })
}
try {
  process.exitCode = (await soak()) ? 0 : 1
} finally {
  await leave()
}

async function leave(): Promise<void> {
  for (const job of teardowns.splice(0)) await job()
}

/** Whether all was well. */
async function soak(): Promise<boolean> {
  say(`SOAK_SEED=${seed} SOAK_SECONDS=${seconds} SOAK_CLIENTS=${clients}, in ${root}`)
  const service = await Service.start(t, run, root)
  const pidsOf = Object.values(service.hosts).map(({ pid }) => pid)
  const unwatch = watchNodes(run, directory => service.isNodes(directory))
  const sampler = service.sampler(run)
  t.teardown(unwatch)
  t.teardown(() => sampler.end())
  // The other one is dialled once it is in a configuration.
  await calm(run, service.url, { ...service.config, instances: service.config.instances.slice(0, 1) })
  await deploy(run, new RestClient(run, service.url, 'first'), service.config)
  await hangUp()
  const before = await sampler.handles()
  say('at rest')

  const [leaving, peace] = [new AbortController(), new AbortController()]
  t.teardown(() => {
    leaving.abort()
    peace.abort()
  })
  const latencies: Latency[] = []
  const staying = followers(run, audit, service, dice, leaving.signal)
  const asking = load(t, run, service, dice.fork(), clients, latencies)
  const troubles = new Troubles({
    run,
    url: service.url,
    directory: service.directory,
    controller: service.hosts.controller.pid,
    agents: [service.hosts['sensor-1'].pid, service.hosts['sensor-2'].pid]
  })
  const bothering = nuisances(run, service, troubles, dice.fork(), unit, peace.signal)
  const reporting = setInterval(() => say(summary(sampler, latencies)), Math.max(5_000, (seconds * 1000) / 40))
  t.teardown(() => clearInterval(reporting))

  const times: Record<string, [number, number]> = {}
  for (const [phase, duration] of Object.entries(phases)) {
    sampler.phase = phase
    say(`${phase}, ${Math.round(duration)} s`)
    const from = Date.now()
    const until = AbortSignal.timeout(Math.round(duration * 1000))
    const killing = phase === 'steady' ? [] : kills(run, troubles, dice.fork(), unit, until)
    await sleep(duration * 1000)
    await Promise.all(killing)
    times[phase] = [from, Date.now()]
  }

  sampler.phase = 'end'
  say('coming to rest')
  run.isOn = false
  peace.abort()
  clearInterval(reporting)
  await allDone(run, [...asking, ...bothering])
  const goal = await settle(run, service.url, service.config)
  await caughtUp(run, goal)
  await writeNodes(run, service.url)
  leaving.abort()
  await Promise.all(staying)
  await hangUp()
  const after = await sampler.handles()
  await sampler.end()
  unwatch()
  const roles = Object.values(sampler.latest?.processes ?? {}).map(({ pid }) => pid)
  run.add({ kind: 'kill', at: Date.now(), signal: 'SIGTERM' })
  for (const { stop } of Object.values(service.hosts)) await stop()
  const problems = [...run.faults, ...[...pidsOf, ...roles].filter(isRunning).map(pid => `process ${pid} is left`)]

  say('checking')
  const left = readStore(service.database)
  const { lines, audited } = await wholeHistory()
  problems.push(
    ...violations(lines),
    ...service.complaints(),
    ...[...sampler.zombies].map(pid => `process ${pid} stayed a zombie`)
  )
  const [from, to] = times['steady']!
  const warm = from + Math.min(120_000, (to - from) / 4)
  const lives = Object.keys(before).map((name): Life & { pids: number[] } => ({
    name,
    ...sampler.life(name, warm, to),
    before: before[name]!,
    after: after[name] ?? {}
  }))
  for (const life of lives) {
    if (life.pids.length !== 1) {
      problems.push(`${life.name} was ${life.pids.length} processes in the time without kills`)
    }
    problems.push(...leaks(life))
  }
  // What comes within a second or two is not yet dropped.
  const slack = 1_000
  const kept = { events: left.events.length, audit: left.audit.length, requests: left.requests.length }
  problems.push(
    ...excess({
      events: { count: kept.events, max: retention.events + slack },
      'entries of the audit log': { count: kept.audit, max: retention.audit + 4 * retention.others + slack },
      requests: { count: kept.requests, max: retention.requests * 1.1 + slack },
      'megabytes of the database': { count: Math.max(...sampler.samples.map(({ databaseMb }) => databaseMb)), max: 40 },
      'megabytes of its WAL': { count: Math.max(...sampler.samples.map(({ walMb }) => walMb)), max: 40 }
    })
  )
  const result = {
    machine: `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`,
    seed,
    seconds,
    clients,
    times,
    figures: { ...figures(lines), 'audit entries': audited },
    kept,
    troubles: troubles.counts,
    latencies,
    lives,
    samples: sampler.samples,
    problems
  }
  const path = process.env['SOAK_RESULT'] ?? join(root, 'result.json')
  writeFileSync(path, JSON.stringify(result))
  console.log(`\n${table(result)}\n`)
  for (const problem of problems.slice(0, 40)) console.log(problem)
  console.log(`${problems.length} problems; figures in ${path}, the history in ${run.path}`)
  return problems.length === 0

  /** What clients saw, and what of it is no longer in the store: the one who saw all of it knows. */
  async function wholeHistory() {
    await run.end()
    const lines = await readHistory(run.path)
    const [events, entries] = [seenBy('everything', lines), seenBy('audit', audit.lines)]
    problems.push(...gaps('the log', events, left.events), ...gaps('the audit log', entries, left.audit))
    const requests = allRequests(events, left.requests, { changes: retention.requests, reads: retention.requests / 10 })
    const end: Line[] = [
      ...events.map((event): Line => ({ kind: 'logged', event })),
      ...requests.map((request): Line => ({ kind: 'stored', request })),
      ...entries.map((entry): Line => ({ kind: 'audited', entry: entry as Audited['entry'] }))
    ]
    appendFileSync(run.path, end.map(line => `${JSON.stringify(line)}\n`).join(''))
    return { lines: lines.concat(end), audited: entries.length }
  }
}

/** Closes what `fetch` keeps open for later: at rest there is nothing but what the service itself holds. */
async function hangUp(): Promise<void> {
  const place = Symbol.for('undici.globalDispatcher.1')
  const dispatcher = (globalThis as any)[place]
  if (!dispatcher) return
  ;(globalThis as any)[place] = new dispatcher.constructor()
  await dispatcher.close()
}

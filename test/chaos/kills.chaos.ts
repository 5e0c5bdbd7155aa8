/**
 * Clients of every kind, a cluster that is deployed again and again, and a controller that is killed at random moments:
 * what everyone saw must be as promised. CHAOS_SEED and CHAOS_KILLS say how; CHAOS_HISTORY, where the history is kept.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { directoryOf } from '../support/directory.js'
import { startHost } from '../support/host.js'
import { freePorts, portFlags } from '../support/ports.js'
import { configurationOf } from '../flow/cluster.js'
import { Controllers, killAgainAndAgain } from './controllers.js'
import { allDone, caughtUp, deploy, readStore, settle, writeNodes, writeStore } from './end.js'
import { figures, violations } from './history.js'
import { RestClient, turn } from './rest-client.js'
import { Dice, Run } from './run.js'
import { follow, type FollowOptions } from './stream-client.js'
import { watchNodes } from './watch-nodes.js'
import { chat } from './websocket-client.js'

const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const kills = Number(process.env['CHAOS_KILLS'] ?? 50)
const two = ['sensor-1', 'sensor-2'] as const

await t.test(`requests and streams outlive ${kills} kills of the controller`, { timeout: 400_000 }, async t => {
  t.comment(`CHAOS_SEED=${seed}`)
  const started = performance.now()
  const run = new Run()
  const dice = new Dice(seed)
  const directory = directoryOf(t)
  const [http, agents, dialled] = (await freePorts(3)) as [number, number, number]
  const url = `http://127.0.0.1:${http}`
  const shared = {
    'controller-port': String(agents),
    'management-heartbeat': '0.5',
    'management-log-level': 'warn',
    'agent-restart-delay': '0.3',
    'agent-stop-timeout': '2'
  }
  const controllers = new Controllers(t, run, join(directory, 'controller'), {
    ...shared,
    // Away from those of all other tests, which may run meanwhile: whoever has a node's port is taken for that node.
    ...portFlags(12_000 + (process.pid % 70) * 100),
    'controller-name': 'controller',
    'controller-websocket-port': String(http),
    'controller-connect-grace': '3',
    'controller-events-heartbeat': '0.5',
    // Everything is kept: what is missing is lost.
    'controller-events-max-count': '100000000',
    'controller-events-max-reads': '100000000',
    'controller-events-max-bytes': '100000000000',
    'controller-requests-max-count': '100000000'
  })
  const config = configurationOf(two)
  // One agent dials, the other is dialled.
  config.instances[1] = { name: 'sensor-2', host: '127.0.0.1', listen_port: dialled }
  const stateDirectories = two.map(name => join(directory, name))
  for (const [index, connection] of [
    { 'agent-controller': `127.0.0.1:${agents}` },
    { 'agent-controller': 'none', 'agent-port': String(dialled) }
  ].entries()) {
    await startHost(
      t,
      {
        ...shared,
        ...connection,
        'agent-name': two[index]!,
        'management-state-dir': stateDirectories[index]!
      } as Record<string, string>,
      ['--agent']
    )
  }
  const unwatch = watchNodes(run, directory => stateDirectories.some(state => directory === join(state, 'nodes')))
  t.teardown(unwatch)
  await controllers.ready
  await deploy(run, new RestClient(run, url, 'first'), config)

  const leaving = new AbortController()
  t.teardown(() => leaving.abort())
  const stay = (name: string, options: Partial<FollowOptions> = {}) =>
    follow(run, url, name, { dice: dice.fork(), signal: leaving.signal, stays: true, ...options })
  const followers = [
    stay('everything'),
    stay('everything-again', { from: 'earliest' }),
    stay('lines', { format: 'ndjson' }),
    stay('changes', { types: ['notify_change', 'deploy_response', 'restart_response', 'request_expired'] }),
    stay('impatient', { gives: 0.02 })
  ]
  const load = [
    ...['rest-1', 'rest-2', 'rest-3', 'rest-4', 'rest-5'].map(name => {
      const own = dice.fork()
      return run.repeat(own, [10, 120], () => turn(run, url, name, own, config))
    }),
    ...['websocket-1', 'websocket-2'].map(name => {
      const own = dice.fork()
      return run.repeat(own, [20, 200], () => chat(t, run, http, name, own, config))
    })
  ]
  await killAgainAndAgain(run, controllers, dice, kills)
  const killedMs = performance.now() - started
  run.isOn = false
  await controllers.ready
  await allDone(run, load)
  const goal = await settle(run, url, config)
  followers.push(stay('auditor', { from: 'earliest' }))
  await caughtUp(run, goal)
  await writeNodes(run, url)
  unwatch()
  leaving.abort()
  await Promise.all(followers)
  await controllers.end('SIGTERM')
  writeStore(run, readStore(join(directory, 'controller', 'controller.sqlite')))

  const found = violations(run.lines)
  const counted = figures(run.lines)
  t.comment(
    `${Object.entries(counted)
      .map(([name, count]) => `${name}: ${count}`)
      .join(
        ', '
      )}; a start took ${Math.round(controllers.startMs)} ms; ${Math.round(killedMs / 1000)} s, with the end ${Math.round((performance.now() - started) / 1000)} s`
  )
  keep(run, found.length + run.faults.length > 0)
  t.same(run.faults.slice(0, 20), [])
  t.same(found.slice(0, 20), [], `${found.length} violations`)
  t.ok(counted['kills']! >= kills)
  for (const name of ['accepted', 'interrupted', 'expired', 'connections lost', 'frames'] as const) {
    t.ok(counted[name]! > 0, name)
  }

  function keep(run: Run, isWanted: boolean): void {
    const path =
      process.env['CHAOS_HISTORY'] ??
      (isWanted ? join(mkdtempSync(join(tmpdir(), 'chaos-')), 'history.jsonl') : undefined)
    if (path === undefined) return
    writeFileSync(path, run.lines.map(line => `${JSON.stringify(line)}\n`).join(''))
    t.comment(`the history is kept in ${path}`)
  }
})

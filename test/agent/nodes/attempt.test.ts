import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Share } from '../../../schemas/agent.js'
import type { ClusterNode, Outcome } from '../../../schemas/types.js'
import { ShareFile } from '../../../src/agent/nodes/share-file.js'
import { NodeTable } from '../../../src/agent/nodes/node-table.js'
import type { SupervisorClient } from '../../../src/agent/nodes/supervisor-client.js'
import type { Program, UnitStatus } from '../../../src/supervisor/program.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv, standIn } from '../../support/environment.js'
import { settingsOf } from '../../support/settings.js'
import { until } from '../../support/until.js'
import { layoutsFrom } from '../../support/lacking.js'

const nodes = [
  { name: 'manager', instance: 'a', role: 'MANAGER' },
  { name: 'worker-1', instance: 'a', role: 'WORKER', env: { MY_TOKEN: 'opensesame' } },
  { name: 'worker-2', instance: 'a', role: 'WORKER' }
] satisfies ClusterNode[]
const share: Share = { config_id: 'c', layout: { backend: 'broker', nodes: [] }, nodes }

/** A supervisor whose programs start at once, never join, and end when they may. */
class FakePrograms extends EventEmitter {
  units = new Map<string, UnitStatus>()
  stopping = new Map<string, () => void>()
  started: string[] = []
  stderr = ''
  /** Those that take their time to end. */
  stubborn = new Set<string>()

  status = async () => [...this.units.values()]
  output = async () => ({ stdout: '', stderr: this.stderr })
  start = async ({ name, tag }: Program) => {
    this.started.push(name)
    this.tell({
      name,
      tag,
      kind: 'detached',
      state: 'RUNNING',
      reason: 'started',
      restarts: 0,
      pid: this.started.length,
      invocation: String(this.started.length)
    })
  }

  stop = async (name: string) => {
    if (this.stubborn.has(name)) await new Promise<void>(resolve => this.stopping.set(name, resolve))
    this.tell({ ...this.units.get(name)!, state: 'STOPPED', reason: 'stopped' })
    this.units.delete(name)
  }

  exit(name: string, reason: string): void {
    this.tell({ ...this.units.get(name)!, state: 'CRASHED', reason })
  }

  tell(unit: UnitStatus): void {
    this.units.set(unit.name, unit)
    this.emit('changed', unit)
  }
}

async function deployed(t: Test, stubborn: readonly string[] = []) {
  const directory = directoryOf(t)
  const settings = settingsOf({ 'management-state-dir': directory, 'agent-name': 'a', bin: standIn })
  const programs = new FakePrograms()
  const table = new NodeTable(
    { settings, env: cleanEnv },
    programs as unknown as SupervisorClient,
    new ShareFile(join(directory, 'agent.json'))
  )
  t.teardown(() => table.standby())
  const deploy = (force: boolean, signal: AbortSignal) =>
    table.deploy(
      { ...share, layout: '' },
      layoutsFrom(async () => share.layout),
      { force },
      signal
    )
  // Nobody waits for them to join.
  await deploy(false, AbortSignal.abort()).then(() =>
    until(() => programs.units.size === nodes.length, 'they are started')
  )
  for (const name of stubborn) programs.stubborn.add(name)
  t.teardown(() => {
    programs.stubborn.clear()
    for (const release of programs.stopping.values()) release()
  })
  /** What a request comes to whose time is over as soon as `isTime`. */
  const given = async (job: (signal: AbortSignal) => Promise<Outcome[]>, isTime: () => boolean) => {
    const time = new AbortController()
    const outcomes = job(time.signal)
    await until(isTime, 'it is time')
    time.abort()
    return Object.fromEntries((await outcomes).map(({ node, success, error }) => [node, success || error]))
  }
  return { table, programs, deploy, given }
}

await t.test(
  'when the time is over, a node that was stopped is a success, and one that is still stopping says so',
  async t => {
    const { table, programs, given } = await deployed(t, ['manager'])
    const outcomes = await given(
      signal => table.stop(['manager', 'worker-1', 'worker-2', 'ghost'], signal),
      () => programs.stopping.has('manager')
    )
    t.match(outcomes, {
      manager: /^still stopping after \d+ s$/,
      'worker-1': true,
      'worker-2': true,
      ghost: 'unknown cluster node'
    })
    t.match(table.steps([]), [{ node: 'manager', state: 'stopping', seconds: Number }])
    programs.stopping.get('manager')!()
    await until(() => programs.units.size === 0, 'it goes on')
  }
)

await t.test('a node whose turn has not come says for whom it waits, though it runs', async t => {
  const { table, programs, deploy, given } = await deployed(t, ['worker-1'])
  const late = {
    manager: 'request timed out while still stopping worker-1',
    'worker-1': /^still stopping after \d+ s$/
  }
  t.match(
    await given(
      signal => table.stop(['manager', 'worker-1'], signal),
      () => programs.stopping.has('worker-1')
    ),
    late
  )
  // It waits behind the first.
  await t.rejects(
    given(
      signal => table.restart(['worker-2'], signal),
      () => true
    ),
    { code: 'timeout', message: 'request timed out' }
  )
  programs.stopping.get('worker-1')!()
  programs.stopping.clear()
  await until(() => programs.units.size === 1, 'it goes on')
  t.same(
    await programs.status().then(units => units.map(({ name }) => name)),
    ['worker-2'],
    'what was given up is not done'
  )
  programs.stubborn.add('worker-2')
  const forced = await given(
    signal => deploy(true, signal),
    () => programs.stopping.has('worker-2')
  )
  t.match(forced, {
    manager: 'request timed out while still stopping worker-2',
    'worker-2': /^still stopping after \d+ s$/
  })
})

await t.test('a restart that is not begun is none, and goes on', async t => {
  const { table, programs, given } = await deployed(t, ['worker-1'])
  const outcomes = await given(
    signal => table.restart(['manager', 'worker-1'], signal),
    () => programs.stopping.has('worker-1')
  )
  t.match(outcomes, {
    manager: 'request timed out while still stopping worker-1',
    'worker-1': /^still stopping after \d+ s$/
  })
  programs.stopping.get('worker-1')!()
  await until(() => programs.units.get('worker-1')?.state === 'RUNNING', 'it is started again')
})

await t.test('a node that has not joined when the time is over is still starting', async t => {
  const { table, programs, given } = await deployed(t)
  const starting = { 'worker-1': /^still starting after \d+ s$/ }
  programs.exit('worker-1', 'exited with code 1')
  t.match(
    await given(
      signal => table.start(['worker-1'], signal),
      () => programs.started.length > nodes.length
    ),
    starting
  )
  t.match(
    table.steps(['worker-1']),
    [{ node: 'worker-1', state: 'starting', seconds: Number }],
    'only of those that are asked for'
  )
  t.match(
    await given(
      signal => table.restart(['worker-1'], signal),
      () => programs.started.length > nodes.length + 1
    ),
    starting
  )
})

await t.test(
  'a node that exits while it starts says why: the first error of its stderr, else the last line, without secrets',
  async t => {
    const { table, programs, deploy } = await deployed(t)
    const exiting = async (
      stderr: string,
      names: readonly string[],
      job: (signal: AbortSignal) => Promise<Outcome[]>
    ) => {
      programs.stderr = stderr
      programs.started = []
      const outcomes = job(new AbortController().signal)
      await until(() => names.every(name => programs.started.includes(name)), 'they are started')
      for (const name of names) programs.exit(name, 'exited with code 1')
      return (await outcomes).find(({ node }) => node === 'worker-1')
    }
    const text = [
      'listening on lo',
      'warning in a.zeek, line 1: deprecated',
      "1700000000.000001 error in b.zeek, line 421: 'opensesame' is not valid",
      'fatal error: errors occurred while initializing',
      ''
    ].join('\n')
    t.match(
      await exiting(
        text,
        nodes.map(({ name }) => name),
        signal => deploy(true, signal)
      ),
      {
        success: false,
        error: "exited with code 1: error in b.zeek, line 421: '********' is not valid",
        data: { stderr: /listening on lo/ }
      }
    )
    t.match(await exiting('dlopen: no such file\n\n', ['worker-1'], signal => table.start(['worker-1'], signal)), {
      error: 'could not start node worker-1: exited with code 1: dlopen: no such file'
    })
    t.match(await exiting('', ['worker-1'], signal => table.restart(['worker-1'], signal)), {
      error: 'could not restart node worker-1: exited with code 1'
    })
  }
)

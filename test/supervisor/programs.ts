import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Program, UnitStatus } from '../../src/supervisor/program.js'
import { Supervisor } from '../../src/supervisor/supervisor.js'
import type { UnitOptions } from '../../src/supervisor/unit.js'
import { cleanEnv, fixture } from '../support/environment.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'

export const supervisorFixture = (name: string) => fixture('supervisor', name)

/** An environment that does not matter. */
export const basicEnv = { PATH: '/usr/local/bin:/usr/bin:/bin' }

/** A program in a directory of its own, whose restarts are quick. */
export function program(directory: string, name: string, command: string[], more: Partial<Program> = {}): Program {
  return {
    name,
    command,
    kind: 'detached',
    tag: 'a',
    cwd: directory,
    env: basicEnv,
    stopOrder: 0,
    stopTimeoutMs: 5000,
    restart: { initialMs: 10, maxMs: 40, resetMs: 60_000, maxFailures: 3 },
    output: { directory: join(directory, name), maxBytes: 1 << 20 },
    ...more
  }
}

/**
 * A directory that is there until all else is torn down: tap removes it before, where it was made before the first
 * teardown.
 */
export function directoryOf(t: Test, ...content: Parameters<Test['testdir']>): string {
  t.teardown(() => {})
  return t.testdir(...content)
}

/** A supervisor that keeps what it says, and leaves nothing behind. */
export function supervise(t: Test, directory = directoryOf(t), options: UnitOptions = {}) {
  const changes: UnitStatus[] = []
  const supervisor = new Supervisor(
    join(directory, 'supervisor'),
    { changed: status => changes.push(status), attached: () => {} },
    options
  )
  t.teardown(() => supervisor.close())
  const statusOf = (name: string) => supervisor.status().find(status => status.name === name)
  const says = (name: string, text: string) =>
    until(() => supervisor.output(name).stdout.includes(text), `${name} says ${text}`)
  return { supervisor, directory, changes, statusOf, says, states: () => changes.map(({ state }) => state) }
}

/** A supervisor in another process, which is killed at the latest at the end. */
export async function startHost(t: Test, directory: string, programs: Program[]) {
  const host = spawn(
    process.execPath,
    [supervisorFixture('host.mjs'), join(directory, 'supervisor'), JSON.stringify(programs)],
    { env: cleanEnv, stdio: ['ignore', 'pipe', 'inherit'] }
  )
  t.teardown(() => host.kill('SIGKILL'))
  const [line] = await once(host.stdout, 'data')
  const statuses: UnitStatus[] = JSON.parse(String(line))
  const kill = async () => {
    host.kill('SIGKILL')
    await once(host, 'exit')
  }
  return { pid: host.pid!, pidOf: (name: string) => statuses.find(status => status.name === name)!.pid!, kill }
}

export const gone = (pid: number) => until(() => !isRunning(pid) || isZombie(pid), `process ${pid} is gone`)

function isZombie(pid: number): boolean {
  const stat = `/proc/${pid}/stat`
  return existsSync(stat) && readFileSync(stat, 'utf8').includes(') Z')
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { supervisorApiVersion } from '../schemas/supervisor.js'
import { runHost, supervisorHandlers } from '../src/host.js'
import { Link } from '../src/link/link.js'
import { memoryPair } from '../src/link/transport.js'
import { agreeWithSupervisor } from '../src/protocol/supervisor.js'
import { directoryOf } from './support/directory.js'
import { cleanEnv, fixture } from './support/environment.js'
import { silent } from './support/log.js'
import { settingsOf } from './support/settings.js'
import { until } from './support/until.js'
import { program, supervise } from './supervisor/programs.js'

await t.test('an agent can neither replace nor stop a role of its host', async t => {
  const { supervisor, directory, says, statusOf } = supervise(t)
  const handlers = supervisorHandlers(supervisor)
  await supervisor.start(
    program(directory, 'controller', ['/bin/sh', '-c', 'echo started; exec sleep 60'], { kind: 'attached' })
  )
  await says('controller', 'started')
  const { pid } = statusOf('controller')!
  const node = program(directory, 'controller', ['/bin/sleep', '60'])
  await t.rejects(async () => await handlers.start!({ program: node }, {} as any), {
    message: 'controller is the name of a controller or agent on this host'
  })
  await t.rejects(async () => await handlers.stop!({ name: 'controller' }, {} as any), { code: 'invalid_request' })
  t.match(statusOf('controller'), { kind: 'attached', state: 'RUNNING', pid })
  await handlers.start!({ program: { ...node, name: 'worker-1' } }, {} as any)
  t.match(statusOf('worker-1'), { kind: 'detached' })
})

await t.test('a role works with the supervisor of the version before its own, and with no other', async t => {
  const versions: [number | undefined, RegExp | undefined][] = [
    [supervisorApiVersion, undefined],
    [supervisorApiVersion - 1, undefined],
    [supervisorApiVersion + 1, undefined],
    [supervisorApiVersion + 2, /must be restarted on this host: its supervisor speaks version/],
    // Before versions were told.
    [undefined, undefined]
  ]
  for (const [version, refused] of versions) {
    const [ours, theirs] = memoryPair()
    t.ok(new Link(theirs, version === undefined ? {} : { version: () => ({ version }) }))
    const agreed = agreeWithSupervisor(new Link(ours, {}))
    await (refused === undefined ? agreed : t.rejects(agreed, { code: 'unavailable', message: refused }))
  }
})

await t.test('roles are started side by side, and the agent begins once the controller is ready', async t => {
  const directory = directoryOf(t)
  const notes = join(directory, 'roles')
  const ending = new AbortController()
  let lines: string[] = []
  const running = runHost({
    settings: settingsOf({
      'management-state-dir': join(directory, 'state'),
      'controller-name': 'controller',
      'agent-name': 'agent'
    }),
    roles: ['CONTROLLER', 'AGENT'],
    command: [process.execPath, fixture('flow', 'role.mjs')],
    env: { ...cleanEnv, ROLES: notes },
    log: silent,
    onReady: all => (lines = all),
    signal: ending.signal
  })
  const noted = (what: string) =>
    until(() => {
      try {
        return readFileSync(notes, 'utf8').includes(what)
      } catch {
        return false
      }
    }, what)
  await Promise.all(['CONTROLLER asks', 'CONTROLLER begins', 'AGENT asks'].map(noted))
  t.notMatch(readFileSync(notes, 'utf8'), 'AGENT begins')
  t.same(lines, [])
  // It is told to read its files again, and says then that it is ready.
  process.emit('SIGHUP')
  await noted('AGENT begins')
  await until(() => lines.length > 0, 'all are ready')
  t.same(lines, ['CONTROLLER', 'AGENT'])
  ending.abort()
  t.equal(await running, true)
})

await t.test('what is no program is refused before a supervisor sees it', async t => {
  const { supervisor } = supervise(t)
  const [ours, theirs] = memoryPair()
  t.ok(new Link(theirs, supervisorHandlers(supervisor)))
  const link = new Link(ours, {})
  for (const params of [undefined, {}, { program: {} }, { program: { name: 'x', command: [] } }, { name: 5 }]) {
    await t.rejects(link.ask('start', params, { timeoutMs: 10_000 }), { code: 'invalid_request' })
  }
  t.same(supervisor.status(), [])
})

import t from 'tap'
import { supervisorApiVersion } from '../schemas/supervisor.js'
import { supervisorHandlers } from '../src/host.js'
import { Link } from '../src/link/link.js'
import { memoryPair } from '../src/link/transport.js'
import { agreeWithSupervisor } from '../src/protocol/supervisor.js'
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

import t from 'tap'
import { supervisorHandlers } from '../src/host.js'
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

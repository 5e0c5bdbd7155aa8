import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { configurationOf, fakeAgent, manager, status, worker } from '../controller/fake-agent.js'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'

await t.test('what a deployment would do is a table, and nothing where there is nothing to do', async t => {
  const { url, settings, ask } = await startTestController(t)
  const run = async (...args: string[]) =>
    await runCommand(['plan', ...args], { env: { ZEEK_CLUSTER_URL: url }, columns: 100 })
  await fakeAgent(t, settings.controller_port, {
    hello: { nodes: [status('manager', 'RUNNING', { cluster_role: 'MANAGER' }), status('worker-1')] },
    handlers: {
      plan: ({ share, force }) =>
        share.nodes.map(({ name: node }: { name: string }) => ({
          success: true,
          instance: 'agent-a',
          node,
          data: {
            plan:
              node === 'worker-1' && force
                ? { action: 'restart', reason: 'forced', last_start_seconds: 3.2 }
                : node === 'worker-2'
                  ? { action: 'start' }
                  : { action: 'none' }
          }
        }))
    }
  })
  t.match(await run(), { code: 1, stdout: /no configuration available to deploy/ })
  await ask('stage_configuration', {
    config: configurationOf(['agent-a'], [manager(), worker('worker-1'), worker('old')])
  })
  await ask('deploy')
  const file = join(directoryOf(t), 'cluster.json')
  writeFileSync(file, JSON.stringify(configurationOf(['agent-a'], [manager(), worker('worker-1'), worker('worker-2')])))
  const { code, stdout, stderr } = await run(file, '--force')
  t.equal(code, 0)
  t.match(
    stdout.split('\n').map(line => line.trim().split(/  +/)),
    [
      ['ACTION', 'NODE', 'INSTANCE', 'LAST START', 'WHY'],
      ['stop', 'old', 'agent-a', 'not in the configuration'],
      ['restart', 'worker-1', 'agent-a', '3.2 s', 'forced'],
      ['start', 'worker-2', 'agent-a']
    ]
  )
  t.match(stderr, /3 to do: 1 node stays as it is\n/)
  t.match(JSON.parse((await run('--json')).stdout), { type: 'plan', state: 'succeeded' })
  writeFileSync(file, JSON.stringify(configurationOf(['agent-a'], [manager(), worker('worker-1'), worker('old')])))
  t.match(await run(file), { code: 0, stdout: '', stderr: /nothing to do: 3 nodes stay as they are\n$/ })
})

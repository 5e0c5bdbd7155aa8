import t from 'tap'
import { configurationOf, fakeAgent, manager, status, worker } from '../controller/fake-agent.js'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'

await t.test('options are set, listed and unset', async t => {
  const { url, settings, ask } = await startTestController(t)
  const run = async (...args: string[]) =>
    await runCommand(['option', ...args], { env: { ZEEK_CLUSTER_URL: url }, columns: 100 })
  await fakeAgent(t, settings.controller_port, {
    hello: { nodes: [status('manager', 'RUNNING', { cluster_role: 'MANAGER' }), status('worker-1')] },
    handlers: {
      set_options: ({ options }) => [
        options.some(({ value }: { value: string }) => value === 'bad')
          ? { node: 'manager', outcome: 'refused', error: "Could not convert line 'A::b bad'" }
          : { node: 'manager', outcome: 'set', value: JSON.stringify(options) },
        { node: 'worker-1', outcome: 'later' },
        { node: 'elsewhere', outcome: 'set', value: '1' }
      ]
    }
  })
  await ask('stage_configuration', { config: configurationOf(['agent-a'], [manager(), worker('worker-1')]) })
  await ask('deploy')

  t.match(await run('list'), { code: 0, stdout: '', stderr: 'no options are set\n' })
  t.match(await run('set', 'A::b', 'x y'), {
    code: 0,
    stdout: 'manager: [{"name":"A::b","value":"x y"}]\nworker-1: not running, or it has no such option\n'
  })
  t.match(await run('list'), { code: 0, stdout: /^NAME +VALUE +SET\nA::b +x y +\d{4}-/ })
  t.match(JSON.parse((await run('list', '--json')).stdout).options, [{ name: 'A::b', value: 'x y' }])
  t.match(await run('set', 'A::b', 'bad'), {
    code: 1,
    stdout: /^✖ manager: Could not convert line 'A::b bad'\n✖ worker-1: not changed: another node refuses the value\n$/
  })
  t.match(await run('unset', 'A::b'), { code: 0, stdout: /^manager: \[\]\n/ })
  t.match(await run('unset', 'A::b'), { code: 1, stdout: /option A::b is not set/ })
  t.match(await run('set', 'not an option', 'x'), { code: 2 })
})

import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { getJson } from '../support/client.js'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'

await t.test(
  'what nodes have left is removed when they are no longer deployed, but for what nobody else has',
  async t => {
    const { url, settings, ask } = await startTestController(t)
    const agent = await startTestAgent(t, 'sensor-1', settings.controller_port)
    await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 1, 'it is connected')
    const run = async (...args: string[]) =>
      await runCommand(['cleanup', ...args], { env: { ZEEK_CLUSTER_URL: url }, columns: 100 })
    const deploy = async (...workers: string[]) => {
      const config = {
        instances: [{ name: 'sensor-1' }],
        nodes: [
          { name: 'manager', instance: 'sensor-1', role: 'MANAGER' },
          ...workers.map(name => ({ name, instance: 'sensor-1', role: 'WORKER', interface: 'lo' }))
        ]
      }
      t.equal((await ask('stage_configuration', { config })).state, 'succeeded')
      t.equal((await ask('deploy')).state, 'succeeded')
    }
    const nodes = join(agent.settings.management_state_dir, 'nodes')

    await deploy('worker-1', 'worker-2', 'worker-3')
    t.match(await run(), { code: 0, stdout: 'sensor-1: nothing is left over\n' })
    await ask('stop', { nodes: ['worker-1'] })
    writeFileSync(join(nodes, 'worker-3', 'conn.log'), 'x')
    writeFileSync(join(nodes, 'worker-2', 'core.123'), 'x'.repeat(2000))
    await deploy('worker-1')
    t.same(readdirSync(nodes).sort(), ['manager', 'worker-1', 'worker-2', 'worker-3'])

    const told = await ask('cleanup')
    t.match(told.results, [
      {
        success: true,
        instance: 'sensor-1',
        data: {
          leftovers: [
            { path: join(nodes, 'worker-2'), removed: false, kept: undefined },
            { path: join(nodes, 'worker-3'), removed: false, kept: 'it holds conn.log' }
          ]
        }
      }
    ])
    t.ok(told.results[0]!.data!.leftovers![0]!.size_bytes > 2000)
    t.match(
      (await run()).stdout,
      /worker-2 \(\d\.\d KiB\) would be removed\n.*worker-3 \(.*\) kept: it holds conn\.log\n$/
    )
    t.ok(existsSync(join(nodes, 'worker-2')), 'telling removes nothing')

    t.match((await run('--remove')).stdout, /worker-2 \(.*\) removed\n/)
    t.same(readdirSync(nodes).sort(), ['manager', 'worker-1', 'worker-3'], 'one that is stopped is deployed')
    t.match(await run('elsewhere'), { code: 1, stdout: /instance elsewhere is not connected/ })
  }
)

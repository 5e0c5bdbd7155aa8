import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stepArguments } from '../../src/cli/rollout.js'
import { configurationOf, manager, worker } from '../controller/fake-agent.js'
import { startTestAgent } from '../support/agent.js'
import { getJson } from '../support/client.js'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'

await t.test('options of a deployment in steps are its arguments', async t => {
  t.same(stepArguments({ autoRevert: true }), {})
  t.same(stepArguments({ maxParallel: { percent: 25 }, autoRevert: false, skipFailed: true, maxDrop: 0 }), {
    max_parallel_percent: 25,
    auto_revert: false,
    on_check_failure: 'skip',
    max_drop_percent: 0
  })
  t.same(stepArguments({ strategy: 'rolling', maxParallel: { number: 2 }, canary: 1, canaryTime: 5, healthy: 0 }), {
    strategy: 'rolling',
    max_parallel: 2,
    canary: 1,
    canary_seconds: 5,
    min_healthy_seconds: 0
  })
})

await t.test('a deployment in steps is watched, promoted, and taken back', async t => {
  const { url, settings } = await startTestController(t)
  await startTestAgent(t, 'agent-a', settings.controller_port)
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 1, 'it is connected')
  const directory = directoryOf(t)
  const run = async (line: string) => await runCommand(line.split(' '), { env: { ZEEK_CLUSTER_URL: url } })
  const fileOf = (name: string, env: Record<string, string>) => {
    const file = join(directory, `${name}.json`)
    const nodes = [manager(), ...['worker-1', 'worker-2'].map(node => ({ ...worker(node), interface: 'lo', env }))]
    writeFileSync(file, JSON.stringify(configurationOf(['agent-a'], nodes, name)))
    return file
  }
  const pending = async (phase: string) =>
    await until(
      async () => (await getJson(`${url}/v1/requests?state=pending`)).requests[0]?.rollout?.phase === phase,
      `it is ${phase}`
    )
  t.match(await run(`deploy ${fileOf('one', {})}`), { code: 0 })

  t.match(await run('rollout promote'), { code: 1, stderr: 'zeek-cluster: no deployment is under way\n' })
  const watched = run(`deploy ${fileOf('two', { COLOUR: 'blue' })} --canary 1 --healthy 0.1`)
  await pending('canary')
  const { stdout: promoted } = await run('rollout promote')
  t.match(promoted, /^promoted: \S+\n$/)
  const { code, stderr } = await watched
  t.equal(code, 0)
  t.match(stderr, /^step 1 of 2, changing: worker-1$/m)
  t.match(stderr, /^step 1 of 2, canary: worker-1; until \S+: zeek-cluster rollout promote \S+, or revert$/m)
  t.match(stderr, /^step 2 of 2, watching: worker-2$/m)
  t.match(stderr, /✔ deployed: 3 nodes, revision 2\n$/)

  const third = run(`deploy ${fileOf('three', { COLOUR: 'red' })} --max-parallel 50% --healthy 60`)
  await pending('watching')
  t.match(JSON.parse((await run('rollout revert --json')).stdout), { state: 'pending', rollout: { step: 1, of: 2 } })
  const reverted = await third
  t.equal(reverted.code, 1)
  t.match(reverted.stdout, /reverted to revision 2: anyone has reverted it/)
  t.match(reverted.stderr, /✖ reverted: deployed is what was before, revision 2\n$/)

  t.match(await run('rollback --strategy rolling --healthy 0'), { code: 0, stderr: /^revision 1 instead of 2: / })
  t.match(await run(`deploy --max-parallel 101%`), { code: 2, stderr: /at most 100%/ })
  t.match(await run(`deploy --healthy x`), { code: 2, stderr: /It is a number from 0/ })
  t.match(await run(`deploy --strategy at_once --canary 1`), { code: 2, stderr: /canary/ })
})

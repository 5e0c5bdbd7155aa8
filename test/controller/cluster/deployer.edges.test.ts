import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { startTestController } from '../../support/controller.js'
import { until } from '../../support/until.js'
import { fakeAgent, never, small } from '../fake-agent.js'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

// In Node 20 AbortSignal.any holds its sources weakly, and nobody else holds the AbortSignal.timeout of the grace: once
// that is collected, the grace never ends and the deployment hangs until its deadline.
await t.test('the grace ends even when garbage is collected meanwhile', async t => {
  const { ask, controller } = await startTestController(t, { 'controller-connect-grace': '0.3' })
  await ask('stage_configuration', { config: small() })
  const deploying = ask('deploy', {}, '?timeout=3')
  await until(() => controller.pendingRequests > 0, 'it is pending')
  const collecting = setInterval(collectGarbage, 20)
  t.teardown(() => clearInterval(collecting))
  const { finished_at: finished, expires_at: expires, results } = await deploying
  t.equal(results[0]?.error, 'instance agent-a is not connected')
  t.ok(Date.parse(finished!) < Date.parse(expires), 'it did not need its deadline')
})

// #meet leaves an instance that is awaited to the deployment, which asks over the old link only.
await t.test('an agent that connects anew while its deployment is under way is sent its share', async t => {
  const { ask, settings, controller } = await startTestController(t)
  const first = await fakeAgent(t, settings.controller_port, { handlers: { deploy: never } })
  await ask('stage_configuration', { config: small('c1') })
  const deploying = ask('deploy')
  await first.question('deploy')
  const second = await fakeAgent(t, settings.controller_port)
  await deploying
  await ask('get_nodes')
  await until(() => controller.instances()[0]?.connected, 'it is connected')
  await until(() => second.count('deploy') > 0, 'the new link was asked', 2000)
  t.equal((await second.question('deploy')).share.config_id, 'c1')
})

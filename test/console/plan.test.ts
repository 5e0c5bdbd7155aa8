import t from 'tap'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { isLive, openAsViewer, openContext, openTab, overflowOf, troubleOf } from './console.js'

const sensors = ['sensor-1', 'sensor-2'] as const

await t.test('a plan is made, and deployed exactly', { ...inBrowser, timeout: 400_000 }, async t => {
  const { url, settings, ask } = await startTestController(t)
  const [, second] = await Promise.all(sensors.map(name => startTestAgent(t, name, settings.controller_port)))
  const connected = async (count: number) =>
    await until(
      async () => (await getJson(`${url}/v1/instances`)).instances.filter((one: any) => one.connected).length === count,
      `${count} are connected`
    )
  await connected(2)
  const page = await openTab(
    await openContext(t, await startBrowser(t), { colorScheme: 'dark', viewport: { width: 375, height: 800 } }),
    `${url}/deploy`
  )
  await isLive(page)
  const write = async (config: object) => {
    await page.getByRole('textbox', { name: 'Configuration' }).click()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.insertText(JSON.stringify(config, null, 2))
  }
  const plan = page.getByRole('region', { name: 'What a deployment would do' })
  const deployment = page.getByRole('region', { name: 'Deployment', exact: true })
  const nodesOf = (title: string) => plan.getByRole('region', { name: title })
  const exactly = plan.getByRole('button', { name: 'Deploy exactly this' })
  const deployments = async () => (await getJson(`${url}/v1/requests?type=deploy`)).requests
  const base = configurationOf(sensors)

  await t.test('each node is told with what is done to it, by the keyboard alone, and nothing is done', async t => {
    await write(base)
    const button = page.getByRole('button', { name: 'What would it do?' })
    await until(() => button.isEnabled(), 'the text is looked at')
    await button.focus()
    await page.keyboard.press('Enter')
    await plan.getByText('It starts 3 nodes.').waitFor()
    t.equal(await page.evaluate('document.activeElement.id'), 'plan', 'the heading of the plan is gone to')
    await nodesOf('Starts 3 nodes').getByRole('row', { name: 'worker-1 sensor-2' }).waitFor()
    t.same(await deployments(), [])
    t.same(await barriersOf(page), [])
    t.equal(await overflowOf(page), undefined)
  })

  await t.test('it is deployed with a comment, once, also where the first try was lost', async t => {
    await plan.getByLabel('Comment').fill('the first')
    await page.context().setOffline(true)
    await exactly.click()
    await plan.getByRole('alert').getByText('the controller is not reached').waitFor()
    t.same(await barriersOf(page), [])
    await page.context().setOffline(false)
    await exactly.focus()
    await page.keyboard.press('Enter')
    await page.keyboard.press('Enter')
    await deployment.getByText('All nodes are as the configuration says.').waitFor()
    await deployment.getByRole('link', { name: 'revision 1' }).waitFor()
    t.equal(await plan.count(), 0, 'the plan is done with')
    const all = await deployments()
    t.equal(all.length, 1)
    t.match(all[0].arguments, { plan: /./, comment: 'the first' })
  })

  await t.test('what differs is told with the reason; what is left alone is behind a click', async t => {
    await write({
      ...base,
      nodes: base.nodes.map(node => (node.name === 'worker-1' ? { ...node, env: { A: '1' } } : node))
    })
    await page.getByRole('button', { name: 'What would it do?' }).click()
    await plan.getByText('It restarts 1 node, leaves 2 nodes alone.').waitFor()
    await nodesOf('Restarts 1 node')
      .getByRole('row', { name: /^worker-1 sensor-2 .* configuration changed$/ })
      .waitFor()
    t.equal(await nodesOf('Leaves 2 nodes alone').isVisible(), false)
    await plan.getByText('Leaves 2 nodes alone', { exact: true }).click()
    await nodesOf('Leaves 2 nodes alone').getByRole('row', { name: 'manager sensor-1' }).waitFor()
    t.same(await barriersOf(page), [])
  })

  await t.test('when it would be anything else by now, that is told as it is, and it can be planned anew', async t => {
    t.equal((await ask('stop', { nodes: ['worker-1'] })).state, 'succeeded')
    await exactly.click()
    await deployment.getByText(/what is to be done has changed since plan .*: worker-1 on sensor-2/).waitFor()
    await deployment.getByText('Nothing was changed:').waitFor()
    t.equal((await getJson(`${url}/v1/revisions`)).revisions.length, 1)
    t.same(await barriersOf(page), [])
    await deployment.getByRole('button', { name: 'Plan anew' }).click()
    await plan.getByText('Nothing is to be done: it leaves 3 nodes alone.').waitFor()
    await ask('start', { nodes: ['worker-1'] })
  })

  await t.test('a plan that is older than the text says so', async () => {
    const note = plan.getByText('The text has changed since')
    await note.waitFor({ state: 'detached' })
    await page.getByRole('textbox', { name: 'Configuration' }).click()
    await page.keyboard.press('ControlOrMeta+End')
    await page.keyboard.insertText('\n\n')
    await note.waitFor()
  })

  await t.test('hosts that are not reached are told, and then nothing can be deployed exactly', async t => {
    await second!.close()
    await connected(1)
    await plan.getByRole('button', { name: 'Plan anew' }).click()
    await plan
      .getByText('instance sensor-2 is not connected: it is not known what would become of 1 node: worker-1')
      .waitFor()
    await plan.getByText('Not all hosts have told what is to be done').waitFor()
    t.equal(await exactly.count(), 0)
    t.same(await barriersOf(page), [])
    t.equal(await overflowOf(page), undefined)
  })

  t.same(troubleOf(page), [])
})

await t.test('a viewer cannot plan, and is told why', inBrowser, async t => {
  const page = await openAsViewer(t, '/deploy')
  await page.getByText('To stage, check and deploy takes the role operator.').waitFor()
  t.ok(await page.getByRole('button', { name: 'What would it do?' }).isDisabled())
  t.same(troubleOf(page), [])
})

import t from 'tap'
import { consolePaths } from '../../src/server/console.js'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { isLive, openContext, openTab, overflowOf, troubleOf } from './console.js'

const sensors = ['sensor-1', 'sensor-2'] as const

await t.test('the pages, and what is done from them', { ...inBrowser, timeout: 400_000 }, async t => {
  const { url, settings, ask } = await startTestController(t)
  await Promise.all(sensors.map(name => startTestAgent(t, name, settings.controller_port)))
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 2, 'both are connected')
  const config = configurationOf(sensors, [{ name: 'worker-1', env: { STAND_IN: 'chatty=200' } }])
  await ask('stage_configuration', { config })
  t.equal((await ask('deploy', { check: false })).state, 'succeeded')
  const pidOf = async (name: string): Promise<number> =>
    (await getJson(`${url}/v1/nodes`)).nodes.find(({ node }: { node: string }) => node === name).pid
  const browser = await startBrowser(t)
  const page = await openTab(await openContext(t, browser), `${url}/nodes/worker-1`)
  await isLive(page)

  await t.test('what a node writes is followed, and held', async t => {
    const output = page.locator('.node-output')
    await output.getByRole('status').getByText('Followed live').waitFor()
    await output.locator('.log').getByText(/\S/).first().waitFor()
    await output.getByRole('button', { name: 'Pause' }).click()
    await output.getByText('Nothing new').waitFor()
    // Another process of it writes: those lines are not shown before they are asked for.
    const before = await output.locator('.log .line').count()
    t.equal((await ask('restart', { nodes: ['worker-1'] })).state, 'succeeded')
    await output.getByText(/\d+ new lines/).waitFor()
    t.equal(await output.locator('.log .line').count(), before)
    await output.getByRole('button', { name: 'Resume' }).click()
    await output.getByRole('button', { name: 'Pause' }).waitFor()
    t.same(await barriersOf(page), [])
  })

  await t.test('a text is found in what a node has written', async () => {
    const output = page.locator('.node-output')
    await output.getByLabel('Search').fill('chatty line 150')
    await output.getByText(/^\d+ found$/).waitFor()
    await output.getByRole('button', { name: 'Next match' }).click()
    await output.locator('.log mark.current').waitFor()
    await output.getByLabel('Search').fill('no such line')
    await output.getByText('Not found').waitFor()
    await output.getByLabel('Search').fill('')
  })

  await t.test('a node is restarted after it was asked for, once, and its progress is shown there', async t => {
    const pid = await pidOf('worker-1')
    const restartsBefore = (await getJson(`${url}/v1/requests?type=restart`)).requests.length
    await page.getByRole('button', { name: 'Restart', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Restart worker-1?' })
    await dialog.getByText('Workers miss packets until they have joined again.').waitFor()
    t.equal(await pidOf('worker-1'), pid, 'nothing is done yet')
    // Escape closes it, and nothing was done.
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    await page.getByRole('button', { name: 'Restart', exact: true }).click()
    await dialog.getByRole('button', { name: 'Restart' }).dblclick()
    await page.getByRole('status').getByText('succeeded').waitFor()
    t.not(await pidOf('worker-1'), pid)
    const { requests } = await getJson(`${url}/v1/requests?type=restart`)
    t.equal(requests.length, restartsBefore + 1, 'pressed twice, done once')
  })

  await t.test('stopped, a node is shown as it is wanted, and started again', async () => {
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click()
    await page.locator('.title').getByText('STOPPED').waitFor()
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Start' }).click()
    await page.locator('.title').getByText('RUNNING').waitFor()
  })

  await t.test('its value of an identifier, and its diagnosis', async t => {
    await page.getByLabel('Identifier', { exact: true }).fill('Cluster::node')
    await page.getByRole('button', { name: 'Get value' }).click()
    await page.getByLabel('Value of Cluster::node').getByText('worker-1').waitFor()
    await page.getByRole('button', { name: 'Diagnose' }).click()
    await page.getByRole('group', { name: 'Diagnosis of worker-1' }).waitFor()
    t.same(await barriersOf(page), [])
  })

  t.same(troubleOf(page), [])

  await t.test('nothing keeps anybody from any page, in any theme and width', async t => {
    const { requests } = await getJson(`${url}/v1/requests?type=deploy`)
    const value = Array.from({ length: 40 }, (_, n) => `10.${n}.0.0/16`).join(',')
    t.equal((await ask('set_option', { name: 'Site::local_nets', value })).state, 'succeeded')
    const body = '#fields\tindicator\tindicator_type\tmeta.source\n192.0.2.1\tIntel::ADDR\ttest\n'
    const feed = await fetch(`${url}/v1/intel/tor-exits`, { method: 'PUT', headers: { prefer: 'wait=30' }, body })
    t.match(await feed.json(), { state: 'succeeded' })
    const [{ bundle }] = (await getJson(`${url}/v1/intel`)).feeds
    const named: Record<string, string> = { node: 'worker-1', instance: 'sensor-1', bundle, reqid: requests[0].reqid }
    const paths = consolePaths.map(path => path.slice(1).replace(/:(\w+)/, (_, name: string) => named[name]!))
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 375]
    ] as const) {
      const context = await openContext(t, browser, { colorScheme, viewport: { width, height: 800 } })
      const tab = await openTab(context, url)
      for (const path of paths) {
        await tab.goto(`${url}/${path}`)
        await isLive(tab)
        await tab.getByRole('heading', { level: 1 }).waitFor()
        await until(async () => (await tab.locator('main [aria-busy=true]').count()) === 0, `/${path} is there`)
        t.same(await barriersOf(tab), [], `/${path}, ${colorScheme}`)
        t.equal(await overflowOf(tab), undefined, `/${path} is as wide as the window`)
        const help = tab.getByRole('link', { name: /^Guide: / })
        t.equal(
          (await fetch((await help.getAttribute('href'))!.replace(/^/, `${url}/`))).status,
          200,
          'its guide is there'
        )
      }
      t.same(troubleOf(tab), [])
    }
  })
})

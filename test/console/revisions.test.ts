import t from 'tap'
import { tarOf } from '../bundles/tar.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { answerOf, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { isLive, openContext, openTab, overflowOf, troubleOf } from './console.js'

const sensors = ['sensor-1', 'sensor-2'] as const
const base = configurationOf(sensors)

await t.test('revisions are listed, compared and deployed again', { ...inBrowser, timeout: 500_000 }, async t => {
  const { url, settings, ask, close } = await startTestController(t)
  await Promise.all(sensors.map(name => startTestAgent(t, name, settings.controller_port)))
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 2, 'both are connected')
  const browser = await startBrowser(t)
  const page = await openTab(await openContext(t, browser), `${url}/revisions`)
  await isLive(page)
  const list = page.getByRole('table')
  const row = (name: RegExp) => list.getByRole('row', { name })
  const deploy = async (config: object, args: object = {}) => {
    await ask('stage_configuration', { config })
    const { state, results } = await ask('deploy', { check: false, ...args })
    t.equal(state, 'succeeded', JSON.stringify(results))
  }
  const push = async (content: string): Promise<string> => {
    const response = await fetch(`${url}/v1/bundles?name=site`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-tar' },
      body: new Uint8Array(tarOf({ path: 'scripts/local.zeek', content }))
    })
    return (await answerOf(response)).json.id
  }
  const revisions = async () => (await getJson(`${url}/v1/revisions`)).revisions
  const looks = async () =>
    (await getJson(`${url}/v1/audit`)).entries.filter(({ action }: any) => action === 'get_configuration').length

  await t.test('where nothing was deployed it is said what revisions are', async t => {
    await page.getByText('Nothing was deployed yet.').waitFor()
    const guide = page.getByRole('link', { name: 'how revisions work' })
    t.equal((await fetch(`${url}/${await guide.getAttribute('href')}`)).status, 200)
    t.same(await barriersOf(page), [])
  })

  await t.test('what is deployed comes to the list, newest first', async t => {
    await deploy({ ...base, bundle: await push('event zeek_init() { }\n') }, { comment: 'the first\nof all' })
    await row(/^1 succeeded, deployed .* anyone 3 [0-9a-f]{12} the first of all$/).waitFor()
    await deploy(
      {
        ...base,
        bundle: await push('event zeek_done() { }\n'),
        nodes: base.nodes.map(node =>
          node.name === 'worker-1' ? { ...node, env: { MODE: 'b', API_TOKEN: 'swordfish' } } : node
        )
      },
      { comment: '<b>bold</b>' }
    )
    await row(/^2 succeeded, deployed .* <b>bold<\/b>$/).waitFor()
    await row(/^1 succeeded [^,]* 3 /).waitFor()
    t.match(await list.getByRole('rowheader').allInnerTexts(), ['2', '1'])
    t.same(await barriersOf(page), [])
  })

  await t.test('one is compared with the one before, field by field and file by file; secrets are masked', async t => {
    const before = await looks()
    await list.getByRole('link', { name: '2', exact: true }).click()
    await page.getByRole('heading', { name: 'Revision 2', level: 1 }).waitFor()
    await page.getByText('1 node changed, 1 file changed.').waitFor()
    const parts = page.getByRole('table', { name: 'What differs' })
    await parts.getByRole('row', { name: 'node worker-1 env.MODE none → "b"' }).waitFor()
    await parts.getByRole('row', { name: /env\.API_TOKEN none → / }).waitFor()
    t.notMatch(await page.locator('main').innerText(), /swordfish/)
    await page
      .getByRole('table', { name: 'Files that differ' })
      .getByRole('row', { name: /scripts\/local\.zeek changed/ })
      .waitFor()
    t.same(await barriersOf(page), [])
    t.equal(await looks(), before, 'that is no look at a configuration')
  })

  await t.test('or with another one, which is in the URL', async t => {
    await deploy({ ...base, instances: [...base.instances, { name: 'sensor-3', host: '192.0.2.3' }] })
    await page.goto(`${url}/revisions/3`)
    await page.getByText('1 instance added, 1 node changed, bundle').waitFor()
    await page.getByLabel('Compared with').selectOption('1')
    await page.getByText(/1 instance added, bundle/).waitFor()
    t.match(page.url(), /\/revisions\/3\?from=1$/)
    await page.goto(`${url}/revisions/1`)
    await page.getByText('It is the oldest that is kept.').waitFor()
    t.same(await barriersOf(page), [])
    await page.goto(`${url}/revisions/2?from=99`)
    await page.getByRole('alert').getByText('there is no revision 99').waitFor()
    t.same(await barriersOf(page), [])
    for (const path of ['99', 'x', '1e3']) {
      await page.goto(`${url}/revisions/${path}`)
      await page.getByText('No such revision is kept').waitFor()
    }
  })

  await t.test('its configuration is read only when that is asked for: the audit log tells of it', async t => {
    await page.goto(`${url}/revisions/2`)
    await page.getByText('1 node changed').waitFor()
    const before = await looks()
    await page.getByRole('button', { name: 'Read it' }).click()
    await page.getByLabel('Configuration of revision 2').getByText('swordfish').waitFor()
    t.same(await barriersOf(page), [])
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Save as a file' }).click()
    t.equal((await download).suggestedFilename(), 'revision-2.json')
    t.equal(await looks(), before + 1)
  })

  await t.test('one is deployed again after it was asked for, once, by the keyboard alone', async t => {
    await page.getByRole('button', { name: 'Deploy this one again…' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Deploy revision 2 again?' })
    await dialog.getByText('In place of revision 3, which is deployed: 1 instance removed, 1 node changed').waitFor()
    t.same(await barriersOf(page), [])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    t.equal((await revisions()).length, 3, 'nothing is done')
    await page.keyboard.press('Enter')
    await dialog.getByLabel('Check the nodes first').uncheck()
    await dialog.getByLabel('Comment').fill('lost packets')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Enter')
    await page.getByRole('status').getByText('succeeded').waitFor()
    await page.getByText('In place of').waitFor({ state: 'detached' })
    t.match(await revisions(), [{ revision: 4, deployed: true, comment: 'lost packets', nodes: 3 }, {}, {}, {}])
    t.match((await getJson(`${url}/v1/requests?type=deploy`)).requests[0].arguments, { revision: 2, check: false })
    t.same(await barriersOf(page), [])
    await page.locator('.actions').getByRole('link', { name: 'revision 4' }).click()
    await page.getByText('succeeded, deployed now').waitFor()
    await page.getByRole('button', { name: 'Deploy this one again…' }).click()
    await page.getByText('It is deployed: hosts are brought to it once more.').waitFor()
  })

  await t.test('what is refused is told', async t => {
    const nodes = base.nodes.map(node => ({ ...node, scripts: ['no-such-script'] }))
    await ask('stage_configuration', { config: { ...base, nodes } })
    t.equal((await ask('deploy', { check: false })).state, 'failed')
    await page.goto(`${url}/revisions/5`)
    await page.getByRole('button', { name: 'Deploy this one again…' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Deploy', exact: true }).click()
    await page.locator('.failures').getByText('no-such-script').first().waitFor()
    t.same(await barriersOf(page), [])
    t.equal((await revisions()).length, 5)
  })

  t.same(troubleOf(page), [])

  await t.test('nothing keeps anybody from the pages, in any theme and width', async t => {
    for (const [colorScheme, width] of [
      ['light', 1440],
      ['dark', 1024],
      ['light', 375],
      ['dark', 375]
    ] as const) {
      const context = await openContext(t, browser, { colorScheme, viewport: { width, height: 800 } })
      const tab = await openTab(context, `${url}/revisions`)
      for (const [path, last] of [
        ['revisions', 'Revisions, newest first'],
        ['revisions/2', 'Files that differ']
      ] as const) {
        await tab.goto(`${url}/${path}`)
        await isLive(tab)
        await tab.getByRole('region', { name: last }).waitFor()
        await until(async () => (await tab.locator('main [aria-busy=true]').count()) === 0, `/${path} is there`)
        t.same(await barriersOf(tab), [], `/${path}, ${colorScheme}, ${width}`)
        t.equal(await overflowOf(tab), undefined, `/${path} is as wide as the window`)
        const help = tab.getByRole('link', { name: /^Guide: / })
        t.equal((await fetch(`${url}/${await help.getAttribute('href')}`)).status, 200, 'its guide is there')
      }
      if (width >= 1024) {
        const nav = tab.getByRole('navigation', { name: 'Pages' })
        t.equal(
          await nav.evaluate((nav: any) => nav.scrollWidth > nav.clientWidth),
          false,
          `all pages are seen at ${width}`
        )
      }
      t.same(troubleOf(tab), [])
    }
  })

  await t.test('what could not be read is told, and stays to be seen', async t => {
    await page.goto(`${url}/revisions`)
    await row(/^1 succeeded/).waitFor()
    const other = await openTab(page.context(), `${url}/revisions/2`)
    await other.getByText('1 file changed').waitFor()
    await close()
    await page.getByRole('button', { name: 'Read again' }).click()
    await page.getByRole('alert').getByText('Revisions could not be read: the controller is not reached').waitFor()
    t.ok(await row(/^1 succeeded/).isVisible())
    t.same(await barriersOf(page), [])
    await other.getByLabel('Compared with').selectOption('3')
    await other.getByRole('alert').getByText('could not be read: the controller is not reached').waitFor()
    await other.getByRole('button', { name: 'Read it' }).click()
    await other.getByRole('alert').getByText('It could not be read: the controller is not reached').waitFor()
    t.same(await barriersOf(other), [])
  })
})

await t.test('a viewer sees the list, and asks for nothing else', inBrowser, async t => {
  const directory = directoryOf(t)
  const tokenOf = (role: string) => tokenCommand(['create'], { role, name: role }, directory)
  const [viewer, operator] = [await tokenOf('viewer'), await tokenOf('operator')]
  const { url } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token'
  })
  const ask = async (type: string, args: object) =>
    await fetch(`${url}/v1/requests/${type}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=30', authorization: `Bearer ${operator}` },
      body: JSON.stringify(args)
    })
  await ask('stage_configuration', { config: base })
  await ask('deploy', { comment: 'for all to see' })
  const page = await openTab(await openContext(t, await startBrowser(t)), `${url}/revisions`)
  const refused: string[] = []
  page.on('response', response => {
    if (response.status() === 403) refused.push(response.url())
  })
  await page.getByLabel('Token').fill(viewer)
  await page.getByRole('button', { name: 'Log in' }).click()
  const row = page.getByRole('row', { name: /^1 .* operator .* for all to see$/ })
  await row.waitFor()
  t.equal(await row.getByRole('link').count(), 0)
  await page.getByText('To compare revisions, and to deploy one again, takes the role operator.').waitFor()
  t.same(await barriersOf(page), [])
  await page.goto(`${url}/revisions/1`)
  await page.getByText('To compare revisions, and to deploy one again, takes the role operator.').waitFor()
  t.equal(await page.getByRole('button', { name: 'Deploy this one again…' }).count(), 0)
  t.same(await barriersOf(page), [])
  t.same([refused, troubleOf(page)], [[], []])
})

import { readFileSync } from 'node:fs'
import t from 'tap'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { answerOf, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import {
  chooseFile,
  dropFile,
  isLive,
  openAsViewer,
  openContext,
  openTab,
  overflowOf,
  throttle,
  troubleOf
} from './console.js'

const header = '#fields\tindicator\tindicator_type\tmeta.source\n'
const feedOf = (...addresses: string[]) => header + addresses.map(one => `${one}\tIntel::ADDR\ttest\n`).join('')
const many = Array.from({ length: 20_000 }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`)
const fileOf = (text: string, name = 'tor exits.intel') => ({
  name,
  mimeType: 'text/tab-separated-values',
  buffer: Buffer.from(text)
})

await t.test('feeds are set, replaced, downloaded and unset', { ...inBrowser, timeout: 400_000 }, async t => {
  const { url, settings, ask } = await startTestController(t)
  await startTestAgent(t, 'sensor-1', settings.controller_port)
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 1, 'it is connected')
  await ask('stage_configuration', { config: configurationOf(['sensor-1']) })
  t.equal((await ask('deploy', { check: false })).state, 'succeeded')
  const browser = await startBrowser(t)
  const page = await openTab(await openContext(t, browser), `${url}/intel`)
  await isLive(page)
  const dialog = page.getByRole('dialog')
  const list = page.getByRole('list', { name: 'Feeds that are set' })
  const item = (text: RegExp) => list.getByRole('listitem').filter({ hasText: text })
  const answers = page.getByRole('table', { name: 'Answers of nodes' })
  const status = page.getByRole('status')
  const open = () => page.getByRole('button', { name: 'Set a feed…' }).click()
  const set = () => dialog.getByRole('button', { name: 'Set', exact: true }).click()
  const choose = (text: string, name?: string) => chooseFile(page, 'Choose a file…', fileOf(text, name))
  const chooseAnother = (text: string, name?: string) => chooseFile(page, 'Choose another file…', fileOf(text, name))
  const feedsOf = async (): Promise<{ name: string; bundle: string; indicators: number }[]> =>
    (await getJson(`${url}/v1/intel`)).feeds
  const requestsOf = async (): Promise<unknown[]> => (await getJson(`${url}/v1/requests?type=set_intel`)).requests
  const put = async (feed: string, text: string) =>
    await answerOf(
      await fetch(`${url}/v1/intel/${feed}`, { method: 'PUT', headers: { prefer: 'wait=30' }, body: text })
    )

  await t.test('where none is set it is said what feeds are for', async t => {
    await page.getByText('None is set.').waitFor()
    const guide = page.getByRole('link', { name: 'how feeds work' })
    t.equal((await fetch(`${url}/${await guide.getAttribute('href')}`)).status, 200)
    t.same(await barriersOf(page), [])
  })

  await t.test('a file is sent with progress, which can be stopped: then nothing is set', async t => {
    await open()
    t.ok(await dialog.getByRole('button', { name: 'Set', exact: true }).isDisabled(), 'there is no file')
    await choose(feedOf(...many))
    await dialog.getByText(/^tor exits\.intel, \d{3} KiB$/).waitFor()
    t.equal(await dialog.getByLabel('Name').inputValue(), 'tor-exits')
    await dialog.getByText('The manager reads it at once, without a restart').waitFor()
    t.same(await barriersOf(page), [])
    const limit = await throttle(page)
    await limit(50_000)
    await set()
    await dialog.getByRole('progressbar', { name: 'Sent' }).waitFor()
    await dialog.getByText(/ of \d{3} KiB, [1-9]\d?%$/).waitFor()
    t.same(await barriersOf(page), [])
    const cut = page.waitForEvent('requestfailed')
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await dialog.waitFor({ state: 'hidden' })
    // Without a limit, the rest would be sent before the browser has given it up.
    await cut
    await limit(0)
    t.same([await feedsOf(), await requestsOf()], [[], []])
  })

  await t.test('one is set, once, and the manager says how many indicators it has read', async t => {
    await open()
    await choose(feedOf('192.0.2.1', '192.0.2.2'), 'some.dat')
    await chooseAnother(feedOf('192.0.2.1', '192.0.2.2'))
    t.equal(await dialog.getByLabel('Name').inputValue(), 'tor-exits', 'a name that was made of a file is not kept')
    // The controller gets it, and its answer is lost.
    await page.route(
      '**/v1/intel/tor-exits',
      async route => {
        await route.fetch({ postData: feedOf('192.0.2.1', '192.0.2.2') })
        await route.abort('connectionreset')
      },
      { times: 1 }
    )
    await set()
    await dialog.getByRole('alert').getByText('the connection was lost').waitFor()
    await dialog.getByRole('button', { name: 'Set', exact: true }).dblclick()
    await page.getByRole('heading', { name: 'Set feed tor-exits' }).waitFor()
    await status.getByText('succeeded').waitFor()
    await answers.getByRole('row', { name: /^manager sensor-1 .*2 indicators/ }).waitFor()
    await item(/^tor-exits2 indicators, \d+ B/).waitFor()
    t.equal((await requestsOf()).length, 1, 'sent again and pressed twice, done once')
    t.same(await barriersOf(page), [])
  })

  await t.test('a file that the controller refuses is told with its lines, and another one chosen', async t => {
    await list.getByRole('button', { name: 'Replace… tor-exits' }).click()
    await dialog.getByText(/^It has 2 indicators, \d+ B now\.$/).waitFor()
    t.equal(await dialog.getByLabel('Name').getAttribute('readonly'), '')
    await choose(feedOf('300.0.2.1', '192.0.2.1', 'not-an-address'))
    await set()
    const alert = dialog.getByRole('alert')
    await alert.getByText('Refused, and nothing is changed.').waitFor()
    t.same(await alert.getByRole('listitem').allTextContents(), [
      "Line 2: '300.0.2.1' is no address",
      "Line 4: 'not-an-address' is no address"
    ])
    t.same(await barriersOf(page), [])
    await chooseAnother(feedOf('300.0.2.1'))
    await alert.waitFor({ state: 'hidden' })
    await set()
    await alert.getByText("Line 2: '300.0.2.1' is no address", { exact: true }).waitFor()
    await chooseAnother(feedOf('192.0.2.3'), 'other.intel')
    t.equal(await dialog.getByLabel('Name').inputValue(), 'tor-exits')
    await set()
    await item(/^tor-exits1 indicator, /).waitFor()
  })

  await t.test("what the manager refuses is told in Zeek's words, and another file chosen", async t => {
    await list.getByRole('button', { name: 'Replace… tor-exits' }).click()
    await choose(`${header}x\tIntel::NO_SUCH\ttest\n`)
    await set()
    await status.getByText('failed').waitFor()
    await answers
      .getByRole('row', { name: /^manager .*line 2: Value 'Intel::NO_SUCH' .* is not a valid enum/ })
      .waitFor()
    t.match(await feedsOf(), [{ name: 'tor-exits', indicators: 1 }])
    t.same(await barriersOf(page), [])
    await page.getByRole('button', { name: 'Choose another file…' }).click()
    t.equal(await dialog.getByLabel('Name').inputValue(), 'tor-exits')
    await choose(feedOf('192.0.2.4', '192.0.2.5'))
    await set()
    await item(/^tor-exits2 indicators/).waitFor()
  })

  await t.test('a file that is dropped is asked for; a name that is none is told', async t => {
    await dialog.waitFor({ state: 'hidden' })
    await dropFile(page, 'partner.tsv', Buffer.from(feedOf('198.51.100.7')))
    t.equal(await dialog.getByLabel('Name').inputValue(), 'partner')
    await dropFile(page, 'partner-2.tsv', Buffer.from(feedOf('198.51.100.8', '198.51.100.9')))
    await dialog.getByText(/^partner-2\.tsv, /).waitFor()
    await dialog.getByLabel('Name').fill('two words')
    await set()
    await dialog.getByRole('alert').getByText('params/feed must be').waitFor()
    t.equal((await feedsOf()).length, 1)
    await dialog.getByLabel('Name').fill('partner')
    await set()
    await item(/^partner2 indicators/).waitFor()
  })

  await t.test('what others change is seen; the file of a feed is saved as it was set', async t => {
    t.equal((await put('partner', feedOf('203.0.113.1'))).json.state, 'succeeded')
    await item(/^partner1 indicator, /).waitFor()
    const saving = page.waitForEvent('download')
    await list.getByRole('link', { name: 'Download partner' }).click()
    const download = await saving
    t.equal(download.suggestedFilename(), 'partner.intel')
    t.equal(readFileSync(await download.path(), 'utf8'), feedOf('203.0.113.1'))
    await ask('unset_intel', { name: 'partner' })
    await item(/^partner/).waitFor({ state: 'hidden' })
  })

  await t.test('its bundle is known as that of a feed, and not offered for a configuration', async t => {
    const [{ bundle } = { bundle: '' }] = await feedsOf()
    await page.getByRole('link', { name: 'Content', exact: true }).click()
    const row = page.getByRole('row', { name: new RegExp(`^${bundle.slice(0, 12)}.*feed of intelligence$`) })
    await row.waitFor()
    await row.getByRole('link').first().click()
    await page.getByText('A feed of intelligence names it: it cannot be deleted.').waitFor()
    t.ok(await page.getByRole('button', { name: 'Delete' }).isDisabled())
    await page.getByText('intel/tor-exits').waitFor()
    t.equal(await page.getByText('has its nodes load it').count(), 0)
    t.equal(await page.getByRole('heading', { name: 'Difference' }).count(), 0)
    t.same(await barriersOf(page), [])
    await page.getByLabel('The bundle').getByRole('link', { name: 'Intelligence' }).click()
    await item(/^tor-exits/).waitFor()
  })

  await t.test('nothing keeps anybody from the page, in any theme and width', async t => {
    for (const [colorScheme, width] of [
      ['light', 375],
      ['dark', 1280]
    ] as const) {
      const tab = await openTab(
        await openContext(t, browser, { colorScheme, viewport: { width, height: 800 } }),
        `${url}/intel`
      )
      await isLive(tab)
      await tab.getByRole('button', { name: 'Replace… tor-exits' }).waitFor()
      t.same(await barriersOf(tab), [], colorScheme)
      t.equal(await overflowOf(tab), undefined, `it is as wide as the window of ${width}`)
      await tab.getByRole('button', { name: 'Replace… tor-exits' }).click()
      t.same(await barriersOf(tab), [], `the dialog, ${colorScheme}`)
      const help = tab.getByRole('link', { name: 'Guide: Intelligence' })
      t.equal((await fetch(`${url}/${await help.getAttribute('href')}`)).status, 200)
      t.same(troubleOf(tab), [])
    }
  })

  await t.test('one is unset, and the manager has none of it', async t => {
    await list.getByRole('button', { name: 'Unset… tor-exits' }).click()
    await dialog.getByText('The manager removes its indicators').waitFor()
    t.same(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Unset' }).click()
    await page.getByRole('heading', { name: 'Unset feed tor-exits' }).waitFor()
    await status.getByText('succeeded').waitFor()
    await answers.getByRole('row', { name: /^manager .*none of it/ }).waitFor()
    await page.getByText('None is set.').waitFor()
  })

  t.same(troubleOf(page), [])
})

await t.test('a viewer is told why it sees none', inBrowser, async t => {
  const page = await openAsViewer(t, '/intel')
  await page.getByText('To see feeds of intelligence, and to change them, takes the role operator.').waitFor()
  t.equal(await page.getByRole('button', { name: 'Set a feed…' }).count(), 0)
  t.same(await barriersOf(page), [])
  t.same(troubleOf(page), [])
})

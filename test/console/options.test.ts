import t from 'tap'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { isLive, openAsViewer, openContext, openTab, troubleOf } from './console.js'

const sensors = ['sensor-1', 'sensor-2'] as const
const name = 'Site::local_nets'

await t.test('options are set, changed and unset while nodes run', { ...inBrowser, timeout: 400_000 }, async t => {
  const { url, settings, ask } = await startTestController(t)
  await Promise.all(sensors.map(name => startTestAgent(t, name, settings.controller_port)))
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 2, 'both are connected')
  await ask('stage_configuration', { config: configurationOf(sensors) })
  t.equal((await ask('deploy', { check: false })).state, 'succeeded')
  const page = await openTab(await openContext(t, await startBrowser(t)), `${url}/options`)
  await isLive(page)
  const dialog = page.getByRole('dialog')
  const list = page.getByRole('list', { name: 'Options that are set' })
  const answers = page.getByRole('table', { name: 'Answers of nodes' })
  const optionsOf = async (): Promise<{ name: string; value: string }[]> => (await getJson(`${url}/v1/options`)).options
  const fill = async (option: string, value: string) => {
    await page.getByRole('button', { name: 'Set an option…' }).click()
    await dialog.getByLabel('Name').fill(option)
    await dialog.getByLabel('Value').fill(value)
  }
  const set = () => dialog.getByRole('button', { name: 'Set', exact: true }).click()

  await t.test('where none is set it is said what options are for', async t => {
    await page.getByText('None is set.').waitFor()
    const guide = page.getByRole('link', { name: 'how options work' })
    t.equal((await fetch(`${url}/${await guide.getAttribute('href')}`)).status, 200)
    t.same(await barriersOf(page), [])
  })

  await t.test('one is set after it was asked for, once, and each node says which value it has', async t => {
    await fill(name, ' 10.0.0.0/8,192.168.0.0/16 ')
    await dialog.getByText('3 of 3 nodes run.').waitFor()
    t.same(await barriersOf(page), [])
    t.same(await optionsOf(), [], 'nothing is done yet')
    await dialog.getByRole('button', { name: 'Set', exact: true }).dblclick()
    await page.getByRole('status').getByText('succeeded').waitFor()
    for (const node of ['manager', 'logger-1', 'worker-1']) {
      await answers
        .getByRole('row', { name: new RegExp(`^${node} .*10\\.0\\.0\\.0/8.*192\\.168\\.0\\.0/16`) })
        .waitFor()
    }
    await list
      .getByRole('listitem')
      .filter({ hasText: /^Site::local_nets10\.0\.0\.0\/8,192/ })
      .waitFor()
    t.equal((await getJson(`${url}/v1/requests?type=set_option`)).requests.length, 1, 'pressed twice, done once')
    t.same(await barriersOf(page), [])
  })

  await t.test("a value that is refused is told in Zeek's words, changes nothing, and can be corrected", async t => {
    await list.getByRole('button', { name: `Change… ${name}` }).click()
    await dialog.getByText('It is 10.0.0.0/8,192.168.0.0/16 now.').waitFor()
    t.equal(await dialog.getByLabel('Name').getAttribute('readonly'), '')
    await dialog.getByLabel('Value').fill('10.0.0.0/8,bad')
    await set()
    await page.getByRole('status').getByText('failed').waitFor()
    await answers.getByRole('row', { name: /^worker-1 .*Could not convert line.*bad/ }).waitFor()
    t.equal((await optionsOf())[0]!.value, '10.0.0.0/8,192.168.0.0/16')
    t.same(await barriersOf(page), [])
    await page.getByRole('button', { name: 'Correct…' }).click()
    t.equal(await dialog.getByLabel('Value').inputValue(), '10.0.0.0/8,bad')
    await dialog.getByLabel('Value').fill('172.16.0.0/12')
    await set()
    await list
      .getByRole('listitem')
      .filter({ hasText: /^Site::local_nets172\.16\.0\.0\/12/ })
      .waitFor()
    await answers.getByRole('row', { name: /^worker-1 .*172\.16\.0\.0\/12/ }).waitFor()
  })

  await t.test('what the controller does not take is told where it was written', async t => {
    await fill('not an option', 'x')
    await set()
    await dialog.getByRole('alert').getByText('the full name of an option of Zeek').waitFor()
    t.same(await barriersOf(page), [])
    await dialog.getByLabel('Name').fill('No::such')
    await set()
    await page.locator('.failures').getByText('no running node has an option No::such').waitFor()
    t.equal((await optionsOf()).length, 1)
  })

  await t.test('what others change is seen; a long value is cut, until it is asked for', async () => {
    const many = Array.from({ length: 40 }, (_, n) => `10.${n}.0.0/16`).join(',')
    await ask('set_option', { name, value: many })
    await list.getByText(/^10\.0\.0\.0\/16.*…$/).click()
    await list.getByText(many, { exact: true }).waitFor()
    await ask('set_option', { name: 'HTTP::max_files_orig', value: '20' })
    await list
      .getByRole('listitem')
      .filter({ hasText: /^HTTP::max_files_orig20/ })
      .waitFor()
    await ask('unset_option', { name: 'HTTP::max_files_orig' })
    await list.getByRole('listitem').filter({ hasText: /^HTTP/ }).waitFor({ state: 'hidden' })
  })

  await t.test('one is unset, and each node says what its scripts make it', async t => {
    await list.getByRole('button', { name: `Unset… ${name}` }).click()
    await dialog.getByText('In each node it is what its scripts make it').waitFor()
    t.same(await barriersOf(page), [])
    await dialog.getByRole('button', { name: 'Unset' }).click()
    await page.getByRole('heading', { name: `Unset ${name}` }).waitFor()
    await page.getByRole('status').getByText('succeeded').waitFor()
    await page.getByText('None is set.').waitFor()
    t.equal(await answers.getByRole('row').count(), 4)
  })

  t.same(troubleOf(page), [])
})

await t.test('a viewer is told why it sees none', inBrowser, async t => {
  const page = await openAsViewer(t, '/options')
  await page.getByText('To see which options are set, and to change them, takes the role operator.').waitFor()
  await page.getByRole('link', { name: 'Groups' }).click()
  await page.getByText('To see groups takes the role operator').waitFor()
  t.same(await barriersOf(page), [])
  t.same(troubleOf(page), [])
})

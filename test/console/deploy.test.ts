import t from 'tap'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { pushBundle } from '../support/bundles.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { pcapOf } from '../support/pcap.js'
import { until } from '../support/until.js'
import { isLive, openContext, openTab, troubleOf } from './console.js'

await t.test('a configuration is deployed from the page', { ...inBrowser, timeout: 300_000 }, async t => {
  const { url, settings } = await startTestController(t)
  await startTestAgent(t, 'sensor-1', settings.controller_port)
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 1, 'it is connected')
  const page = await openTab(await openContext(t, await startBrowser(t)), `${url}/deploy`)
  await isLive(page)
  const editor = page.getByRole('textbox', { name: 'Configuration' })
  // As people do: "fill" selects and types in one go, before the editor has heard of the selection.
  const write = async (text: string) => {
    await editor.click()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.insertText(text)
  }

  await t.test('what is wrong is told at its line, before anything is sent and after', async t => {
    await write('{\n  "instances": [\n')
    await page.getByRole('button', { name: 'Stage', exact: true }).waitFor()
    await page.locator('.problems').waitFor()
    await write(
      JSON.stringify(
        { instances: [{ name: 'sensor-1' }], nodes: [{ name: 'w', instance: 'gone', role: 'WORKER' }] },
        null,
        2
      )
    )
    await page.getByRole('button', { name: 'Stage', exact: true }).click()
    await page
      .locator('.problems')
      .getByText(/undeclared instance name|gone/)
      .first()
      .waitFor()
    t.same(await barriersOf(page), [])
  })

  await t.test('it is asked what will be done; a node that fails is shown with what it has written', async t => {
    const config = configurationOf(['sensor-1'], [{ name: 'logger-1', env: { STAND_IN: 'exit=1' } }])
    await write(JSON.stringify(config, null, 2))
    await page.getByRole('button', { name: 'Deploy…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('manager').first().waitFor()
    t.same(await barriersOf(page), [])
    await dialog.getByRole('button', { name: /^Deploy/ }).click()
    await page.locator('.failures').getByText('logger-1').first().waitFor()
    await until(
      async () => (await getJson(`${url}/v1/requests?type=deploy`)).requests[0]?.state !== 'pending',
      'it is answered'
    )
    t.same(await barriersOf(page), [])
  })

  await t.test('what a capture has lost is shown by its log, and refused where that is asked', async t => {
    const file = 'checks/dns.pcap'
    const entries = [
      { path: 'scripts/local.zeek', content: 'event zeek_init() { Log::disable_stream(Conn::LOG); }\n' },
      { path: file, content: pcapOf(3) }
    ]
    const bundle = await pushBundle(url, entries)
    const { nodes, ...rest } = configurationOf(['sensor-1'])
    const worker = { name: 'worker-1', instance: 'sensor-1', role: 'WORKER', interface: 'lo' }
    const captures = [{ file, expected: { conn: 3 } }]
    await write(JSON.stringify({ ...rest, nodes: [...nodes, worker], bundle, captures }, null, 2))
    await page.getByRole('button', { name: 'Check', exact: true }).click()
    await page.getByRole('region', { name: 'Captures' }).getByText(file).waitFor()
    const lost = page.getByRole('region', { name: 'Logs that differ' }).getByRole('row').last()
    t.same(
      (await lost.innerText()).split('\t').map(text => text.trim()),
      [file, 'conn', '–', '0', '3']
    )
    t.same(await barriersOf(page), [])
    await page.getByRole('button', { name: 'Deploy…' }).click()
    await page.getByRole('dialog').getByLabel('Nor when a capture loses lines of a log').check()
    t.same(await barriersOf(page), [])
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Deploy/ })
      .click()
    await page.locator('.failures').getByText('conn.log has no line, 3 expected').first().waitFor()
    t.same(await barriersOf(page), [])
  })

  t.same(troubleOf(page), [])
})

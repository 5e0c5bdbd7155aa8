import t from 'tap'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
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

  t.same(troubleOf(page), [])
})

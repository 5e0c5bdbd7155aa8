import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { inBrowser, startBrowser } from '../support/browser.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { startPrefixProxy } from '../support/prefix-proxy.js'
import { until } from '../support/until.js'
import { cell, isLive, openContext, openTab, troubleOf } from './console.js'

await t.test('who may see and do what', { ...inBrowser, timeout: 400_000 }, async t => {
  const directory = directoryOf(t)
  const tokenOf = (role: string, name = role) => tokenCommand(['create'], { role, name }, directory)
  const [viewer, operator, admin] = [await tokenOf('viewer'), await tokenOf('operator'), await tokenOf('admin')]
  const tokenFile = join(directory, 'sensor-1.token')
  writeFileSync(tokenFile, await tokenOf('agent', 'sensor-1'))
  const { url, settings } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token'
  })
  const asAdmin = { authorization: `Bearer ${admin}` }
  const submit = async (type: string, body: object): Promise<{ state: string }> =>
    (await (
      await fetch(`${url}/v1/requests/${type}`, {
        method: 'POST',
        headers: { ...asAdmin, 'content-type': 'application/json', prefer: 'wait=30' },
        body: JSON.stringify(body)
      })
    ).json()) as { state: string }
  await startTestAgent(t, 'sensor-1', settings.controller_port, { 'agent-token-file': tokenFile })
  await until(async () => (await getJson(`${url}/v1/instances`, asAdmin)).instances.length === 1, 'it is connected')
  const labels = { site: 'berlin' }
  const config = { ...configurationOf(['sensor-1']), instances: [{ name: 'sensor-1', labels }] }
  await submit('stage_configuration', { config })
  t.equal((await submit('deploy', { check: false })).state, 'succeeded')
  const browser = await startBrowser(t)
  const context = await openContext(t, browser)
  const page = await openTab(context, `${url}/nodes/manager`)
  const logIn = async (token: string, on = page) => {
    await on.getByLabel('Token').fill(token)
    await on.getByRole('button', { name: 'Log in' }).click()
  }

  await t.test('without a session there is a login, which says what is wrong', async t => {
    await page.getByRole('heading', { name: 'Zeek cluster' }).waitFor()
    t.equal(await page.getByRole('alert').count(), 0, 'nothing has ended')
    await logIn('nonsense')
    await page.getByText('The controller does not take this token.').waitFor()
  })

  await t.test('with a token there is the page that was asked for', async t => {
    await logIn(operator)
    await isLive(page)
    await page.getByRole('heading', { name: 'manager', level: 1 }).waitFor()
    await page.getByText('operator (operator)').waitFor()
    t.ok(await page.getByRole('button', { name: 'Restart', exact: true }).isEnabled())
  })

  await t.test('a session that is revoked in the middle is said in every tab, and nothing is left to see', async t => {
    const other = await openTab(context, url)
    await cell(other, 'manager', 'RUNNING').waitFor()
    const { tokens } = await getJson(`${url}/v1/tokens`, asAdmin)
    const session = tokens.find(({ session_of: of, name }: any) => of !== undefined && name === 'operator')
    const { status } = await fetch(`${url}/v1/tokens/${session.id}`, { method: 'DELETE', headers: asAdmin })
    t.equal(status, 204)
    for (const tab of [page, other]) {
      await tab.getByText('You are signed out').waitFor()
      t.equal(await tab.locator('.cells, .title').count(), 0)
    }
    await logIn(operator, other)
    await isLive(other)
    // All tabs of a browser have the same session.
    await isLive(page)
    t.same(troubleOf(other), [])
    await other.close()
  })

  await t.test('who logs out is signed out', async () => {
    await page.getByText('operator (operator)').click()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('button', { name: 'Log in' }).waitFor()
  })

  await t.test('a viewer sees, and is told why it cannot act', async t => {
    await logIn(viewer)
    await page.getByRole('heading', { name: 'manager', level: 1 }).waitFor()
    t.ok(await page.getByRole('button', { name: 'Restart', exact: true }).isDisabled())
    await page.getByText('To act takes the role operator.').first().waitFor()
    await page.getByRole('link', { name: 'Audit' }).click()
    await page.getByText('To read the audit log takes the role admin.').waitFor()
    const answer = await page.evaluate(
      async () =>
        (
          await fetch('v1/requests/stop', {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: '{}'
          })
        ).status
    )
    t.equal(answer, 403, 'the controller refuses what the page does not offer')
  })

  await t.test('who is limited to labels may act on what has them, and is offered nothing of the whole', async t => {
    const limited = { role: 'operator', name: 'berlin', labels: 'site=berlin' }
    const tab = await openTab(await openContext(t, browser), `${url}/nodes/manager`)
    await logIn(await tokenCommand(['create'], limited, directory), tab)
    await isLive(tab)
    await tab.getByRole('heading', { name: 'manager', level: 1 }).waitFor()
    t.ok(await tab.getByRole('button', { name: 'Restart', exact: true }).isEnabled())
    t.same(await tab.locator('.bar nav').getByRole('link').allTextContents(), [
      ...['Overview', 'Nodes', 'Hosts', 'Groups'],
      ...['Events', 'Requests', 'Audit']
    ])
    await tab.getByText('berlin (operator)').click()
    await tab.getByText('Limited to instances with site=berlin.').waitFor()
    t.same(troubleOf(tab), [])
  })

  await t.test('under a path of a proxy it is the same', async t => {
    const outside = await startPrefixProxy(t, url, '/zeek/')
    const far = await openTab(await openContext(t, browser), `${outside}nodes/manager`)
    await logIn(admin, far)
    await far.getByRole('heading', { name: 'manager', level: 1 }).waitFor()
    await isLive(far)
    await far.getByRole('link', { name: 'Audit' }).click()
    await far.getByRole('cell', { name: 'log_in' }).first().waitFor()
    t.match(far.url(), /\/zeek\/audit$/)
    await far.reload()
    await far.getByRole('cell', { name: 'log_in' }).first().waitFor()
    t.same(troubleOf(far), [])
  })

  t.same(troubleOf(page), [])
})

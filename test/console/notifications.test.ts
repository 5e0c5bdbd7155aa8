import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fakeAgent } from '../controller/fake-agent.js'
import { startReceiver } from '../notify/receiver.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { isLive, openAsViewer, openContext, openTab, overflowOf, troubleOf } from './console.js'

await t.test('rules and sinks are shown, and a sink is tested', inBrowser, async t => {
  const receiver = await startReceiver(t, (_received, response) => response.writeHead(500).end('<b>out of ink</b>'))
  const file = join(directoryOf(t), 'notify.json')
  const webhook = { url: `${receiver.url}/sekret`, headers: { Authorization: 'sekret' } }
  const rules = [
    { name: 'all', group_for: 0 },
    { name: 'later', severity: 'error' }
  ]
  writeFileSync(file, JSON.stringify({ sinks: { ops: { webhook }, other: { webhook } }, rules }))
  const { url, settings } = await startTestController(t, { 'controller-notify': file })
  const page = await openTab(await openContext(t, await startBrowser(t)), `${url}/notifications`)
  await isLive(page)
  const sinks = page.getByRole('table').nth(0)
  const tables = page.getByRole('table').nth(1)
  await sinks
    .getByRole('row', { name: new RegExp(`^ops ${receiver.url} webhook, json nothing is amiss 0 0`) })
    .waitFor()
  await tables.getByRole('row', { name: /^all warnings and errors ops 0 - never/ }).waitFor()
  await tables.getByRole('row', { name: /^later errors; gathered for 60 s ops 0/ }).waitFor()
  t.same(await barriersOf(page), [])

  await page.getByRole('button', { name: 'Test ops' }).click()
  await page.getByText('ops: the test was not taken: HTTP 500: <b>out of ink</b>').waitFor()
  t.same([receiver.received.length, receiver.notifications[0].sink], [1, 'ops'])
  const agent = await fakeAgent(t, settings.controller_port)
  agent.change('worker-1', 'RUNNING', 'CRASHED')
  await sinks.getByRole('row', { name: /^ops .* fails since .*: HTTP 500/ }).waitFor()
  t.same(await barriersOf(page), [])
  receiver.behave((_received, response) => response.end('thanks'))
  await page.getByRole('button', { name: 'Test ops' }).click()
  await page.getByText('ops: the test was taken: HTTP 200: thanks').waitFor()
  t.notMatch(await page.content(), 'sekret')
  await page.setViewportSize({ width: 390, height: 800 })
  t.equal(await overflowOf(page), undefined)
  t.same(troubleOf(page), [])
})

await t.test('a viewer sees them, and may not test', inBrowser, async t => {
  const directory = directoryOf(t)
  const file = join(directory, 'notify.json')
  writeFileSync(file, JSON.stringify({ sinks: { ops: { command: { command: '/bin/true' } } } }))
  const token = await tokenCommand(['create'], { role: 'viewer', name: 'viewer' }, directory)
  const { url } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    'controller-notify': file
  })
  const page = await openTab(await openContext(t, await startBrowser(t)), `${url}/notifications`)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('To test a sink takes the role operator.').waitFor()
  t.equal(await page.getByRole('button', { name: 'Test ops' }).isDisabled(), true)
  t.same(await barriersOf(page), [])
  t.same(troubleOf(page), [])
})

await t.test('where nobody is told, it is said how that is set up', inBrowser, async t => {
  const page = await openAsViewer(t, '/notifications')
  await page.getByText('Nobody is told what happens').waitFor()
  await page.getByRole('link', { name: 'How notifications are set up' }).waitFor()
  t.same(await barriersOf(page), [])
  t.same(troubleOf(page), [])
})

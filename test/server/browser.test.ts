import t from 'tap'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { complaintsOf, inBrowser, startBrowser } from '../support/browser.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { startPrefixProxy } from '../support/prefix-proxy.js'

await t.test('a real browser', inBrowser, async t => {
  const directory = directoryOf(t)
  const token = await tokenCommand(['create'], { role: 'operator', name: 'ops' }, directory)
  const { url } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token'
  })
  const browser = await startBrowser(t)
  const context = await browser.newContext()
  const page = await context.newPage()
  const complaints = complaintsOf(page)

  await t.test('shows the pages of the document, and nothing in them is blocked', async t => {
    await page.goto(`${url}/docs/`)
    await page.getByText('/v1/requests/deploy').first().waitFor()
    t.same(complaints, [])
  })

  await t.test('logs in, and asks from there', async t => {
    const status = await page.evaluate(
      async token =>
        (
          await fetch('/v1/session', {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ token })
          })
        ).status,
      token
    )
    t.equal(status, 200)
    t.equal(await page.evaluate('document.cookie'), '', 'scripts do not see the session')
    const operation = page.locator('#operations-session-get_session')
    await operation.locator('.opblock-summary-control').click()
    await operation.getByText('Try it out').click()
    await operation.getByText('Execute').click()
    await operation.locator('.live-responses-table').getByText('"name": "ops"').waitFor()
    const post = page.locator('#operations-requests-request_get_instances')
    await post.locator('.opblock-summary-control').click()
    await post.getByText('Try it out').click()
    await post.getByText('Execute').click()
    await post.locator('.live-responses-table').getByText('202', { exact: true }).first().waitFor()
    t.same(complaints, [])
  })

  await t.test('asks from below the path that a proxy has put the server under', async t => {
    const prefix = await startPrefixProxy(t, url, '/zeek/')
    const page = await (await browser.newContext()).newPage()
    const complaints = complaintsOf(page)
    await page.goto(`${prefix}docs`)
    const operation = page.locator('#operations-monitoring-get_liveness')
    await operation.locator('.opblock-summary-control').click()
    await operation.getByText('Try it out').click()
    await operation.getByText('Execute').click()
    await operation.locator('.live-responses-table').getByText('"status": "ok"').waitFor()
    t.same(complaints, [])
  })

  await t.test('follows events with its session, and with a ticket', async t => {
    const first = async (on: typeof page, path: string) =>
      await on.evaluate(
        path =>
          new Promise<string>((resolve, reject) => {
            const events = new EventSource(path)
            events.addEventListener('hello', () => {
              events.close()
              resolve('hello')
            })
            events.onerror = () => {
              events.close()
              reject(new Error('refused'))
            }
          }),
        path
      )
    t.equal(await first(page, '/v1/events'), 'hello')
    const { ticket } = await page.evaluate(
      async () => (await (await fetch('/v1/tickets', { method: 'POST' })).json()) as { ticket: string }
    )
    const other = await (await browser.newContext()).newPage()
    await other.goto(`${url}/docs/`)
    await t.rejects(first(other, '/v1/events'), /refused/, 'not without')
    t.equal(await first(other, `/v1/events?ticket=${ticket}`), 'hello')
    await t.rejects(first(other, `/v1/events?ticket=${ticket}`), /refused/, 'not twice')
  })

  await t.test('can do nothing from another site, not even one on another port of this host', async t => {
    const stranger = await startTestController(t)
    const evil = await context.newPage()
    for (const there of [stranger.url, stranger.url.replace('127.0.0.1', 'localhost')]) {
      await evil.goto(`${there}/healthz`)
      for (const init of [
        {},
        { method: 'POST' },
        { mode: 'no-cors', credentials: 'include' },
        { method: 'POST', mode: 'no-cors', credentials: 'include' }
      ] as RequestInit[]) {
        const seen = await evil.evaluate(
          async ([url, init]) =>
            await fetch(url, init).then(
              ({ status, type }) => (type === 'opaque' ? 0 : status),
              () => 0
            ),
          [`${url}/v1/requests/deploy`, init] as const
        )
        t.equal(seen, 0, JSON.stringify(init))
      }
      const opened = await evil.evaluate(
        url =>
          new Promise<boolean>(resolve => {
            const socket = new WebSocket(url)
            socket.onopen = () => resolve(true)
            socket.onerror = () => resolve(false)
          }),
        `${url.replace('http', 'ws')}/v1/messages/json`
      )
      t.notOk(opened)
    }
    const { requests } = await page.evaluate(
      async () => (await (await fetch('/v1/requests')).json()) as { requests: { type: string }[] }
    )
    t.same(
      requests.map(({ type }) => type),
      ['get_instances']
    )
  })
})

import t from 'tap'
import { buildGuide } from '../../scripts/guide.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { barriersOf, complaintsOf, inBrowser, startBrowser } from '../support/browser.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { html, pagesOf } from '../support/pages.js'
import { startPrefixProxy } from '../support/prefix-proxy.js'

const pages = pagesOf(t)
await buildGuide(pages)
const state = directoryOf(t)
await tokenCommand(['create'], { role: 'operator', name: 'ops' }, state)
const { url } = await startTestController(
  t,
  { 'management-state-dir': state, 'controller-authentication': 'token' },
  { pages }
)

/** What a page links to, and the ids in it. */
const linksOf = (text: string) => [...text.matchAll(/ (?:href|src)="([^"]*)"/g)].map(([, href]) => href!)
const idsOf = (text: string) => [...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!)

/** Follows every link from a page on, within a prefix. Returns the text of each URL, without fragments. */
async function crawl(start: string, prefix: string, problems: string[]): Promise<Map<string, string>> {
  const read = new Map<string, string>()
  const waiting = [{ target: start, from: 'here' }]
  const fragments: { page: string; id: string; from: string }[] = []
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { hash, href } = new URL(next.target)
    const page = href.slice(0, href.length - hash.length)
    if (hash !== '') fragments.push({ page, id: decodeURIComponent(hash.slice(1)), from: next.from })
    if (read.has(page)) continue
    if (!page.startsWith(prefix)) {
      const isOurs = new URL(page).origin === new URL(prefix).origin
      if (isOurs) problems.push(`${next.from}: ${page} is outside of ${prefix}`)
      continue
    }
    const response = await fetch(page, { redirect: 'manual' })
    const text = await response.text()
    read.set(page, text)
    if (response.status !== 200) problems.push(`${next.from}: ${page} is ${response.status}`)
    if (!page.startsWith(`${prefix}docs/guide/`)) continue
    for (const link of linksOf(text)) {
      if (!link.startsWith('data:')) waiting.push({ target: new URL(link, page).href, from: page })
    }
  }
  for (const { page, id, from } of fragments) {
    if (!idsOf(read.get(page) ?? '').includes(id)) problems.push(`${from}: ${page} has no ${id}`)
  }
  return read
}

await t.test('every link of the guide leads somewhere, also where a proxy has it under a prefix', async t => {
  for (const prefix of [`${url}/`, await startPrefixProxy(t, url, '/zeek/')]) {
    const problems: string[] = []
    const read = await crawl(`${prefix}docs/guide/`, prefix, problems)
    t.same(problems, [])
    const reached = [...read.keys()].map(page => page.slice(prefix.length))
    t.ok(reached.filter(page => page.startsWith('docs/guide/')).length > 20)
    for (const page of ['', 'docs/', 'openapi.yaml', 'docs/guide/security']) t.ok(reached.includes(page), page)
    t.equal(read.get(prefix), html, 'the console')
  }
})

await t.test('the guide is for all, with the headers of pages', async t => {
  for (const path of ['/docs/guide/', '/docs/guide/security']) {
    const response = await fetch(url + path)
    t.equal(response.status, 200)
    await response.body?.cancel()
    t.match(Object.fromEntries(response.headers), {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'content-security-policy': /^default-src 'self';[^]*script-src 'self';style-src 'self';/,
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY'
    })
    t.notMatch(response.headers.get('content-security-policy'), 'unsafe')
    const again = await fetch(url + path, { headers: { 'if-none-match': response.headers.get('etag')! } })
    t.equal(again.status, 304)
    t.equal((await fetch(url + path, { method: 'HEAD' })).status, 200)
  }
})

await t.test('its style is kept for ever', async t => {
  const link = linksOf(await (await fetch(`${url}/docs/guide/`)).text()).find(link => link.endsWith('.css'))!
  const response = await fetch(`${url}/docs/guide/${link}`)
  t.match(Object.fromEntries(response.headers), {
    'content-type': 'text/css; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable'
  })
  t.match(await response.text(), 'prefers-color-scheme: dark')
  t.equal((await fetch(`${url}/docs/guide/guide-00000000.css`)).status, 404)
})

await t.test('a page is found without the slash of the guide, and no other is', async t => {
  const redirect = await fetch(`${url}/docs/guide`, { redirect: 'manual' })
  t.equal(redirect.headers.get('location'), 'guide/')
  t.equal((await fetch(`${url}/docs/guide`)).url, `${url}/docs/guide/`)
  for (const path of [
    'nope',
    'index',
    'security/',
    'security.html',
    'security.md',
    'Security',
    'a/b',
    'security%2f',
    '.'
  ]) {
    const response = await fetch(`${url}/docs/guide/${path}`)
    t.equal(response.status, path === '.' ? 200 : 404, path)
    if (path !== '.') t.match(response.headers.get('content-type'), 'application/problem+json', path)
  }
})

await t.test('the API reference is where it was', async t => {
  const text = await (await fetch(`${url}/docs/`)).text()
  t.match(text, 'swagger-ui')
  t.equal((await fetch(`${url}/docs/static/swagger-ui-bundle.js`, { method: 'HEAD' })).status, 200)
})

await t.test('a controller whose guide is not built says how to build it', async t => {
  const { url } = await startTestController(t, {}, { pages: directoryOf(t) })
  const response = await fetch(`${url}/docs/guide/`)
  t.equal(response.status, 404)
  t.match(await response.json(), { detail: 'the guide is not built: npm run build' })
  t.equal((await fetch(`${url}/docs/guide/security`)).status, 404)
})

await t.test('a browser shows the guide, and nothing in it is blocked', inBrowser, async t => {
  const browser = await startBrowser(t)
  const prefix = await startPrefixProxy(t, url, '/zeek/')
  for (const [scheme, width] of [
    ['light', 1200],
    ['dark', 320]
  ] as const) {
    const page = await browser.newPage({ colorScheme: scheme, viewport: { width, height: 800 } })
    const complaints = complaintsOf(page)
    const check = async (what: string) => {
      t.same(await barriersOf(page), [], `${what}, ${scheme}, ${width}`)
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
      t.ok(Number(overflow) <= 0, `${what} fits into ${width}`)
    }
    await page.goto(`${prefix}docs/guide/`)
    await page.getByRole('heading', { name: 'Guide' }).waitFor()
    await check('the contents')
    await page.getByRole('main').getByRole('link', { name: 'security' }).click()
    await page.waitForURL('**/zeek/docs/guide/security')
    await check('security')
    await page.getByRole('navigation', { name: 'On this page' }).getByRole('link', { name: 'Roles' }).click()
    await page.waitForURL('**/security#roles')
    t.ok(await page.getByRole('heading', { name: 'Roles' }).isVisible())
    await page.goto(`${prefix}docs/guide/http-api`)
    await check('the HTTP API')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/http-api#content')
    t.same(complaints, [])
    await page.close()
  }
})

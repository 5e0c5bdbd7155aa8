import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import t from 'tap'
import { consolePaths } from '../../src/server/console.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { complaintsOf, inBrowser, startBrowser } from '../support/browser.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { html, pagesOf, script, style } from '../support/pages.js'
import { startPrefixProxy } from '../support/prefix-proxy.js'
import { openRaw } from '../support/zeek-websocket.js'

const pages = pagesOf(t)
const { url, settings } = await startTestController(t, {}, { pages })
const port = settings.controller_websocket_port

/** Sends a request with a target as it is written, which fetch would tidy. */
async function raw(target: string, headers: string[] = [], method = 'GET'): Promise<string> {
  const lines = [`${method} ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...headers, 'Connection: close']
  const { socket, ended } = await openRaw(t, port, `${lines.join('\r\n')}\r\n\r\n`)
  const answer = await ended
  socket.destroy()
  return answer
}
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
const depthOf = (path: string) => path.split('/').length - 2
const instances = consolePaths.map(path => path.replace(/:\w+/, 'worker-1'))

await t.test('the page is served at each of its paths, with a base that fits', async t => {
  for (const path of [...instances, '/nodes/a%2Fb', '/?q=1', '/nodes?state=FAILED']) {
    const response = await fetch(url + path)
    t.equal(response.status, 200, path)
    t.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
    const base = depthOf(path) === 0 ? './' : '../'
    t.equal(await response.text(), html.replace('./', base), path)
  }
})

await t.test('what is no path of the console is not found', async t => {
  for (const path of [
    ...instances.filter(path => path !== '/').map(path => `${path}/`),
    '/index.html',
    '/node',
    '/Nodes',
    '/nodes/a/b',
    '/deploy/x',
    '/login/x',
    '/assets',
    '/assets/'
  ]) {
    const response = await fetch(url + path)
    t.equal(response.status, 404, path)
    t.match(response.headers.get('content-type'), 'application/problem+json')
    t.equal(response.headers.get('cache-control'), 'no-store')
  }
  t.match(await (await fetch(`${url}/nodes/`)).json(), { code: 'not_found', detail: 'there is no /nodes/' })
})

await t.test('a page is asked for again each time, and sent only when it has changed', async t => {
  const first = await fetch(url)
  const etag = first.headers.get('etag')!
  t.match(etag, /^"[\w-]+"$/)
  t.equal(first.headers.get('cache-control'), 'no-cache')
  const status = async (known: string, path = '/') =>
    (await fetch(url + path, { headers: { 'if-none-match': known } })).status
  t.equal(await status(etag), 304)
  t.equal(await status(etag, '/nodes'), 304, 'the same page')
  t.equal(await status(etag, '/nodes/worker-1'), 200, 'another one')
  t.equal(await status(`"other", W/${etag}`), 304, 'as a proxy that compresses has it')
  t.equal(await status('"other"'), 200)
})

await t.test('a page that was replaced is sent, though it has the size and time of the one before', async t => {
  const pages = pagesOf(t)
  const { url } = await startTestController(t, {}, { pages })
  const text = async () => await (await fetch(`${url}/login`)).text()
  t.match(await text(), '<title>Console</title>')
  writeFileSync(join(pages, 'new.html'), html.replace('Console', 'Changed'))
  renameSync(join(pages, 'new.html'), join(pages, 'index.html'))
  t.match(await text(), '<title>Changed</title>')
})

await t.test('HEAD tells of a page and of an asset', async t => {
  for (const path of ['/', '/nodes/worker-1', '/assets/main-BBBB3333.js']) {
    const [got, head] = [await fetch(url + path), await fetch(url + path, { method: 'HEAD' })]
    t.equal(head.status, 200)
    t.equal(await head.text(), '')
    for (const name of ['content-type', 'content-length', 'cache-control', 'etag', 'content-security-policy']) {
      t.equal(head.headers.get(name), got.headers.get(name), `${path} ${name}`)
    }
    await got.body?.cancel()
  }
})

await t.test('what is no GET is not allowed', async t => {
  for (const path of [...instances, '/assets/main-BBBB3333.js', '/docs/guide/', '/docs/guide/security']) {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const response = await fetch(url + path, { method })
      t.equal(response.status, 405, `${method} ${path}`)
      t.match(response.headers.get('allow'), 'GET')
      t.match(await response.json(), { code: 'method_not_allowed' })
    }
  }
})

await t.test('an asset is kept for ever, and compressed for who takes that', async t => {
  for (const [name, type, text] of [
    ['main-AAAA2222.css', 'text/css; charset=utf-8', style],
    ['main-BBBB3333.js', 'application/javascript; charset=utf-8', script]
  ] as const) {
    for (const [accepted, encoding, decode] of [
      ['gzip, deflate, br', 'br', brotliDecompressSync],
      ['br;q=0.5, gzip', 'gzip', gunzipSync],
      ['gzip', 'gzip', gunzipSync],
      ['deflate', undefined, String],
      ['identity', undefined, String],
      ['', undefined, String]
    ] as const) {
      // fetch would decode it.
      const answer = await raw(`/assets/${name}`, [`Accept-Encoding: ${accepted}`], 'HEAD')
      t.equal(statusOf(answer), 200, `${name} ${accepted}`)
      const headers = new Headers(
        answer
          .trim()
          .split('\r\n')
          .slice(1)
          .map(line => line.split(/: (.*)/s).slice(0, 2) as [string, string])
      )
      t.match(Object.fromEntries(headers), {
        'content-type': type,
        'cache-control': 'public, max-age=31536000, immutable',
        vary: 'accept-encoding',
        'x-content-type-options': 'nosniff'
      })
      t.equal(headers.get('content-encoding') ?? undefined, encoding)
      const suffix = encoding === undefined ? '' : encoding === 'br' ? '.br' : '.gz'
      const bytes = readFileSync(join(pages, 'assets', name + suffix))
      t.equal(headers.get('content-length'), String(bytes.length))
      t.equal(String(decode(bytes)), text)
    }
    t.equal(await (await fetch(`${url}/assets/${name}`)).text(), text)
  }
  const icon = await fetch(`${url}/assets/icon-CCCC4444.svg`)
  t.equal(icon.headers.get('content-type'), 'image/svg+xml', 'one that is not compressed')
  await icon.body?.cancel()
})

await t.test('nothing else can be read by way of the assets', async t => {
  for (const target of [
    '/assets/.hidden-AAAA2222.js',
    '/assets/%2ehidden-AAAA2222.js',
    '/assets/main-BBBB3333.js.map',
    '/assets/main-BBBB3333.js.br',
    '/assets/main-BBBB3333.js.gz',
    '/assets/notes.txt',
    '/assets/nope-AAAA2222.js',
    '/assets/inner-AAAA2222.js',
    '/assets/inner-AAAA2222.js/',
    '/assets/../index.html',
    '/assets/../secret-AAAA2222.js',
    '/assets/..%2fsecret-AAAA2222.js',
    '/assets/%2e%2e/secret-AAAA2222.js',
    '/assets/%2e%2e%2fsecret-AAAA2222.js',
    '/assets/..%5csecret-AAAA2222.js',
    '/assets/..\\secret-AAAA2222.js',
    '/assets/%252e%252e%252fsecret-AAAA2222.js',
    '/assets//secret-AAAA2222.js',
    '/assets/....//secret-AAAA2222.js',
    '/assets/main-BBBB3333.js%00',
    '/assets/%00main-BBBB3333.js',
    '/assets/main-BBBB3333.js%0a',
    '/assets/%2fetc%2fpasswd',
    `/assets/${encodeURIComponent(join(pages, 'secret-AAAA2222.js'))}`,
    '/docs/guide/../index',
    '/docs/guide/..%2findex',
    '/docs/guide/%2e%2e%2findex',
    '/docs/guide/index.html'
  ]) {
    const answer = await raw(target)
    t.ok([400, 404].includes(statusOf(answer)), `${target}: ${statusOf(answer)}`)
    t.match(answer, /content-type: application\/problem\+json/i, target)
    t.notMatch(answer, /beside the assets|hidden$|^notes|"mappings"|root:/m, target)
  }
})

await t.test('pages and assets are sent with a strict policy, and without what plain HTTP cannot keep', async t => {
  for (const path of ['/', '/nodes/worker-1', '/assets/main-BBBB3333.js', '/assets/main-AAAA2222.css']) {
    const response = await fetch(url + path)
    await response.body?.cancel()
    t.match(
      Object.fromEntries(response.headers),
      {
        'content-security-policy':
          "default-src 'self';base-uri 'self';frame-ancestors 'none';form-action 'self';object-src 'none';script-src 'self';style-src 'self';img-src 'self' data:;connect-src 'self';worker-src 'self'",
        'x-frame-options': 'DENY',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
        'strict-transport-security': undefined
      },
      path
    )
  }
})

await t.test('with authentication the page is for all, and what it asks for is not', async t => {
  const directory = directoryOf(t)
  await tokenCommand(['create'], { role: 'operator', name: 'ops' }, directory)
  const { url } = await startTestController(
    t,
    { 'management-state-dir': directory, 'controller-authentication': 'token' },
    { pages }
  )
  const status = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, { headers })
    await response.body?.cancel()
    return response.status
  }
  for (const path of [...instances, '/assets/main-BBBB3333.js']) {
    t.equal(await status(path), 200, path)
    t.equal(await status(path, { authorization: 'Bearer guess' }), 200, path)
    t.equal(await status(path, { cookie: 'zeek-cluster-session=gone' }), 200, path)
  }
  for (const path of ['/v1/nodes', '/v1/audit', '/metrics']) t.equal(await status(path), 401, path)
})

await t.test('a link of another site leads to the page, and nothing else of such a site does', async t => {
  for (const from of ['cross-site', 'same-site']) {
    for (const [path, mode, expected] of [
      ['/', 'navigate', 200],
      ['/nodes/worker-1', 'navigate', 200],
      ['/', 'cors', 403],
      ['/', 'no-cors', 403],
      ['/assets/main-BBBB3333.js', 'no-cors', 403]
    ] as const) {
      const answer = await raw(path, [`Sec-Fetch-Site: ${from}`, `Sec-Fetch-Mode: ${mode}`])
      t.equal(statusOf(answer), expected, `${from} ${mode} ${path}`)
    }
  }
  t.equal(statusOf(await raw('/', ['Origin: http://evil.example'])), 403)
  t.equal(statusOf(await raw('/', [], 'GET')), 200)
})

await t.test('a controller whose console is not built starts, and says how to build it', async t => {
  const { url } = await startTestController(t, {}, { pages: join(directoryOf(t), 'none') })
  t.equal((await fetch(`${url}/v1/nodes`)).status, 200)
  for (const path of instances) {
    const response = await fetch(url + path)
    t.equal(response.status, 404)
    t.match(await response.json(), { code: 'not_found', detail: 'the web console is not built: npm run build' })
  }
  t.equal((await fetch(`${url}/assets/main-BBBB3333.js`)).status, 404)
})

await t.test('a browser shows it at any depth, also where a proxy has it under a prefix', inBrowser, async t => {
  const page = await (await startBrowser(t)).newPage()
  const complaints = complaintsOf(page)
  const prefixes = [`${url}/`, await startPrefixProxy(t, url, '/zeek/'), await startPrefixProxy(t, url, '/a/b/c/')]
  for (const prefix of prefixes) {
    for (const path of instances) {
      await page.goto(prefix + path.slice(1))
      await page.getByText(`base ${new URL(prefix).pathname}`, { exact: true }).waitFor()
      t.equal(
        await page.locator('#console').evaluate('getComputedStyle(document.getElementById("console")).color'),
        'rgb(1, 2, 3)'
      )
    }
  }
  t.same(complaints, [])
})

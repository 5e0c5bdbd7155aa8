import { randomBytes } from 'node:crypto'
import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import t from 'tap'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { tarOf, type TarEntry } from '../bundles/tar.js'
import { configurationOf } from '../flow/cluster.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { answerOf, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { chooseFile, dropFile, isLive, openContext, openTab, overflowOf, throttle, troubleOf } from './console.js'

const evil = '<img src=x onerror="window.isTaken = true">'
const hidden = 'a\u202egnp.zeek'
const maxBytes = 2_000_000
const many = Array.from({ length: 1000 }, (_, n): TarEntry => ({ path: `packages/many/${n}.zeek`, content: String(n) }))

async function push(url: string, name: string, ...entries: readonly TarEntry[]): Promise<string> {
  const { json } = await answerOf(
    await fetch(`${url}/v1/bundles?name=${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-tar' },
      body: new Uint8Array(tarOf(...entries))
    })
  )
  return json.id
}

const bundlesOf = async (url: string): Promise<{ id: string; names: string[] }[]> =>
  (await getJson(`${url}/v1/bundles`)).bundles

const choose = (page: Page, file: Parameters<typeof chooseFile>[2]) => chooseFile(page, 'Choose an archive…', file)
const archive = (buffer: Buffer, name = 'site.tar') => ({ name, mimeType: 'application/x-tar', buffer })
const upload = (page: Page) => page.getByRole('button', { name: 'Upload', exact: true })

await t.test('bundles are seen, compared, uploaded and deleted', { ...inBrowser, timeout: 400_000 }, async t => {
  const { url, ask } = await startTestController(t, { 'controller-bundle-max-bytes': String(maxBytes) })
  const local = { path: 'scripts/local.zeek', content: '@load ./more\n' }
  const first = await push(url, 'site', local, { path: 'config/old.dat', content: 'x' })
  await ask('stage_configuration', { config: { ...configurationOf(['a']), bundle: 'site' } })
  await push(url, 'other', { path: 'intel/feed.dat', content: 'x' })
  const second = await push(
    url,
    'site',
    { ...local, content: 'print 1;\n', mode: 0o755 },
    { path: `scripts/${evil}.zeek`, content: 'x' },
    { path: `scripts/${hidden}`, content: 'x' },
    ...many
  )
  const browser = await startBrowser(t)
  const page = await openTab(await openContext(t, browser), `${url}/content`)
  await isLive(page)
  const list = page.getByRole('region', { name: 'Bundles, newest first' })
  const files = page.getByRole('table', { name: 'Files of the bundle' })
  const changes = page.getByRole('table', { name: 'Files that differ' })

  await t.test('all are listed, with who uses them', async t => {
    await list.getByRole('row').nth(3).waitFor()
    const rows = await list.getByRole('row').allTextContents()
    t.match(rows[1], /^[0-9a-f]{12}site1003/)
    t.match(rows[3], new RegExp(`^${first.slice(0, 12)}2.*anyonestaged$`), 'its name points to another one by now')
    t.equal(await list.locator('code').last().getAttribute('title'), first)
    await ask('stage_configuration', { config: { ...configurationOf(['a']), bundle: 'other' } })
    await list.getByRole('row', { name: /other.*staged/ }).waitFor()
    await ask('stage_configuration', { config: { ...configurationOf(['a']), bundle: first } })
    await list.getByRole('row', { name: new RegExp(`^${first.slice(0, 12)}.*staged`) }).waitFor()
  })

  await t.test('of many files those are drawn that are to be seen, and found by a part of their path', async t => {
    await list.getByRole('link', { name: second.slice(0, 12) }).click()
    await page.getByRole('heading', { name: second.slice(0, 12), level: 1 }).waitFor()
    await page.getByText(second, { exact: true }).waitFor()
    await files.getByText('packages/many/0.zeek').waitFor()
    t.equal(await files.getAttribute('aria-rowcount'), '1004')
    t.ok((await files.getByRole('row').count()) < 200)
    await page.getByLabel('Path').fill('MANY/999')
    await files.getByText('packages/many/999.zeek').waitFor()
    await page.getByText('1 file of 1003').waitFor()
    await page.reload()
    await page.getByText('1 file of 1003').waitFor()
    await page.getByLabel('Path').fill('no such path')
    await page.getByText('No path has this in it.').waitFor()
    await page.getByLabel('Path').fill('')
    await files.getByText('packages/many/0.zeek').waitFor()
    await page.getByRole('region', { name: 'Files of the bundle' }).press('End')
    await files.getByText('scripts/local.zeek').waitFor()
  })

  await t.test('paths are shown as text, and nothing of them is run', async t => {
    await page.getByLabel('Path').fill('scripts/')
    await files.getByText(`scripts/${evil}.zeek`).waitFor()
    await files.getByText('scripts/a\\u202egnp.zeek').waitFor()
    await files.getByRole('row', { name: /scripts\/local.zeek.*executable/ }).waitFor()
    t.equal(await page.evaluate('window.isTaken'), undefined)
    t.equal(await page.locator('main img').count(), 0)
  })

  await t.test('it is compared with what is used, or with another one, which the URL names', async t => {
    await page.getByText('1002 added, 1 removed, 1 changed in this one.').waitFor()
    const rows = changes.getByRole('row')
    await changes.getByRole('row', { name: /config\/old.dat.*removed/ }).waitFor()
    t.ok((await rows.count()) < 200)
    await page
      .getByLabel('Compared with')
      .selectOption({ label: `other · ${(await bundlesOf(url))[1]!.id.slice(0, 12)}` })
    await changes.getByRole('row', { name: /intel\/feed.dat.*removed/ }).waitFor()
    t.match(page.url(), /[?&]from=[0-9a-f]{64}/)
    await page.goto(`${url}/content/${first}?from=${second}`)
    await page.getByText('1 added, 1002 removed, 1 changed in this one.').waitFor()
    await page.getByRole('region', { name: 'Files that differ' }).press('End')
    await changes.getByRole('row', { name: /local.zeek changed 9 B → 13 B content, no longer executable/ }).waitFor()
    await page.goto(`${url}/content/site?from=gone`)
    await page.getByText('The difference could not be read: there is no bundle gone.').waitFor()
  })

  await t.test('a file is chosen and sent, with progress; then there is its page', async t => {
    await page.goto(`${url}/content`)
    await list.getByRole('row').nth(3).waitFor()
    t.ok(await upload(page).isDisabled())
    const limit = await throttle(page)
    await limit(100_000)
    const bytes = gzipSync(tarOf(local, { path: 'intel/noise', content: randomBytes(1_000_000) }))
    await choose(page, archive(bytes, `${evil}\u202e.tar.gz`))
    await page.getByText(`${evil}\\u202e.tar.gz, `).waitFor()
    await page.getByLabel('Name', { exact: true }).fill('site')
    await page.getByText(/^site points to [0-9a-f]{12} now/).waitFor()
    await upload(page).click()
    await page.getByRole('progressbar', { name: 'Sent' }).waitFor()
    await page.getByText(/ of 97\d KiB, [1-9]\d?%$/).waitFor()
    t.ok(await upload(page).isDisabled())

    // It goes on while another page is looked at.
    await page.getByRole('link', { name: 'Events' }).click()
    await page.getByRole('heading', { name: 'Events', level: 1 }).waitFor()
    await page.getByRole('link', { name: 'Content', exact: true }).click()
    await page.getByRole('progressbar', { name: 'Sent' }).waitFor()

    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('progressbar').waitFor({ state: 'hidden' })
    t.equal((await bundlesOf(url)).length, 3, 'nothing is kept of it')
    await page.getByLabel('Name', { exact: true }).fill('site')
    await upload(page).click()
    await page.getByRole('progressbar', { name: 'Sent' }).waitFor()
    await limit(0)
    await page.getByText(`${evil}\\u202e.tar.gz is uploaded.`).waitFor()
    const [newest] = await bundlesOf(url)
    t.same(newest!.names, ['site'])
    t.equal(page.url(), `${url}/content/${newest!.id}`)
    await files.getByText('intel/noise').waitFor()
    t.equal(await page.evaluate('window.isTaken'), undefined)
  })

  await t.test('what is dropped is taken; what is there already is said to be', async () => {
    await page.getByRole('link', { name: 'Content', exact: true }).click()
    await list.getByRole('row').nth(4).waitFor()
    await dropFile(page, 'dropped.tar', tarOf({ path: 'intel/feed.dat', content: 'x' }))
    await page.getByText('dropped.tar, ').waitFor()
    await upload(page).click()
    await page.getByText('dropped.tar is uploaded: its content was there already').waitFor()
  })

  await t.test('what is refused is told with the entry, and can be sent otherwise', async t => {
    await page.getByRole('link', { name: 'Content', exact: true }).click()
    await list.getByRole('row').nth(4).waitFor()
    const alert = page.getByRole('alert')
    const before = await bundlesOf(url)
    await choose(page, archive(tarOf(local, { path: '../x', content: 'x' })))
    await upload(page).click()
    await alert.getByText('Not uploaded: "../x": a path in a bundle leads out of it').waitFor()
    t.same(await barriersOf(page), [])

    await choose(page, archive(tarOf({ path: 'intel/large', content: randomBytes(maxBytes * 3) })))
    await alert.waitFor({ state: 'hidden' })
    await upload(page).click()
    await alert.getByText(`"intel/large" it has over ${maxBytes} bytes`).waitFor()

    await page.getByLabel('Name', { exact: true }).fill('no name')
    await upload(page).click()
    await alert.getByText('querystring/name must be a name of 1 to 64').waitFor()
    await page.getByLabel('Name', { exact: true }).fill('')

    const path = join(directoryOf(t), 'changed.tar')
    writeFileSync(path, tarOf(local))
    // Browsers notice what was changed by the second.
    utimesSync(path, 1, 1)
    await choose(page, path)
    writeFileSync(path, tarOf(local, local))
    await upload(page).click()
    await alert.getByText('it cannot be read: it was changed or moved').waitFor()
    t.same(await bundlesOf(url), before, 'nothing of all that is kept')
  })

  await t.test('deleting asks, and says why it cannot be', async t => {
    await page.goto(`${url}/content/${first}`)
    await page.getByText('The staged configuration names it: it cannot be deleted.').waitFor()
    const remove = page.getByRole('button', { name: 'Delete' })
    t.ok(await remove.isDisabled())
    await page.goto(`${url}/content/other`)
    await remove.click()
    const dialog = page.getByRole('dialog', { name: 'Delete other?' })
    await dialog.getByText('other points to nothing then.').waitFor()
    t.same(await barriersOf(page), [])
    // Somebody else is faster.
    await ask('stage_configuration', { config: { ...configurationOf(['a']), bundle: 'other' } })
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await dialog.getByText('Not deleted: the staged configuration names this bundle.').waitFor()
    await ask('stage_configuration', { config: configurationOf(['a']) })
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('heading', { name: 'Content', level: 1 }).waitFor()
    await until(async () => (await list.getByRole('row').count()) === 4, 'it is not listed any more')
    await page.goto(`${url}/content/other`)
    await page.getByText('there is no bundle other. All bundles').waitFor()
  })

  t.same(troubleOf(page), [])

  await t.test('nothing keeps anybody from the pages, in any theme and width', async t => {
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 375]
    ] as const) {
      const context = await openContext(t, browser, { colorScheme, viewport: { width, height: 800 } })
      const tab = await openTab(context, `${url}/content`)
      for (const [path, last] of [
        ['content', 'Bundles, newest first'],
        [`content/${second}`, 'Files that differ']
      ] as const) {
        await tab.goto(`${url}/${path}`)
        await isLive(tab)
        await tab.getByRole('region', { name: last }).waitFor()
        await until(async () => (await tab.locator('main [aria-busy=true]').count()) === 0, `/${path} is there`)
        t.same(await barriersOf(tab), [], `/${path}, ${colorScheme}`)
        t.equal(await overflowOf(tab), undefined, `/${path} is as wide as the window`)
        const help = tab.getByRole('link', { name: /^Guide: / })
        t.equal((await fetch(`${url}/${await help.getAttribute('href')}`)).status, 200, 'its guide is there')
      }
      t.same(troubleOf(tab), [])
    }
  })
})

await t.test('a viewer sees which there are, and is told why it sees and does no more', inBrowser, async t => {
  const directory = directoryOf(t)
  const tokenOf = (role: string) => tokenCommand(['create'], { role, name: role }, directory)
  const [viewer, operator] = [await tokenOf('viewer'), await tokenOf('operator')]
  const { url } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token'
  })
  const { json } = await answerOf(
    await fetch(`${url}/v1/bundles?name=site`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-tar', authorization: `Bearer ${operator}` },
      body: new Uint8Array(tarOf({ path: 'scripts/local.zeek', content: 'x' }))
    })
  )
  const page = await openTab(await openContext(t, await startBrowser(t)), `${url}/content`)
  await page.getByLabel('Token').fill(viewer)
  await page.getByRole('button', { name: 'Log in' }).click()
  const row = page.getByRole('row', { name: /site.*operator/ })
  await row.waitFor()
  t.equal(await row.getByRole('link').count(), 0)
  await page.getByText('To upload takes the role operator.').waitFor()
  for (const name of ['Choose an archive…', 'Upload']) {
    t.ok(await page.getByRole('button', { name, exact: true }).isDisabled(), name)
  }
  t.same(await barriersOf(page), [])
  await page.goto(`${url}/content/${json.id}`)
  await page.getByText('To read what is in a bundle takes the role operator.').waitFor()
  t.same(await barriersOf(page), [])
  t.same(troubleOf(page), [])
})

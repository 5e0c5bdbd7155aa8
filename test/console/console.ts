import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import type { InstanceNode } from '../../schemas/api.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { complaintsOf, startBrowser } from '../support/browser.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'

const complaints = new WeakMap<Page, string[]>()

/** Opens a page of the console in a tab. */
export async function openTab(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage()
  // A loaded machine may take long; what never comes is found out all the same.
  page.setDefaultTimeout(60_000)
  complaints.set(page, complaintsOf(page))
  await page.goto(url)
  return page
}

/** What was blocked or thrown in a tab. What a controller refuses, or that it is away, the browser tells by itself. */
export const troubleOf = (page: Page): string[] =>
  complaints.get(page)!.filter(text => !text.startsWith('Failed to load resource'))

/** Opens a context of its own: another browser, for what cookies and shared workers are concerned. */
export async function openContext(
  t: Test,
  browser: Browser,
  options: Parameters<Browser['newContext']>[0] = {}
): Promise<BrowserContext> {
  const context = await browser.newContext(options)
  t.teardown(() => context.close())
  return context
}

/** A file as a page gets it; or the path of one. */
type ChosenFile = string | { name: string; mimeType: string; buffer: Buffer }

/** Chooses a file as people do, but for the window of the system. */
export async function chooseFile(page: Page, button: string, file: ChosenFile): Promise<void> {
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: button }).click()
  await (await chooser).setFiles(file)
}

/** Drags a file over a page until that takes it, and drops it there. */
export async function dropFile(page: Page, name: string, content: Uint8Array): Promise<void> {
  const drag = async (type: 'dragover' | 'drop') => {
    const dispatch = ({ type, name, bytes }: { type: string; name: string; bytes: number[] }) => {
      const { DataTransfer, DragEvent, File, window } = globalThis as any
      const dataTransfer = new DataTransfer()
      dataTransfer.items.add(new File([new Uint8Array(bytes)], name))
      window.dispatchEvent(new DragEvent(type, { dataTransfer, cancelable: true }))
    }
    await page.evaluate(dispatch, { type, name, bytes: [...content] })
  }
  await until(async () => {
    await drag('dragover')
    return (await page.locator('.drop-here').count()) > 0
  }, 'the page takes it')
  await drag('drop')
}

/** Returns what has a page send so many bytes in a second; 0: as many as it can. */
export async function throttle(page: Page): Promise<(bytes: number) => Promise<void>> {
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  return async bytes => {
    const none = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytes === 0 ? -1 : bytes }
    await session.send('Network.emulateNetworkConditions', none)
  }
}

/** Returns by how much a page is wider than its window; undefined where it is not. */
export async function overflowOf(page: Page): Promise<string | undefined> {
  const [wide, window]: [number, number] = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')
  return wide <= window ? undefined : `${wide} of ${window}`
}

/** Opens a page of a controller that has authentication, as a viewer. */
export async function openAsViewer(t: Test, path: string): Promise<Page> {
  const directory = directoryOf(t)
  const token = await tokenCommand(['create'], { role: 'viewer', name: 'viewer' }, directory)
  const flags = { 'management-state-dir': directory, 'controller-authentication': 'token' }
  const { url } = await startTestController(t, flags)
  const page = await openTab(await openContext(t, await startBrowser(t)), url + path)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Log in' }).click()
  return page
}

export const isLive = (page: Page) => page.getByRole('status').getByText('Live', { exact: true }).waitFor()

/** The mark of a node in the map of the overview. */
export const cell = (page: Page, node: string, state: string) =>
  page.getByRole('link', { name: `${node}: ${state}`, exact: true })

/** What the map shows of each node. */
export async function shownStates(page: Page): Promise<Record<string, string>> {
  const labels = await page
    .locator('.cells a')
    .evaluateAll((cells: { getAttribute: (name: string) => string | null }[]) =>
      cells.map(cell => cell.getAttribute('aria-label') ?? '')
    )
  return Object.fromEntries(labels.map(label => label.replace(/, as wanted$/, '').split(': ')))
}

/** What the controller says of each node. */
export async function toldStates(url: string): Promise<Record<string, string>> {
  const { nodes }: { nodes: InstanceNode[] } = await getJson(`${url}/v1/nodes`)
  return Object.fromEntries(nodes.filter(node => node.mgmt_role === 'NODE').map(({ node, state }) => [node, state]))
}

/** Waits until the map shows what the controller says. */
export async function showsTruth(page: Page, url: string): Promise<void> {
  await until(async () => {
    const [shown, told] = [await shownStates(page), await toldStates(url)]
    const sorted = (states: Record<string, string>) => JSON.stringify(Object.entries(states).sort())
    return sorted(shown) === sorted(told)
  }, 'the page shows what the controller says')
}

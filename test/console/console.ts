import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import type { InstanceNode } from '../../schemas/api.js'
import { getJson } from '../support/client.js'
import { complaintsOf } from '../support/browser.js'
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

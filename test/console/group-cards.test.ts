import t from 'tap'
import { fakeAgent, manager, type FakeAgent } from '../controller/fake-agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { startTestController } from '../support/controller.js'
import { cpusOf } from '../support/machine.js'
import { until } from '../support/until.js'
import { isLive, openContext, openTab, overflowOf, troubleOf } from './console.js'

const topologyOf = (cores: number) => ({
  cpus: cpusOf({ sockets: 2, cores, threads: 2 }),
  interfaces: [{ name: 'eth1', numa: 1, queues: 8 }]
})
const uplink = {
  name: 'uplink',
  labels: { tap: 'uplink' },
  interface: 'af_packet::eth1',
  workers: 'auto',
  cpus: 'auto'
}
const config = {
  instances: [
    { name: 'agent-a', labels: { tap: 'uplink' } },
    { name: 'agent-b', labels: { tap: 'uplink' } },
    { name: 'agent-c' }
  ],
  nodes: [manager()],
  groups: [uplink, { name: 'lab', instance: 'agent-c', interface: 'eth0', workers: 2 }]
}

await t.test('groups are seen as cards', { ...inBrowser, timeout: 400_000 }, async t => {
  // Agents of this test say nothing of themselves.
  const { url, settings, ask } = await startTestController(t, { 'management-heartbeat': '600' })
  const startAgent = async (name: string, cores: number): Promise<FakeAgent> => {
    const agent = await fakeAgent(t, settings.controller_port, {
      name,
      hello: { topology: topologyOf(cores) },
      handlers: {
        deploy: ({ share }) => {
          const names: string[] = share.nodes.map(({ name }: { name: string }) => name)
          for (const node of names) agent.change(node, 'PENDING', 'RUNNING')
          return names.map(node => ({ success: true, instance: name, node }))
        }
      }
    })
    return agent
  }
  const [a, b] = await Promise.all(['agent-a', 'agent-b', 'agent-c'].map(name => startAgent(name, 4)))
  const browser = await startBrowser(t)
  const page = await openTab(await openContext(t, browser), `${url}/groups`)
  await isLive(page)
  const card = (name: string) =>
    page
      .getByRole('list', { name: 'Groups' })
      .locator('> li')
      .filter({ has: page.getByRole('heading', { name, exact: true }) })

  await t.test('without any it is said what they are for', async t => {
    await page.getByText('The configuration that is staged has no groups.').waitFor()
    const guide = page.getByRole('link', { name: 'how groups work' })
    t.equal((await fetch(`${url}/${await guide.getAttribute('href')}`)).status, 200)
    t.same(await barriersOf(page), [])
  })

  await t.test('those that are staged are shown as they would be', async t => {
    t.equal((await ask('stage_configuration', { config })).state, 'succeeded')
    await page.getByText('These groups are staged, and not what is deployed').waitFor()
    await card('uplink').getByText('8 not deployed').waitFor()
    await card('uplink').getByText('4-7').waitFor()
    await card('uplink').getByText('by tap=uplink').waitFor()
    await card('lab').getByText('not pinned').waitFor()
    t.same(await barriersOf(page), [])
  })

  await t.test('deployed, their workers are counted by state as it changes, and what is amiss is named', async () => {
    await ask('deploy')
    await card('uplink').getByText('8 RUNNING').waitFor()
    await page.getByText('These groups are staged').waitFor({ state: 'hidden' })
    b!.change('uplink-agent-b-3', 'RUNNING', 'CRASHED', 'killed by SIGSEGV')
    await card('uplink').getByText('7 RUNNING').waitFor()
    await card('uplink').getByText('CRASHED: killed by SIGSEGV').waitFor()
    await page.getByText('2 groups, 1 with something amiss').waitFor()
    await page.getByLabel('Only groups where something is amiss').check()
    await card('lab').waitFor({ state: 'hidden' })
    b!.change('uplink-agent-b-3', 'CRASHED', 'RUNNING')
    await page.getByText('No group fits.').waitFor()
    await page.getByLabel('Only groups where something is amiss').uncheck()
    await page.getByLabel('Text').fill('AGENT-C')
    await card('uplink').waitFor({ state: 'hidden' })
    await page.reload()
    await page.getByText('1 group of 2').waitFor()
    await page.getByLabel('Text').fill('')
  })

  await t.test('each worker says why it is where it is', async t => {
    await card('uplink').getByText('Each worker, and why it is there').click()
    const workers = page.getByRole('table', { name: 'Workers of uplink' })
    const why = 'CPU 6: physical core 6 of NUMA node 1, where eth1 is'
    await workers.getByRole('row', { name: `uplink-agent-b-3 RUNNING 6 ${why}` }).waitFor()
    t.equal(await workers.getAttribute('aria-rowcount'), '9')
    t.same(await barriersOf(page), [])
  })

  await t.test('what a deployment now would make otherwise is told', async t => {
    await a!.close()
    await startAgent('agent-a', 6)
    await page.getByRole('button', { name: 'Read again' }).click()
    await card('uplink').getByText('A deployment now would add 2 workers, move 4 workers.').waitFor()
    const workers = page.getByRole('table', { name: 'Workers of uplink' })
    await workers
      .getByRole('row', { name: /^uplink-agent-a-1 .* 4 a deployment now would have it elsewhere: CPU 6/ })
      .waitFor()
    t.same(await barriersOf(page), [])
  })

  t.same(troubleOf(page), [])

  await t.test('nothing keeps anybody from them, in any theme and width', async t => {
    for (const [colorScheme, width] of [
      ['light', 375],
      ['dark', 1280]
    ] as const) {
      const context = await openContext(t, browser, { colorScheme, viewport: { width, height: 800 } })
      const tab = await openTab(context, `${url}/groups`)
      await isLive(tab)
      await tab.getByText('Each worker, and why it is there').first().click()
      await until(async () => (await tab.locator('main [aria-busy=true]').count()) === 0, 'it is there')
      t.same(await barriersOf(tab), [], colorScheme)
      t.equal(await overflowOf(tab), undefined, 'it is as wide as the window')
      t.same(troubleOf(tab), [])
    }
  })
})

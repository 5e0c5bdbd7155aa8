import t from 'tap'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { inBrowser, startBrowser } from '../support/browser.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { startProxy } from '../support/proxy.js'
import { until } from '../support/until.js'
import { cell, isLive, openContext, openTab, showsTruth, troubleOf } from './console.js'

const sensors = ['sensor-1', 'sensor-2'] as const
/** A connection that is cut without a word is noticed after a heartbeat and a half. */
const flags = { 'controller-events-heartbeat': '1', 'controller-health-interval': '0.2' }

await t.test('the overview, live', { ...inBrowser, timeout: 400_000 }, async t => {
  // What a subtest starts for those after it lives as long as all of them.
  const whole = t
  const directory = directoryOf(t)
  let controller = await startTestController(t, { ...flags, 'management-state-dir': directory })
  const { url, settings } = controller
  const { port } = new URL(url)
  await Promise.all(sensors.map(name => startTestAgent(t, name, settings.controller_port)))
  const browser = await startBrowser(t)
  const context = await openContext(t, browser)
  const page = await openTab(context, url)
  await isLive(page)
  const pidOf = async (name: string): Promise<number> =>
    (await getJson(`${url}/v1/nodes`)).nodes.find(({ node }: { node: string }) => node === name).pid

  await t.test('a cluster that is deployed appears, and is well', async t => {
    await page.getByText('no cluster is deployed').waitFor()
    await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 2, 'both are connected')
    await controller.ask('stage_configuration', { config: configurationOf(sensors) })
    t.equal((await controller.ask('deploy', { check: false })).state, 'succeeded')
    await page.getByRole('heading', { name: 'The cluster does its work' }).waitFor()
    await cell(page, 'worker-1', 'RUNNING').waitFor()
    await showsTruth(page, url)
  })

  await t.test('a node that is killed is red, and green again', async t => {
    const pid = await pidOf('worker-1')
    const killed = performance.now()
    process.kill(pid, 'SIGKILL')
    await cell(page, 'worker-1', 'CRASHED').waitFor()
    t.comment(`red after ${Math.round(performance.now() - killed)} ms`)
    await cell(page, 'worker-1', 'RUNNING').waitFor()
    t.not(await pidOf('worker-1'), pid)
    await page.getByText('RUNNING → CRASHED: killed by SIGKILL').waitFor()
    await showsTruth(page, url)
  })

  await t.test('eight tabs have one stream, and samples come to all of them', async t => {
    const tabs = await Promise.all(Array.from({ length: 7 }, () => openTab(context, url)))
    await Promise.all(tabs.map(isLive))
    t.equal(controller.controller.hub.size, 1, 'streams at the controller')
    await Promise.all(tabs.map(async tab => await tab.getByText('Packets').waitFor()))
    await Promise.all(tabs.map(async tab => await showsTruth(tab, url)))
    t.same(tabs.flatMap(troubleOf), [])
    await Promise.all(tabs.slice(1).map(async tab => await tab.close()))
    await isLive(page)
    t.equal(controller.controller.hub.size, 1)
    await tabs[0]!.close()
  })

  await t.test('after a restart of the controller it goes on, without a reload and without a gap', async t => {
    await page.evaluate('window.isSame = true')
    const pid = await pidOf('logger-1')
    await controller.close()
    await page.getByText('Not live.').waitFor()
    await page.getByText(/What is shown was so at .* UTC[+-]\d\d:\d\d, \d+ (s|min) ago/).waitFor()
    // It happens while nobody tells the page.
    process.kill(pid, 'SIGKILL')
    controller = await startTestController(whole, {
      ...flags,
      'management-state-dir': directory,
      'controller-websocket-port': port,
      'controller-port': String(settings.controller_port)
    })
    await isLive(page)
    t.equal(await page.evaluate('window.isSame'), true)
    await cell(page, 'logger-1', 'RUNNING').waitFor()
    await showsTruth(page, url)
  })

  await t.test('where another log has begun it begins anew', async t => {
    await controller.close()
    controller = await startTestController(whole, {
      ...flags,
      'controller-websocket-port': port,
      'controller-port': String(settings.controller_port)
    })
    await page.getByText('no cluster is deployed').waitFor()
    await isLive(page)
    t.equal(await page.evaluate('window.isSame'), true)
    t.equal(await page.locator('.cells a').count(), 0, 'nodes of the other log are gone')
  })

  await t.test('a network that says nothing any more is noticed, and left for another connection', async t => {
    const proxy = await startProxy(t, Number(port))
    const far = await openTab(await openContext(t, browser), `http://127.0.0.1:${proxy.port}/`)
    await isLive(far)
    // Of several connections that are dead it tries one after the other.
    far.setDefaultTimeout(150_000)
    proxy.swallow()
    await far.getByText('Not live.').waitFor()
    await isLive(far)
    await far.evaluate('window.isSame = true')
    proxy.cut()
    await isLive(far)
    t.equal(await far.evaluate('window.isSame'), true)
  })
  t.same(troubleOf(page), [])
})

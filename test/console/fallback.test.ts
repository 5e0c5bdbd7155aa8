import t from 'tap'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { cell, isLive, openContext, openTab, showsTruth, troubleOf } from './console.js'

await t.test('browsers that lack something, and networks', { ...inBrowser, timeout: 400_000 }, async t => {
  const { url, settings, ask, controller } = await startTestController(t, { 'controller-events-heartbeat': '1' })
  await startTestAgent(t, 'sensor-1', settings.controller_port)
  await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 1, 'it is connected')
  await ask('stage_configuration', { config: configurationOf(['sensor-1']) })
  t.equal((await ask('deploy', { check: false })).state, 'succeeded')
  const browser = await startBrowser(t)
  const restartLogger = async () => {
    t.equal((await ask('restart', { nodes: ['logger-1'] })).state, 'succeeded')
  }

  await t.test('without shared workers one tab has the stream for all, and another one after it', async t => {
    const context = await openContext(t, browser)
    await context.addInitScript('delete window.SharedWorker')
    const tabs = [await openTab(context, url), await openTab(context, url), await openTab(context, url)] as const
    await Promise.all(tabs.map(isLive))
    t.equal(controller.hub.size, 1, 'streams at the controller')
    await Promise.all(tabs.map(async tab => await tab.getByText('Packets').waitFor()))
    // The first one leads.
    await tabs[0].close()
    const others = tabs.slice(1)
    await until(() => controller.hub.size === 1, 'one of the others has a stream')
    const before = Date.now()
    await restartLogger()
    for (const tab of others) {
      await isLive(tab)
      const news = tab.getByRole('listitem').filter({ hasText: 'logger-1' }).filter({ hasText: '→ RUNNING' })
      await until(async () => {
        const times = await news
          .locator('time')
          .evaluateAll((all: { dateTime: string }[]) => all.map(one => one.dateTime))
        return times.some(time => Date.parse(time) >= before)
      }, 'it tells of the restart')
      await showsTruth(tab, url)
    }
    t.equal(controller.hub.size, 1)
    t.same(others.flatMap(troubleOf), [])
  })

  await t.test('where tabs cannot speak with each other each one has its own stream', async t => {
    const context = await openContext(t, browser)
    await context.addInitScript('delete window.SharedWorker; delete window.BroadcastChannel')
    const tabs = [await openTab(context, url), await openTab(context, url)]
    await Promise.all(tabs.map(isLive))
    await until(() => controller.hub.size === 2, 'both have a stream, and the tabs before have none')
    await Promise.all(tabs.map(async tab => await showsTruth(tab, url)))
    t.same(tabs.flatMap(troubleOf), [])
  })

  // A shared worker is not offline with its tab in this browser: for that one there is the network that says nothing.
  await t.test('a tab that is offline says so, and comes back without a gap', async t => {
    const context = await openContext(t, browser)
    await context.addInitScript('delete window.SharedWorker')
    const page = await openTab(context, url)
    await isLive(page)
    await context.setOffline(true)
    await page.getByText('Not live.').waitFor()
    await restartLogger()
    await context.setOffline(false)
    await isLive(page)
    await showsTruth(page, url)
    t.same(troubleOf(page), [])
  })

  await t.test('with colours that are forced, and without motion, states are still told apart', async t => {
    const context = await openContext(t, browser, { forcedColors: 'active', reducedMotion: 'reduce' })
    const page = await openTab(context, url)
    await isLive(page)
    await cell(page, 'logger-1', 'RUNNING').waitFor()
    t.same(await barriersOf(page), [])
    const looks = await page.locator('.legend .mark').evaluateAll(marks => {
      const style = (globalThis as unknown as { getComputedStyle: (mark: unknown) => Record<string, string> })
        .getComputedStyle
      return marks.map(mark => {
        const { clipPath, borderRadius, backgroundColor, borderStyle, animationName } = style(mark)
        return { shape: `${clipPath} ${borderRadius} ${borderStyle}`, backgroundColor, animationName }
      })
    })
    t.equal(new Set(looks.map(({ shape }) => shape)).size, looks.length, 'each has a shape of its own')
    t.same(new Set(looks.map(({ animationName }) => animationName)), new Set(['none']))
  })
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { configurationOf } from '../flow/cluster.js'
import { startTestAgent } from '../support/agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { isLive, openContext, openTab, overflowOf, troubleOf } from './console.js'

const sensors = ['sensor-1', 'sensor-2', 'sensor-3'] as const
const workers = ['worker-1', 'worker-2', 'worker-3', 'worker-4']

/** A configuration with four workers, each with its environment. */
const configured = (
  envOf: (name: string) => Record<string, string> = () => ({}),
  instances: readonly string[] = sensors
) => {
  const base = configurationOf(instances)
  return {
    ...base,
    nodes: [
      ...base.nodes.filter(({ role }) => role !== 'WORKER'),
      ...workers.map((name, n) => ({
        name,
        instance: instances[Math.min(1 + (n % 2), instances.length - 1)]!,
        role: 'WORKER' as const,
        interface: 'lo',
        env: envOf(name)
      }))
    ]
  }
}

/** What a page shows of a deployment in steps. */
const rolloutOn = (page: Page) => {
  const steps = page.getByRole('list', { name: 'Steps' })
  return {
    line: (text: RegExp) => page.locator('.rollout').getByRole('status').getByText(text),
    step: (text: RegExp) => steps.getByRole('listitem').filter({ hasText: text }),
    bar: page.getByRole('progressbar', { name: 'Nodes that are changed, and healthy' }),
    buttons: page.getByRole('group', { name: 'Direct this deployment' }),
    button: (name: string) => page.getByRole('group', { name: 'Direct this deployment' }).getByRole('button', { name })
  }
}

await t.test(
  'a deployment goes over the nodes in steps, and is directed',
  { ...inBrowser, timeout: 600_000 },
  async t => {
    const { url, settings, ask } = await startTestController(t)
    await Promise.all(sensors.map(name => startTestAgent(t, name, settings.controller_port)))
    await until(async () => (await getJson(`${url}/v1/instances`)).instances.length === 3, 'all are connected')
    const browser = await startBrowser(t)
    const page = await openTab(
      await openContext(t, browser, { colorScheme: 'dark', viewport: { width: 375, height: 800 } }),
      `${url}/deploy`
    )
    const other = await openTab(
      await openContext(t, browser, { colorScheme: 'light', viewport: { width: 1440, height: 900 } }),
      url
    )
    await isLive(page)
    await isLive(other)
    const write = async (config: object) => {
      await page.getByRole('textbox', { name: 'Configuration' }).click()
      await page.keyboard.press('ControlOrMeta+a')
      await page.keyboard.insertText(JSON.stringify(config, null, 2))
    }
    const dialog = page.getByRole('dialog')
    const deployment = page.getByRole('region', { name: 'Deployment', exact: true })
    const here = rolloutOn(page)
    const there = rolloutOn(other)
    const last = async () => (await getJson(`${url}/v1/requests?type=deploy`)).requests[0]
    /** What was asked for, without what each deployment says. */
    const asked = async () => {
      const { force: _force, check: _check, ...args } = (await last()).arguments
      return args
    }
    const isFine = async (t: Test, tab: Page) => {
      t.same(await barriersOf(tab), [])
      t.equal(await overflowOf(tab), undefined, 'it is as wide as the window')
    }

    await t.test('the first deployment has nothing to go over', async t => {
      await write(configured())
      await page.getByRole('button', { name: 'Deploy…' }).click()
      await dialog.getByText('Nothing is deployed yet.').waitFor()
      t.equal(await dialog.getByLabel('Nodes are changed').count(), 0)
      await dialog.getByRole('button', { name: 'Deploy', exact: true }).click()
      await deployment.getByText('All nodes are as the configuration says.').waitFor()
      t.same(await asked(), {})
    })

    await t.test('how it goes is chosen; what is wrong is told at its field', async t => {
      await write(configured(() => ({ COLOUR: 'blue' })))
      await page.getByRole('button', { name: 'Deploy…' }).click()
      const how = dialog.getByLabel('Nodes are changed')
      await how.waitFor()
      t.equal(await dialog.getByLabel('At a time', { exact: true }).count(), 0)
      await how.selectOption('a few at a time')
      await dialog.getByLabel('At a time', { exact: true }).fill('0')
      await dialog.getByLabel('Canary: workers that come first').fill('1')
      await dialog.getByText('What must hold').click()
      await dialog.getByLabel('Healthy for').fill('4')
      await dialog.getByLabel('Drop at most').fill('500')
      await isFine(t, page)
      await dialog.getByLabel('Drop at most').press('Enter')
      await dialog.getByRole('alert').getByText('body/max_parallel').waitFor()
      const pace = dialog.getByLabel('At a time', { exact: true })
      t.equal(await pace.getAttribute('aria-invalid'), 'true')
      await dialog.getByText(/^must be >= 1$/).waitFor()
      await isFine(t, page)
      await pace.fill('3')
      await pace.press('Enter')
      await dialog.getByRole('alert').getByText('body/max_drop_percent').waitFor()
      t.equal(await pace.getAttribute('aria-invalid'), 'false')
      t.equal(await dialog.getByLabel('Drop at most').getAttribute('aria-invalid'), 'true')
      t.same(await asked(), {}, 'nothing is deployed')
      await dialog.getByLabel('Drop at most').fill('90')
      await dialog.getByLabel('Unit').selectOption('% of a role')
      t.equal(await pace.inputValue(), '3', 'what was written stays')
      await pace.fill('50')
      await pace.press('Enter')
      await dialog.waitFor({ state: 'hidden' })
      t.same(await asked(), {
        strategy: 'rolling',
        max_parallel_percent: 50,
        canary: 1,
        min_healthy_seconds: 4,
        max_drop_percent: 90
      })
    })

    await t.test(
      'its canary is shown to all: on its page, on the overview, and when it is opened in the middle',
      async t => {
        await here.line(/^Revision 2: step 1 of 3, worker-1 — canary$/).waitFor()
        await here.step(/Step 1 canary: worker-1$/).waitFor()
        await here.step(/Steps 2 to 3 3 nodes to come$/).waitFor()
        t.same([await here.bar.getAttribute('value'), await here.bar.getAttribute('max')], ['1', '4'])
        await page.getByText('Before the next step: healthy for 4 s, drop at most 90% or as before').waitFor()
        await page.getByText(/It waits to be promoted\. At .* it is taken back when nobody has decided\./).waitFor()
        await page
          .getByRole('list', { name: 'Nodes of this step' })
          .getByText(/^RUNNING · drop \d/)
          .waitFor()
        t.same(await here.buttons.getByRole('button').allInnerTexts(), ['Promote…', 'Pause', 'Revert…', 'Cancel…'])
        await isFine(t, page)
        await other.getByRole('heading', { name: 'A deployment is under way' }).waitFor()
        await isFine(t, other)
        await other.getByRole('link', { name: 'Revision 2: step 1 of 3, worker-1 — canary' }).click()
        await there.step(/Step 1 canary: worker-1$/).waitFor()
        await isFine(t, other)
        await other.goto(`${url}/deploy`)
        await other.getByRole('region', { name: 'Deployment in steps' }).getByText('Revision 2: step 1 of 3').waitFor()
        await isFine(t, other)
      }
    )

    await t.test('one promotes it and the other shows that; who is too late is told so', async t => {
      await here.button('Pause').focus()
      await page.keyboard.press('Enter')
      await here.buttons.getByText('It waits before its next step.').waitFor()
      await here.button('Resume').waitFor()
      t.equal(await page.evaluate('document.activeElement.textContent'), 'Resume', 'the focus stays')
      await here.button('Promote…').focus()
      await page.keyboard.press('Enter')
      const question = page.getByRole('dialog', { name: 'Promote the canary?' })
      await question.getByText('The other 3 nodes are changed, too, step by step.').waitFor()
      await isFine(t, page)
      await there.button('Promote…').click()
      await other.getByRole('dialog').getByRole('button', { name: 'Promote' }).click()
      await there.line(/^Revision 2: step 1 of 3, worker-1 — paused$/).waitFor()
      await question.getByRole('button', { name: 'Promote' }).click()
      await question.getByRole('alert').getByText('the rollout does not wait at a canary').waitFor()
      await isFine(t, page)
      await page.keyboard.press('Escape')
    })

    await t.test('it is paused, and resumed by the other, who has opened the page meanwhile', async t => {
      await here.line(/ — paused$/).waitFor()
      await page
        .getByRole('alert')
        .getByText(/has paused it/)
        .waitFor()
      await isFine(t, page)
      await other.goto(`${url}/requests/${(await last()).reqid}`)
      await there.step(/Step 1 done: worker-1$/).waitFor()
      t.same(await there.buttons.getByRole('button').allInnerTexts(), ['Resume', 'Revert…', 'Cancel…'])
      await isFine(t, other)
      await there.button('Resume').click()
      await there.button('Pause').click()
      await there.line(/step 2 of 3, worker-2, worker-3 — paused$/).waitFor()
      await other.reload()
      await there.step(/Step 1 done: worker-1$/).waitFor()
      await there.step(/Step 2 done: worker-2, worker-3$/).waitFor()
      await there.button('Resume').click()
      await deployment.getByText('All nodes are as the configuration says.').waitFor()
      await deployment.getByRole('link', { name: 'revision 2' }).waitFor()
      await other.getByText('It is revision 2.').waitFor()
      t.equal((await last()).state, 'succeeded')
      t.equal(await other.locator('.rollout').count(), 0)
      await isFine(t, page)
    })

    const deployWith = async (fields: Record<string, string>, unset: readonly string[] = []) => {
      await page.getByRole('button', { name: 'Deploy…' }).click()
      await dialog.getByLabel('Nodes are changed').selectOption('a few at a time')
      await dialog.getByText('What must hold').click()
      for (const [label, text] of Object.entries(fields)) await dialog.getByLabel(label).fill(text)
      for (const label of unset) await dialog.getByLabel(label).uncheck()
      await dialog.getByRole('button', { name: 'Deploy', exact: true }).click()
      await dialog.waitFor({ state: 'hidden' })
    }

    await t.test('what fails is taken back: it is said what is deployed, and where to look', async t => {
      await write(
        configured((name): Record<string, string> => (name === 'worker-2' ? { STAND_IN: 'exit=1' } : { COLOUR: 'red' }))
      )
      await deployWith({ 'Healthy for': '0.2' }, ['Check the nodes first'])
      await deployment.getByText('What was before is deployed: revision 2.').waitFor()
      await deployment.locator('.failures').getByRole('link', { name: 'worker-2' }).waitFor()
      await deployment.getByText('1 node taken back: worker-1').waitFor()
      await deployment.getByRole('link', { name: 'What worker-2 has written' }).waitFor()
      t.equal(await deployment.getByText('Nothing was changed').count(), 0)
      await isFine(t, page)
      await deployment.getByRole('button', { name: 'Deploy again…' }).click()
      await dialog.getByRole('heading', { name: 'Deploy this configuration?' }).waitFor()
      await page.keyboard.press('Escape')
      await other.goto(`${url}/requests/${(await last()).reqid}`)
      await other.getByText('What was before is deployed: revision 2.').waitFor()
      await other.getByRole('link', { name: 'Deploy again' }).waitFor()
      await isFine(t, other)
    })

    await t.test('it is reverted by the keyboard alone, after it was asked for', async t => {
      await write(configured(() => ({ COLOUR: 'green' })))
      await deployWith({ 'Healthy for': '0.2', 'Canary: workers': '1' })
      await here.line(/ — canary$/).waitFor()
      await here.button('Revert…').focus()
      await page.keyboard.press('Enter')
      const question = page.getByRole('dialog', { name: 'Go back to what was before?' })
      await question.getByText('The nodes of step 1 restart, as they were before.').waitFor()
      await isFine(t, page)
      await page.keyboard.press('Escape')
      await question.waitFor({ state: 'hidden' })
      t.equal((await last()).state, 'pending', 'nothing is done')
      const isFocused = () => here.button('Revert…').evaluate(button => button === button.ownerDocument.activeElement)
      await until(isFocused, 'the focus is where it was')
      await page.keyboard.press('Enter')
      await question.getByRole('button', { name: 'Revert' }).focus()
      await page.keyboard.press('Enter')
      await deployment.getByText('What was before is deployed: revision 2.').waitFor()
      await deployment.getByText(/^reverted to revision 2: .* has reverted it$/).waitFor()
    })

    await t.test(
      'cancelled without going back it stops on its way, which the overview says until it goes on',
      async t => {
        await deployWith({ 'Healthy for': '0.2', 'Canary: workers': '1' }, ['When a step fails'])
        await here.line(/ — canary$/).waitFor()
        await here.button('Cancel…').click()
        await dialog.getByText(/^The nodes of step 1 stay as they are now/).waitFor()
        await isFine(t, page)
        await dialog.getByRole('button', { name: 'Cancel the deployment' }).click()
        await deployment.getByText('It has stopped on its way:').waitFor()
        await deployment.getByRole('link', { name: /^revision \d+$/ }).waitFor()
        await isFine(t, page)
        await other.goto(url)
        const reason = other.getByRole('listitem').filter({ hasText: 'is deployed up to step 1 of 4' })
        await reason.getByRole('link', { name: 'Revisions' }).click()
        await other.getByRole('heading', { name: 'Revisions', level: 1 }).waitFor()
        await page.getByRole('button', { name: 'What would it do?' }).click()
        const plan = page.getByRole('region', { name: 'What a deployment would do' })
        await plan.getByText(/^It restarts 3 nodes/).waitFor()
        await plan.getByLabel('Nodes are changed').selectOption('role by role')
        await plan.getByText('What must hold').click()
        await plan.getByLabel('Healthy for').fill('0.2')
        await isFine(t, page)
        await plan.getByRole('button', { name: 'Deploy exactly this' }).click()
        await deployment.getByText('All nodes are as the configuration says.').waitFor()
        t.match((await last()).arguments, { plan: /./, strategy: 'by_role', min_healthy_seconds: 0.2 })
      }
    )

    await t.test('a revision is deployed again in steps', async t => {
      await page.goto(`${url}/revisions/1`)
      await page.getByRole('button', { name: 'Deploy this one again…' }).click()
      await dialog.getByLabel('Nodes are changed').selectOption('a few at a time')
      await dialog.getByLabel('At a time', { exact: true }).fill('-1')
      await dialog.getByRole('button', { name: 'Deploy', exact: true }).click()
      await dialog.getByText(/^must be >= 1$/).waitFor()
      await dialog.getByLabel('At a time', { exact: true }).fill('4')
      await dialog.getByText('What must hold').click()
      await dialog.getByLabel('Healthy for').fill('2')
      await isFine(t, page)
      await dialog.getByRole('button', { name: 'Deploy', exact: true }).click()
      await here.step(/Step 1 /).waitFor()
      await isFine(t, page)
      await page.getByText(/^It is revision \d+\.$/).waitFor()
      t.same(await asked(), { revision: 1, strategy: 'rolling', max_parallel: 4, min_healthy_seconds: 2 })
    })

    t.same([troubleOf(page), troubleOf(other)], [[], []])
    t.match((await ask('deploy', {})).state, 'succeeded')
  }
)

await t.test('a viewer sees how it goes, and directs nothing', { ...inBrowser, timeout: 300_000 }, async t => {
  const directory = directoryOf(t)
  const tokenOf = (role: string, name = role) => tokenCommand(['create'], { role, name }, directory)
  const [viewer, operator] = [await tokenOf('viewer'), await tokenOf('operator')]
  const tokenFile = join(directory, 'sensor-1.token')
  writeFileSync(tokenFile, await tokenOf('agent', 'sensor-1'))
  const { url, settings } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token'
  })
  await startTestAgent(t, 'sensor-1', settings.controller_port, { 'agent-token-file': tokenFile })
  const authorization = `Bearer ${operator}`
  await until(
    async () => (await getJson(`${url}/v1/instances`, { authorization })).instances.length === 1,
    'it is connected'
  )
  const submit = async (type: string, args: object, wait = 30) => {
    const response = await fetch(`${url}/v1/requests/${type}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json', ...(wait > 0 && { prefer: `wait=${wait}` }) },
      body: JSON.stringify(args)
    })
    return (await response.json()) as { reqid: string; state: string }
  }
  await submit('stage_configuration', { config: configured(undefined, ['sensor-1']) })
  t.equal((await submit('deploy', { check: false })).state, 'succeeded')
  await submit('stage_configuration', { config: configured(() => ({ COLOUR: 'blue' }), ['sensor-1']) })
  const { reqid } = await submit('deploy', { check: false, canary: 1, min_healthy_seconds: 0.1 }, 0)
  const page = await openTab(await openContext(t, await startBrowser(t)), `${url}/requests/${reqid}`)
  await page.getByLabel('Token').fill(viewer)
  await page.getByRole('button', { name: 'Log in' }).click()
  const { line, step, buttons } = rolloutOn(page)
  await line(/ — canary$/).waitFor()
  await step(/Step 1 canary: worker-1$/).waitFor()
  t.equal(await buttons.count(), 0)
  t.same(await barriersOf(page), [])
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByRole('link', { name: /^Revision 2: step 1 of 4, worker-1 — canary$/ }).waitFor()
  const reverted = await fetch(`${url}/v1/requests/${reqid}/revert`, { method: 'POST', headers: { authorization } })
  t.equal(reverted.status, 200)
  await page.getByRole('heading', { name: 'A deployment is under way' }).waitFor({ state: 'detached' })
  t.same(troubleOf(page), [])
})

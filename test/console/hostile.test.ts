import t from 'tap'
import { fakeAgent, status } from '../controller/fake-agent.js'
import { barriersOf, inBrowser, startBrowser } from '../support/browser.js'
import { startTestController } from '../support/controller.js'
import { isLive, openContext, openTab, troubleOf } from './console.js'

const evil = '<img src=x onerror="window.isTaken = true"><script>window.isTaken = true</script>'
const hidden = '\u001b[31mred\u001b[0m \u202egnp.exe\u202c'

await t.test(
  'what others write is shown as text, and nothing of it is run',
  { ...inBrowser, timeout: 300_000 },
  async t => {
    const { url, settings, ask } = await startTestController(t)
    const each = (nodes: string[], data: object) =>
      nodes.map(node => ({ success: true, instance: 'agent-a', node, data }))
    const agent = await fakeAgent(t, settings.controller_port, {
      hello: { nodes: [status('worker-1')] },
      handlers: {
        get_node_output: ({ nodes }, { part }) => {
          for (const lines of [[evil, hidden], ['x'.repeat(16_000)]]) {
            part({ node: 'worker-1', stream: 'stderr', lines })
          }
          return each(nodes, { stderr: `${evil}\n${'y'.repeat(200_000)}`, stdout: '' })
        },
        get_node_stats: ({ nodes }) => nodes.map((node: string) => ({ success: false, node, error: evil })),
        get_id_value: ({ nodes }) => each(nodes, { value: JSON.stringify(evil) }),
        restart: ({ nodes }) => nodes.map((node: string) => ({ success: false, node, error: `${evil} ${hidden}` }))
      }
    })
    const config = {
      instances: [{ name: 'agent-a' }],
      nodes: [{ name: 'worker-1', instance: 'agent-a', role: 'WORKER', interface: 'lo' }]
    }
    await ask('stage_configuration', { config })
    t.equal((await ask('deploy', { check: false })).state, 'succeeded')
    const page = await openTab(await openContext(t, await startBrowser(t)), url)
    await isLive(page)
    const isUntouched = async () => t.equal(await page.evaluate('window.isTaken'), undefined)

    await t.test('on the overview', async () => {
      agent.change('worker-1', 'RUNNING', 'CRASHED', `${evil} ${hidden}`)
      await page
        .getByText(`RUNNING → CRASHED: ${evil} \\u001b[31mred\\u001b[0m \\u202egnp.exe\\u202c`)
        .first()
        .waitFor()
      await isUntouched()
    })

    await t.test('among the events', async t => {
      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Events' }).click()
      await page.getByText(`RUNNING → CRASHED: ${evil}`).first().waitFor()
      await page.getByText('notify_change').first().click()
      await page.locator('pre', { hasText: 'onerror' }).first().waitFor()
      t.same(await barriersOf(page), [])
      await isUntouched()
    })

    await t.test('of a node: its outputs, its values, and why it could not be restarted', async t => {
      await page.goto(`${url}/nodes/worker-1`)
      await page.getByText(evil, { exact: true }).first().waitFor()
      await page.getByText('red \\u202egnp.exe\\u202c').first().waitFor()
      await page.getByLabel('Identifier', { exact: true }).fill('Site::x')
      await page.getByRole('button', { name: 'Get value' }).click()
      await page.getByLabel('Value of Site::x').getByText('onerror').waitFor()
      await page.getByRole('button', { name: 'Restart', exact: true }).click()
      const dialog = page.getByRole('dialog', { name: 'Restart worker-1?' })
      await dialog.getByRole('button', { name: 'Restart' }).click()
      await page.getByRole('status').getByText('failed').waitFor()
      await page.locator('.failures').getByText(evil).waitFor()
      t.same(await barriersOf(page), [])
      await isUntouched()
      await page.locator('.progress').getByRole('link', { name: 'Request' }).click()
      await page.getByRole('heading', { name: 'Request: restart' }).waitFor()
      await page.locator('.results').getByText(evil).waitFor()
      t.same(await barriersOf(page), [])
      await isUntouched()
    })

    t.same(troubleOf(page), [])
  }
)

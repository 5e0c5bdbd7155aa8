import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { configurationOf, fakeAgent, manager, status } from '../controller/fake-agent.js'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'

await t.test('feeds are set, listed, shown and unset', async t => {
  const { url, settings, ask } = await startTestController(t)
  const run = async (args: string[], stdin?: string) =>
    await runCommand(['intel', ...args], {
      env: { ZEEK_CLUSTER_URL: url },
      columns: 100,
      ...(stdin === undefined ? {} : { stdin })
    })
  const told: string[][] = []
  await fakeAgent(t, settings.controller_port, {
    hello: { nodes: [status('manager', 'RUNNING', { cluster_role: 'MANAGER' })] },
    handlers: {
      set_feeds: ({ feeds, changed }) => {
        const names = feeds.map(({ name }: { name: string }) => name)
        told.push(names)
        return [{ node: 'manager', outcome: 'set', ...(names.includes(changed) ? { value: '1' } : {}) }]
      }
    }
  })
  await ask('stage_configuration', { config: configurationOf(['agent-a'], [manager()]) })
  await ask('deploy')
  const text = '#fields\tindicator\tindicator_type\tmeta.source\n192.0.2.1\tIntel::ADDR\ttor\n'
  const file = join(directoryOf(t), 'tor.intel')
  writeFileSync(file, text)

  t.match(await run(['list']), { code: 0, stdout: '', stderr: 'no feeds are set\n' })
  t.match(await run(['set', 'tor', file]), { code: 0, stdout: 'manager: 1 indicator\n' })
  t.match(await run(['set', 'other', '-'], text), { code: 0, stdout: 'manager: 1 indicator\n' })
  t.match(await run(['list']), {
    code: 0,
    stdout: /^FEED +INDICATORS +SIZE +SET\nother +1 +71 B +\d{4}-.*\ntor +1 +71 B +\d/
  })
  t.match(JSON.parse((await run(['list', '--json'])).stdout).feeds, [{ name: 'other' }, { name: 'tor' }])
  t.match(await run(['show', 'tor']), { code: 0, stdout: text })
  t.match(await run(['show', 'none']), { code: 1, stderr: /feed none is not set/ })
  t.match(await run(['unset', 'tor']), { code: 0, stdout: '✔ manager\n' })
  t.match(await run(['unset', 'tor']), { code: 1, stdout: /feed tor is not set/ })
  t.match(await run(['set', 'bad', '-'], 'nothing'), { code: 2, stderr: /body\/line 1 must name the fields/ })
  t.match(await run(['set', 'bad', join(directoryOf(t), 'none')]), { code: 2, stderr: /Unable to open/ })
  t.match(await run(['set', 'tor', file, '--no-wait']), { code: 0, stdout: /^[0-9a-f-]{36}\n$/ })
  t.same(told.slice(0, 2), [['tor'], ['other', 'tor']])
})

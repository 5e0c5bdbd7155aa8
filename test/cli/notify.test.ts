import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fakeAgent } from '../controller/fake-agent.js'
import { startReceiver } from '../notify/receiver.js'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { getJson } from '../support/client.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'

await t.test('rules and sinks are listed, and sinks tested', async t => {
  const receiver = await startReceiver(t, (_received, response) => response.writeHead(500).end('out of\nink'))
  const file = join(directoryOf(t), 'notify.yaml')
  writeFileSync(
    file,
    `sinks: { ops: { webhook: { url: '${receiver.url}/hidden' } } }\nrules: [{ name: all, group_for: 0 }]\n`
  )
  const { url, settings } = await startTestController(t, {
    'controller-notify': file,
    'controller-notify-failing-max': '0.001'
  })
  const run = async (...args: string[]) =>
    await runCommand(['notify', ...args], { env: { ZEEK_CLUSTER_URL: url }, columns: 200 })
  t.match(await run('list'), {
    code: 0,
    stdout: new RegExp(`^RULE +SINK +GOES TO +WAITING +DUE +LAST TOLD\nall +ops +${receiver.url} +0 +- +-\n$`)
  })
  t.match(await run('test', 'ops'), { code: 1, stdout: /^not taken after [\d.]+ s: HTTP 500: out of ink\n$/ })
  t.match(await run('test', 'nobody'), { code: 1, stderr: /no sink is named nobody/ })

  const agent = await fakeAgent(t, settings.controller_port)
  agent.change('worker-1', 'RUNNING', 'CRASHED')
  await until(async () => /ops fails since .*: HTTP 500/.test((await run('list')).stdout), 'it fails')
  const codes = async () => (await getJson(`${url}/v1/health`)).reasons.map(({ code }: any) => code)
  t.same(await codes(), ['not_deployed', 'notifications_failing'])
  receiver.behave((_received, response) => response.end('thanks'))
  t.match(await run('test', 'ops'), { code: 0, stdout: /^taken after [\d.]+ s: HTTP 200: thanks\n$/ })
  t.match(JSON.parse((await run('test', 'ops', '--json')).stdout), { delivered: true })
  await until(
    async () => JSON.parse((await run('list', '--json')).stdout).rules[0].queues[0].last_success !== undefined,
    'it is told'
  )
  t.same(await codes(), ['not_deployed'])
  t.notMatch((await run('list', '--json')).stdout, /hidden/)
  const { entries } = await getJson(`${url}/v1/audit`)
  t.ok(entries.some(({ action, detail }: any) => action === 'test_notification' && detail === 'ops: HTTP 200: thanks'))
})

await t.test('where there is no file, that is said', async t => {
  const { url } = await startTestController(t)
  t.match(await runCommand(['notify', 'list'], { env: { ZEEK_CLUSTER_URL: url } }), {
    code: 0,
    stderr: 'nobody is told: the setting controller_notify names no file\n'
  })
})

import { Readable } from 'node:stream'
import t from 'tap'
import { tarOf } from '../bundles/tar.js'
import { configurationOf, fakeAgent, manager, worker } from '../controller/fake-agent.js'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'

const file = 'checks/http.pcap'

await t.test('logs of captures that differ are a table beside what was found', async t => {
  const { url, settings, ask, controller } = await startTestController(t)
  await fakeAgent(t, settings.controller_port, {
    handlers: {
      replay: ({ share }) => {
        const isNew = share.nodes.some(({ scripts }: { scripts?: string[] }) => scripts)
        const logs = [
          { log: 'conn', lines: 34 },
          { log: 'http', lines: isNew ? 0 : 12 },
          { log: 'odd\u001b[31m', lines: isNew ? 2 : 1 }
        ]
        return { logs, findings: [], seconds: 1, memory_bytes: 1 }
      }
    }
  })
  const { bundle } = await controller.bundles.receive(Readable.from([tarOf({ path: file, content: 'x' })]), { by: {} })
  const stage = async (nodes: object[], captures: object[]) =>
    await ask('stage_configuration', {
      config: { ...configurationOf(['agent-a'], nodes as never), bundle: bundle.id, captures }
    })
  const run = async (columns: number, ...args: string[]) => {
    const { code, stdout, stderr } = await runCommand(args, { env: { ZEEK_CLUSTER_URL: url }, columns })
    return { code, stderr, lines: stdout.split('\n').filter(line => line !== '') }
  }

  await stage([manager(), worker()], [{ file }])
  t.match(await run(100, 'check'), { code: 0, lines: [/^. manager$/, /^. worker-1$/, /^. captures on agent-a$/] })
  t.match(await run(100, 'deploy', '--require-captures'), { code: 0, lines: [/^. captures on agent-a$/] })

  await stage([manager(), { ...worker(), scripts: ['new'] }], [{ file, expected: { conn: 34 } }])
  const { lines, ...checked } = await run(100, 'check')
  t.equal(checked.code, 0)
  t.same(
    lines.slice(-4).map(line => line.trim().split(/  +/)),
    [
      [`warning: ${file}: http.log has no line, 12 before`],
      ['CAPTURE', 'LOG', 'BEFORE', 'NOW', 'EXPECTED'],
      [file, 'http', '12', '0', '-'],
      [file, 'odd\\u001b[31m', '1', '2', '-']
    ]
  )
  const narrow = await run(40, 'check')
  t.same(
    narrow.lines.slice(-3).filter(line => line.length > 40),
    [],
    'it is as wide as the terminal at most'
  )

  const refused = await run(100, 'deploy', '--require-captures')
  t.equal(refused.code, 1)
  t.match(refused.lines.slice(0, 3), [
    /^. captures on agent-a$/,
    `  error: ${file}: http.log has no line, 12 before`,
    /^ {2}CAPTURE +LOG/
  ])
  t.equal((await run(100, 'deploy')).code, 0)
})

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { brotliDecompressSync } from 'node:zlib'
import t from 'tap'
import { agentPath } from '../../schemas/agent.js'
import { Link, type Handlers } from '../../src/link/link.js'
import { dial } from '../../src/link/websocket.js'
import { startTestController } from '../support/controller.js'
import { fixture } from '../support/environment.js'

interface Said {
  method: string
  params?: object
  answer?: unknown
  parts?: unknown[]
}

/** What an agent of a version has said: its first words, and its answer to each method that it had. */
function recorded(version: number): Said[] {
  return readFileSync(fixture('agent', `version-${version}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

const config = {
  instances: [{ name: 'agent-1' }],
  nodes: [
    { name: 'manager', instance: 'agent-1', role: 'MANAGER' },
    { name: 'worker-1', instance: 'agent-1', role: 'WORKER', interface: 'lo' }
  ]
}
const requests = [
  ['deploy', {}],
  ['get_id_value', { id: 'Log::default_rotation_interval' }],
  ['restart', { nodes: ['worker-1'] }],
  ['stop', { nodes: ['worker-1'] }],
  ['start', { nodes: ['worker-1'] }],
  ['check', {}],
  ['get_node_output', {}],
  ['get_node_stats', {}],
  ['get_node_stats', { history: true }],
  ['get_instance_stats', {}],
  ['set_option', { name: 'Site::local_nets', value: '10.0.0.0/8' }],
  ['cleanup', {}],
  ['plan', {}]
] as const

for (const version of [13]) {
  await t.test(`the controller works with an agent of version ${version}, as it was recorded`, async t => {
    const controller = await startTestController(t, { 'controller-deploy-strategy': 'by_role' })
    const [hello, ...answers] = recorded(version)
    const lacking = 'diagnose'
    const handlers: Handlers = {}
    let digest = ''
    for (const { method, answer, parts = [] } of answers) {
      if (method === lacking) continue
      handlers[method] = ({ share }, { part }) => {
        digest = share?.layout ?? digest
        for (const value of parts) part(value)
        return answer
      }
    }
    const address = `ws://127.0.0.1:${controller.settings.controller_port}${agentPath}`
    const link = new Link(await dial(address, new AbortController().signal), handlers)
    t.teardown(() => link.close('bye'))
    const options = { timeoutMs: 10_000 }
    t.same(await link.ask('hello', hello?.params, options), { controller: 'controller' })
    await controller.ask('stage_configuration', { config })
    for (const [type, args] of requests) t.match(await controller.ask(type, args), { state: 'succeeded' }, type)
    const { packed } = await link.ask<{ packed: string }>('layout', { digest }, options)
    const layout = brotliDecompressSync(Buffer.from(packed, 'base64'))
    t.equal(createHash('sha256').update(layout).digest('hex'), digest, 'a layout is packed as it knows it')
    const { results } = await controller.ask(lacking)
    t.match(
      results,
      [{ success: false, error: `there is no method ${lacking}` }],
      'a result says what it does not know'
    )
    const feed = Buffer.from('#fields\tindicator\tindicator_type\tmeta.source\n')
    const { id } = await controller.controller.keepFeed('tor', Readable.from([feed]), {})
    t.match(await controller.ask('set_intel', { name: 'tor', bundle: id }), { state: 'succeeded' })
    await t.rejects(link.ask('nothing', {}, options), { code: 'not_found', message: 'there is no method nothing' })
  })
}

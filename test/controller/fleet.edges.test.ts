import t from 'tap'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { listenForLinks } from '../support/link-listener.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'
import { agentApiVersion, agentPath } from '../../schemas/agent.js'
import { Link } from '../../src/link/link.js'
import { dial } from '../../src/link/websocket.js'
import type { Transport } from '../../src/link/transport.js'
import { small } from './fake-agent.js'

// The agent's hello may come in the packet that opens the socket. The link hands it on while it is being made, when
// Fleet.accept has no `link` yet: "Cannot access 'link' before initialization". No attempt ever succeeds.
await t.test(
  'an instance with a listen_port is dialled for its deployment, and again after a restart of its agent',
  async t => {
    const controller = await startTestController(t, { 'controller-connect-grace': '2' })
    const [port] = await freePorts(1)
    const serve = async () => {
      const deploys: any[] = []
      const onTransport = (transport: Transport) => {
        const link = new Link(transport, {
          deploy: params => {
            deploys.push(params)
            return params.share.nodes.map(({ name }: { name: string }) => ({
              success: true,
              instance: 'agent-a',
              node: name
            }))
          }
        })
        link
          .ask(
            'hello',
            { api_version: agentApiVersion, name: 'agent-a', version: '1', machine: 'm', nodes: [] },
            { timeoutMs: 5000 }
          )
          .catch(() => {})
      }
      return { listener: await listenForLinks(t, onTransport, port), deploys }
    }
    const first = await serve()
    const config = { ...small(), instances: [{ name: 'agent-a', host: '127.0.0.1', listen_port: port }] }
    await controller.ask('stage_configuration', { config })
    t.same(
      (await controller.ask('deploy', { check: false })).results.map(({ error }: { error?: string }) => error),
      [undefined, undefined, undefined]
    )
    t.match((await controller.ask('get_instances')).results[0]?.data?.instances, [
      { name: 'agent-a', host: '127.0.0.1', listen_port: port }
    ])
    t.equal(first.deploys.length, 1)
    await first.listener.close()
    await until(() => !controller.controller.instances()[0]?.connected, 'it is lost')
    const second = await serve()
    await until(() => second.deploys.length === 1, 'it is dialled, and brought to what is deployed', 2000)
  }
)

await t.test('operators hear of an agent of another version whatever its hello looks like', async t => {
  const controller = await startTestController(t)
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_error,notify_log`)
  await stream.next('hello')
  const connect = async (hello: object) => {
    const link = new Link(
      await dial(`ws://127.0.0.1:${controller.settings.controller_port}${agentPath}`, new AbortController().signal),
      {}
    )
    t.teardown(() => link.close('bye'))
    await link.ask('hello', hello, { timeoutMs: 5000 }).catch(() => {})
    return link
  }
  await connect({ api_version: agentApiVersion + 2, name: 'agent-a', release: '2' })
  await connect({ api_version: agentApiVersion + 1, name: 'agent-c', release: '2' })
  const end = await connect({ api_version: agentApiVersion, name: 'agent-b', version: '1', machine: 'm', nodes: [] })
  end.notify('log', { level: 'WARNING', message: 'the end' })
  for (const [instance, message] of [
    ['agent-a', `agent agent-a speaks version ${agentApiVersion + 2}, not ${agentApiVersion}`],
    ['agent-c', /^agent agent-c: hello\/.* is required/]
  ] as const) {
    t.match((await stream.next())?.json, { type: 'notify_error', instance, message })
  }
})

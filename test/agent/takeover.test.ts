import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { agentApiVersion, agentPath } from '../../schemas/agent.js'
import { Session } from '../../src/agent/session.js'
import { Term } from '../../src/agent/term.js'
import { Link, type Handlers } from '../../src/link/link.js'
import { dial } from '../../src/link/websocket.js'
import { directoryOf } from '../support/directory.js'
import { listenForLinks } from '../support/link-listener.js'
import { silent } from '../support/log.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'

async function session(t: Test, handlers: Handlers, connected = () => {}) {
  const closing = new AbortController()
  t.teardown(() => closing.abort())
  const made = new Session({
    heartbeatMs: 0,
    retryMaxMs: 5000,
    handlers,
    connected,
    hello: async () => ({ api_version: agentApiVersion, name: 'a', version: '1', machine: 'm', nodes: [] }),
    headers: async () => ({}),
    certificates: undefined,
    term: await Term.read(join(directoryOf(t), 'term'), silent),
    log: silent
  })
  return { made, signal: closing.signal }
}

await t.test('of several controllers the next is dialled without delay when one is lost', async t => {
  const delays: number[] = []
  let lost = 0
  const addresses: string[] = []
  for (let i = 0; i < 2; i++) {
    const { address } = await listenForLinks(t, transport => {
      if (lost) delays.push(performance.now() - lost)
      const link: Link = new Link(transport, {
        hello: () => {
          setTimeout(() => {
            lost = performance.now()
            void link.close('x')
          }, 30)
          return { controller: 'c', term: 1 }
        }
      })
    })
    addresses.push(address)
  }
  const { made, signal } = await session(t, {})
  void made.dial(addresses, signal)
  await until(() => delays.length >= 20, 'twenty losses')
  t.ok(Math.min(...delays) < 200, 'one that is alone has 250 ms at least')
})

await t.test('what comes over the old link while it closes has no effect', async t => {
  const effects: string[] = []
  let isGivenUp = false
  const { made, signal } = await session(t, {
    deploy: async (who: string, { link, signal }) => {
      signal.addEventListener('abort', () => {
        isGivenUp = true
      })
      const layout = await link.ask<string>('layout', {}, { timeoutMs: 5000 })
      effects.push(`${who} applied ${layout}`)
    },
    standby: (who: string) => {
      effects.push(`${who} standby`)
      return []
    }
  })
  const [port, slowPort] = await freePorts(2)
  await made.listen('127.0.0.1', port!, signal)
  // A wire on which the old leader hears nothing any more once it is muted; what it says still arrives.
  let mute = () => {}
  let gone: Promise<unknown> | undefined
  const wire = createServer(down => {
    const up = connect(port!, '127.0.0.1')
    down.pipe(up)
    up.pipe(down)
    mute = () => up.unpipe(down).resume()
    gone = new Promise(resolve => up.once('close', resolve))
    for (const s of [up, down]) s.on('error', () => {})
    t.teardown(() => {
      up.destroy()
      down.destroy()
    })
  }).listen(slowPort!, '127.0.0.1')
  t.teardown(() => wire.close())
  await once(wire, 'listening')
  let give: (v: unknown) => void = () => {}
  let asked = false
  const old = new Link(await dial(`ws://127.0.0.1:${slowPort}${agentPath}`, signal), {
    hello: () => ({ controller: 'old', term: 4 }),
    layout: () => {
      asked = true
      return new Promise(resolve => {
        give = resolve
      })
    }
  })
  void old.ask('deploy', 'old', { timeoutMs: 5000 }).catch(() => {})
  await until(() => asked, 'the deployment lacks its layout')
  mute()
  const next: Link = new Link(await dial(`ws://127.0.0.1:${port}${agentPath}`, signal), {
    hello: () => ({ controller: 'new', term: 5 })
  })
  await next.ask('standby', 'new', { timeoutMs: 5000 })
  // The new one is obeyed from here on.
  old.ask('standby', 'old', { timeoutMs: 500 }).catch(() => {})
  old.notify('standby', 'old')
  give('a layout of the old leader')
  t.ok(isGivenUp, 'what it had asked before is given up')
  await gone
  t.same(effects, ['new standby'])
  await next.close('bye')
})

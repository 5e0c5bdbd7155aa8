import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { agentPath } from '../../schemas/agent.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { EventLog } from '../../src/store/events.js'
import { Store } from '../../src/store/store.js'
import { answerOf } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'

const max = { changes: 50, others: 20 }
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** A controller with a small audit log, in which there is a deployment. */
async function start(t: Test) {
  const directory = directoryOf(t)
  const make = (role: string) => tokenCommand(['create'], { role, name: role }, directory)
  const [viewer, operator, admin, agent] = [
    await make('viewer'),
    await make('operator'),
    await make('admin'),
    await make('agent')
  ]
  const controller = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    'controller-trusted-proxies': '127.0.0.1',
    'controller-requests-rate-max': '0',
    'controller-audit-max-count': String(max.changes),
    'controller-audit-max-others': String(max.others)
  })
  const call = async (
    path: string,
    { method = 'GET', token = '', from = '192.0.2.1', body = undefined as unknown }
  ) => {
    return await answerOf(
      await fetch(`${controller.url}${path}`, {
        method,
        headers: {
          ...(token ? bearer(token) : {}),
          'x-forwarded-for': from,
          ...(method === 'POST' ? { 'content-type': 'application/json', prefer: 'wait=20' } : {})
        },
        ...(method === 'POST' ? { body: JSON.stringify(body ?? {}) } : {})
      })
    )
  }
  const entries = async (): Promise<any[]> => (await call('/v1/audit?limit=1000', { token: admin })).json.entries
  /** Looks whether the deployment is still told of, once there are no more other entries than there may be. */
  const deployed = async (t: Test) => {
    let all: any[] = []
    const others = () => all.filter(({ action }) => action !== 'deploy' && action !== 'create_token')
    await until(async () => {
      all = await entries()
      return others().length <= max.others
    }, 'what is too much is gone')
    t.match(
      all.filter(({ action }) => action === 'deploy'),
      [
        { outcome: 'failed', reqid },
        { outcome: 'accepted', reqid, name: 'operator' }
      ]
    )
    t.equal(all.filter(({ action }) => action === 'create_token').length, 4)
  }
  const {
    json: { reqid }
  } = await call('/v1/requests/deploy', { method: 'POST', token: operator })
  return { ...controller, directory, call, entries, deployed, tokens: { viewer, operator, agent } }
}

/** Does something so many times, some at a time. */
async function times(count: number, job: (n: number) => Promise<unknown>): Promise<void> {
  const rest = Array.from({ length: count }, (_, n) => n)
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let n = rest.pop(); n !== undefined; n = rest.pop()) await job(n)
    })
  )
}

await t.test('refusals of 1,200 addresses push out no change, and each is counted', async t => {
  const { call, deployed, entries, close, directory } = await start(t)
  await times(1200, async n => {
    const { status } = await call('/v1/nodes', { from: `203.0.${n >> 8}.${n & 255}` })
    t.equal(status, 401)
  })
  t.equal(
    (await call('/v1/requests/%64eploy', { method: 'POST', token: 'guess', from: '203.0.113.200' })).status,
    401,
    'among them one that would change something'
  )
  const told = (await entries()).filter(({ outcome }) => outcome === 'refused').length
  t.ok(told > 0 && told <= 100, `${told} entries at once`)
  await deployed(t)
  await close()
  const store = new Store(join(directory, 'controller.sqlite'))
  t.teardown(() => store.close())
  const left = new EventLog(store, 'audit').after(0, 1e6).map(({ body }) => JSON.parse(body))
  t.match(
    left.filter(({ clients }) => clients !== undefined),
    [{ action: 'POST /v1/requests/deploy', address: '203.0.113.200', count: 1101, clients: 1101 }],
    'at the end those beyond a hundred are told of together, with the most serious'
  )
})

await t.test('logins of a viewer push out no change', async t => {
  const { call, deployed, tokens, entries } = await start(t)
  await times(300, async () => {
    const { status } = await call('/v1/session', { method: 'POST', body: { token: tokens.viewer } })
    t.equal(status, 200)
  })
  t.equal((await entries()).filter(({ action }) => action === 'log_in').length, 3)
  await deployed(t)
})

await t.test('connections of an agent push out no change', async t => {
  const { settings, deployed, tokens, entries } = await start(t)
  await times(50, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${settings.controller_port}${agentPath}`, {
      headers: bearer(tokens.agent)
    })
    await once(socket, 'open')
    socket.terminate()
  })
  t.equal((await entries()).filter(({ action }) => action === 'connect_agent').length, 3)
  await deployed(t)
})

await t.test('requests that change nothing push out no change', async t => {
  const { call, deployed, tokens } = await start(t)
  await times(100, () => call('/v1/requests/diagnose', { method: 'POST', token: tokens.operator }))
  await deployed(t)
})

await t.test('guesses of a token at the login are refusals, too', async t => {
  const { call, entries, tokens } = await start(t)
  t.equal((await call('/v1/session', { method: 'POST', body: { token: 'guess' } })).status, 401)
  t.equal((await call('/v1/session', { method: 'POST', body: { token: tokens.agent }, from: '192.0.2.2' })).status, 403)
  await until(
    async () => (await entries()).filter(({ outcome }) => outcome === 'refused').length === 2,
    'both are told'
  )
  t.match((await entries()).slice(0, 2), [
    { action: 'POST /v1/session', address: '192.0.2.2', detail: /is of role agent/ },
    { action: 'POST /v1/session', address: '192.0.2.1', detail: /token is unknown/ }
  ])
})

await t.test('a path of 15 KB, asked for by a page of another site, is a short entry', async t => {
  const { url, entries } = await start(t)
  const { status } = await fetch(`${url}/${'x'.repeat(15_000)}`, { headers: { origin: `http://${'y'.repeat(500)}` } })
  t.equal(status, 403)
  const refused = async () => (await entries()).find(({ outcome }) => outcome === 'refused')
  await until(async () => (await refused()) !== undefined, 'it is told')
  t.ok(JSON.stringify(await refused()).length < 1000)
})

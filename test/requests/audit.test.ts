import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Store } from '../../src/store/store.js'
import { EventLog } from '../../src/store/events.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { getJson, openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { openClient, requestFrame } from '../support/zeek-websocket.js'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

async function start(t: Test) {
  const directory = directoryOf(t)
  const make = (role: string) => tokenCommand(['create'], { role, name: role }, directory)
  const tokens = { viewer: await make('viewer'), operator: await make('operator'), admin: await make('admin') }
  const flags = { 'management-state-dir': directory, 'controller-authentication': 'token' }
  const controller = await startTestController(t, flags)
  const page = async (query = '') =>
    (await (await fetch(`${controller.url}/v1/audit${query}`, { headers: bearer(tokens.admin) })).json()) as any
  const post = (type: string, token: string, body = '{}') =>
    fetch(`${controller.url}/v1/requests/${type}`, {
      method: 'POST',
      headers: { ...bearer(token), 'content-type': 'application/json', prefer: 'wait=5' },
      body
    })
  return { ...controller, directory, flags, make, tokens, page, post }
}

await t.test('who asked what, from where, with what outcome', async t => {
  const { url, tokens, page, post } = await start(t)
  const { reqid } = (await (await post('deploy', tokens.operator)).json()) as any
  await post('get_nodes', tokens.operator)
  await fetch(`${url}/v1/configurations/staged`, { headers: bearer(tokens.operator) })
  await post('restart', tokens.viewer)
  await fetch(`${url}/v1/nodes?secret=1`)
  const { entries } = await page()
  t.match(
    entries.map(({ action, outcome, name, role, address, reqid, detail }: any) => [
      action,
      outcome,
      name,
      role,
      address,
      reqid,
      detail
    ]),
    [
      ['GET /v1/nodes', 'refused', undefined, undefined, '127.0.0.1', undefined, /token is needed/],
      ['POST /v1/requests/restart', 'refused', 'viewer', 'viewer', '127.0.0.1', undefined, /needs operator/],
      ['deploy', 'failed', 'operator', 'operator', '127.0.0.1', reqid, undefined],
      ['deploy', 'accepted', 'operator', 'operator', '127.0.0.1', reqid, undefined],
      ['create_token', 'succeeded', String, undefined, 'the command line', undefined, /: admin admin$/],
      ['create_token', 'succeeded', String, undefined, 'the command line', undefined, /: operator operator$/],
      ['create_token', 'succeeded', String, undefined, 'the command line', undefined, /: viewer viewer$/]
    ]
  )
  t.equal(entries.length, 7, 'what any viewer may ask is not in it, nor is what there is not')
  t.equal(JSON.stringify(entries).includes('secret'), false)
})

await t.test('pages follow each other without a gap', async t => {
  const { tokens, page, post } = await start(t)
  for (let count = 0; count < 3; count++) await post('deploy', tokens.operator)
  const all = (await page()).entries
  const pages = []
  for (let next: string | undefined = ''; next !== undefined;) {
    const { entries, next: after } = await page(`?limit=4${next && `&after=${next}`}`)
    pages.push(...entries)
    next = after
  }
  t.equal(all.length, 9)
  t.same(pages, all)
  for (const place of ['nonsense.1', 'x']) {
    t.match(await page(`?after=${place}`), { status: 400, errors: [{ field: 'querystring/after' }] })
  }
})

await t.test('admins hear of it as it happens, also of what another process has done, and resume', async t => {
  const { url, tokens, make, post } = await start(t)
  t.equal((await fetch(`${url}/v1/audit/events`, { headers: bearer(tokens.operator) })).status, 403)
  const stream = await openStream(t, `${url}/v1/audit/events`, bearer(tokens.admin))
  await stream.next('hello')
  await make('viewer')
  const told = await stream.next('audit')
  t.match(told?.json, { action: 'create_token' })
  await post('deploy', tokens.operator)
  t.match((await stream.next('audit'))?.json, { action: 'deploy', outcome: 'accepted' })
  stream.close()
  const again = await openStream(t, `${url}/v1/audit/events`, { ...bearer(tokens.admin), 'last-event-id': told!.id! })
  t.match((await again.next('audit'))?.json, { action: 'deploy', outcome: 'accepted' })
  t.match((await again.next('audit'))?.json, { action: 'deploy', outcome: 'failed', name: 'operator' })
})

await t.test('it is written with the request itself, and survives with it', async t => {
  const { directory, flags, tokens, post, close } = await start(t)
  const pending = post('get_configuration', tokens.operator)
  await pending
  await close()
  const again = await startTestController(t, flags)
  const { entries } = (await (
    await fetch(`${again.url}/v1/audit?limit=1`, { headers: bearer(tokens.admin) })
  ).json()) as any
  t.match(entries, [{ action: 'get_configuration', outcome: 'failed', name: 'operator' }])
  await again.close()
  const store = new Store(join(directory, 'controller.sqlite'))
  t.teardown(() => store.close())
  const requests = Number(store.get('SELECT count(*) AS count FROM requests')?.count)
  t.equal(requests, 1)
  t.equal(new EventLog(store, 'audit').after(0, 100).filter(({ body }) => body.includes('failed')).length, requests)
})

await t.test('over the WebSocket, too', async t => {
  const { settings, tokens, page } = await start(t)
  const client = await openClient(t, settings.controller_websocket_port, undefined, {
    headers: bearer(tokens.operator)
  })
  client.send(requestFrame('deploy', 'a'))
  await client.event()
  t.match((await page('?limit=2')).entries, [
    { action: 'deploy', outcome: 'failed', name: 'operator' },
    { action: 'deploy', outcome: 'accepted', name: 'operator' }
  ])
})

await t.test('one who is refused again and again is told of once, and how often', async t => {
  const { url, page } = await start(t)
  for (let count = 0; count < 20; count++) {
    await (await fetch(`${url}/v1/nodes`, { headers: bearer(`guess${count % 2}`) })).text()
  }
  const refused = (await page()).entries.filter(({ outcome }: any) => outcome === 'refused')
  t.equal(refused.length, 1)
})

await t.test('without authentication everyone is anyone', async t => {
  const { url, ask } = await startTestController(t)
  await ask('deploy')
  await until(async () => (await getJson(`${url}/v1/audit`)).entries.length === 2, 'it is in the log')
  t.match((await getJson(`${url}/v1/audit`)).entries[1], {
    action: 'deploy',
    outcome: 'accepted',
    name: 'anyone',
    address: '127.0.0.1'
  })
})

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { parse } from 'yaml'
import { agentPath } from '../../../schemas/agent.js'
import { covers, roles, type NeededRole, type Role } from '../../../schemas/access.js'
import { tokenCommand } from '../../../src/cli/offline-tokens.js'
import { packageRoot } from '../../../src/util.js'
import { startTestAgent } from '../../support/agent.js'
import { openStream } from '../../support/client.js'
import { startTestController } from '../../support/controller.js'
import { directoryOf } from '../../support/directory.js'
import { until } from '../../support/until.js'
import { openClient, requestFrame } from '../../support/zeek-websocket.js'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** A controller that wants tokens, and one of each role. */
async function start(t: Test) {
  const directory = directoryOf(t)
  const make = (role: Role, flags: Record<string, string> = {}) =>
    tokenCommand(['create'], { role, name: role, ...flags }, directory)
  const tokens = {
    viewer: await make('viewer'),
    operator: await make('operator'),
    admin: await make('admin'),
    agent: await make('agent', { name: 'agent-1' }),
    join: await make('join')
  }
  const controller = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token'
  })
  const revoke = (token: string) => tokenCommand(['revoke', token.split('_')[1]!], {}, directory)
  const status = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const response = await fetch(controller.url + path, { method, headers })
    await response.body?.cancel()
    return response.status
  }
  const startAgent = (name: string, token?: string) => {
    const file = join(directory, `${name}.token`)
    if (token !== undefined) writeFileSync(file, `${token}\n`)
    return startTestAgent(
      t,
      name,
      controller.settings.controller_port,
      token === undefined ? {} : { 'agent-token-file': file },
      join(directory, name)
    )
  }
  const connected = () =>
    controller.controller
      .instances()
      .filter(({ connected }) => connected)
      .map(({ name }) => name)
  return { ...controller, directory, tokens, make, revoke, status, startAgent, connected }
}

interface Operation {
  method: string
  path: string
  needed: NeededRole
  security?: object[]
}
const operations: Operation[] = Object.entries(
  parse(readFileSync(join(packageRoot, 'openapi.yaml'), 'utf8')).paths
).flatMap(([path, methods]) =>
  Object.entries(methods as object).map(([method, { 'x-role': needed, security }]) => ({
    method: method.toUpperCase(),
    path: path.replace('{reqid}', 'no-such').replace('{state}', 'staged').replace('{id}', '000000000000'),
    needed,
    security
  }))
)

await t.test('every operation says who may ask, and lets nobody else', async t => {
  const { status, tokens } = await start(t)
  t.ok(operations.length > 15)
  for (const { method, path, needed, security } of operations) {
    t.ok(needed, `${method} ${path} says`)
    t.equal(security?.length === 0, needed === 'anyone', `${method} ${path} is as open as it says`)
    const takesTicket = security?.some(one => 'streamTicket' in one) ?? false
    t.equal(takesTicket, path.endsWith('/events'), `${method} ${path} takes a ticket if it is a stream`)
    t.equal((await status(path, {}, method)) === 401, needed !== 'anyone', `${method} ${path} without a token`)
    for (const role of roles) {
      const got = await status(path, bearer(tokens[role]), method)
      t.equal([401, 403].includes(got), !covers(role, needed), `${method} ${path} as ${role}: ${got}`)
    }
  }
})

await t.test('the document and its pages are for all, and a path that there is not is not found', async t => {
  const { status } = await start(t)
  for (const path of ['/docs/', '/docs/json', '/openapi.yaml']) t.equal(await status(path), 200, path)
  t.equal(await status('/v1/nope'), 404)
  t.equal(await status('/v1/requests/nope', {}, 'POST'), 401)
})

await t.test('what is no token is refused, and it is said how to come in', async t => {
  const { url, status, tokens } = await start(t)
  const response = await fetch(`${url}/v1/nodes`)
  t.equal(response.headers.get('www-authenticate'), 'Bearer')
  t.match(await response.json(), { status: 401, code: 'unauthorized' })
  for (const authorization of [
    'Bearer',
    'Bearer ',
    'Bearer x',
    `Basic ${tokens.admin}`,
    tokens.admin,
    `Bearer ${tokens.admin}x`,
    `Bearer ${tokens.admin} x`
  ]) {
    t.equal(await status('/v1/nodes', { authorization }), 401, authorization)
  }
  t.equal(await status('/v1/nodes', { authorization: `bearer ${tokens.viewer}` }), 200)
  t.equal(await status(`/v1/nodes?token=${tokens.admin}`), 401, 'not in a URL')
})

await t.test('without authentication everyone may do everything', async t => {
  const { url } = await startTestController(t)
  t.equal((await fetch(`${url}/v1/requests/deploy`, { method: 'POST' })).status, 202)
})

await t.test('a token that is made while the controller runs is good at once, and one that expires is not', async t => {
  const { make, status, directory } = await start(t)
  const token = await make('viewer', { expires: '1m' })
  t.equal(await status('/v1/nodes', bearer(token)), 200)
  const { DatabaseSync } = await import('@photostructure/sqlite')
  const db = new DatabaseSync(join(directory, 'controller.sqlite'))
  db.prepare('UPDATE tokens SET expires_at = ? WHERE id = ?').run(Date.now(), token.split('_')[1]!)
  db.close()
  t.equal(await status('/v1/nodes', bearer(token)), 401)
})

await t.test('a revoked token ends what was opened with it, and nothing else', async t => {
  const { url, settings, tokens, revoke, status, startAgent, connected } = await start(t)
  const port = settings.controller_websocket_port
  const [ending, staying] = await Promise.all([
    openStream(t, `${url}/v1/events`, bearer(tokens.viewer)),
    openStream(t, `${url}/v1/events`, bearer(tokens.operator))
  ])
  await Promise.all([ending.next('hello'), staying.next('hello')])
  const [client, other] = [
    await openClient(t, port, undefined, { headers: bearer(tokens.viewer) }),
    await openClient(t, port, undefined, { headers: bearer(tokens.operator) })
  ]
  await startAgent('agent-1', tokens.agent)
  await until(() => connected().includes('agent-1'), 'the agent is connected')
  await revoke(tokens.viewer)
  t.equal(
    (await ending.collect()).find(({ event }) => event === 'goodbye'),
    undefined
  )
  await client.closed
  t.equal(await status('/v1/nodes', bearer(tokens.viewer)), 401)
  t.same(connected(), ['agent-1'])
  await revoke(tokens.agent)
  await until(() => connected().length === 0, 'the agent is lost')
  t.ok(await staying.next('notify_agent_lost'), 'the others hear of it')
  t.equal(other.socket.readyState, other.socket.OPEN)
})

await t.test('over the WebSocket, too, a role may ask for what it may', async t => {
  const { settings, tokens } = await start(t)
  const port = settings.controller_websocket_port
  for (const headers of [{}, bearer(tokens.agent)]) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/messages/json`, { headers })
    t.match((await once(socket, 'error'))[0].message, /40[13]/)
  }
  const viewer = await openClient(t, port, undefined, { headers: bearer(tokens.viewer) })
  viewer.send(requestFrame('get_instances', 'a'))
  t.match(await viewer.event(), ['get_instances_response', 'a', ['a', true]])
  viewer.send(requestFrame('deploy', 'b'))
  t.match(await viewer.event(), ['deploy_response', 'b', [['b', false, null, null, /viewer.*needs operator/]]])
  const operator = await openClient(t, port, undefined, { headers: bearer(tokens.operator) })
  operator.send(requestFrame('deploy', 'c'))
  t.match(await operator.event(), [
    'deploy_response',
    'c',
    [['c', false, null, null, 'no configuration available to deploy']]
  ])
})

await t.test('an agent speaks for itself, with a token of its own', async t => {
  const { settings, tokens, startAgent, connected } = await start(t)
  for (const [headers, expected] of [
    [{}, '401'],
    [bearer(tokens.admin), '403'],
    [bearer('x'), '401']
  ] as const) {
    const socket = new WebSocket(`ws://127.0.0.1:${settings.controller_port}${agentPath}`, { headers })
    t.match((await once(socket, 'error'))[0].message, expected)
  }
  const stream = await openStream(
    t,
    `http://127.0.0.1:${settings.controller_websocket_port}/v1/events`,
    bearer(tokens.viewer)
  )
  await stream.next('hello')
  const impostor = await startAgent('agent-2', tokens.agent)
  t.match((await stream.next('notify_error'))?.json, {
    message: 'the token or certificate of agent-1 is shown by agent agent-2'
  })
  await impostor.close()
  t.same(connected(), [])
  await startAgent('agent-1', tokens.agent)
  await until(() => connected().includes('agent-1'), 'the right one is connected')
})

await t.test('an Idempotency-Key is of who asks', async t => {
  const { url, tokens } = await start(t)
  const post = async (token: string, body: object) => {
    const response = await fetch(`${url}/v1/requests/get_id_value`, {
      method: 'POST',
      headers: { ...bearer(token), 'content-type': 'application/json', 'idempotency-key': 'k' },
      body: JSON.stringify(body)
    })
    return [response.status, response.headers.get('idempotent-replayed')]
  }
  t.same(await post(tokens.viewer, { id: 'a' }), [202, null])
  t.same(await post(tokens.operator, { id: 'b' }), [202, null])
  t.match(await post(tokens.viewer, { id: 'a' }), [/20[02]/, 'true'])
  t.same(await post(tokens.operator, { id: 'c' }), [422, null])
})

await t.test('an agent that connects again and again is refused for a while', async t => {
  const { settings, tokens, url } = await start(t)
  const connect = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${settings.controller_port}${agentPath}`, {
      headers: bearer(tokens.agent)
    })
    const status = await Promise.race([
      once(socket, 'open').then(() => 101),
      once(socket, 'unexpected-response').then(([, response]) => response.statusCode as number)
    ])
    socket.on('error', () => {})
    socket.terminate()
    return status
  }
  const statuses: number[] = []
  while (!statuses.includes(429)) statuses.push(await connect())
  t.ok(statuses.length > 60, `${statuses.length} connections`)
  t.ok(statuses.every(status => status === 101 || status === 429))
  t.equal((await fetch(`${url}/v1/nodes`, { headers: bearer(tokens.viewer) })).status, 200)
})

await t.test('an agent has a few links at a time, and another when one of them has ended', async t => {
  const { settings, tokens } = await start(t)
  const connect = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${settings.controller_port}${agentPath}`, {
      headers: bearer(tokens.agent)
    })
    t.teardown(() => socket.terminate())
    const opened = once(socket, 'open').then(() => socket)
    opened.catch(() => {})
    const refused = once(socket, 'unexpected-response').then(([, response]) => response.statusCode as number)
    refused.catch(() => {})
    return await Promise.race([opened, refused])
  }
  const links = [await connect(), await connect(), await connect(), await connect()]
  t.ok(links.every(link => typeof link !== 'number'))
  t.equal(await connect(), 429)
  ;(links[0] as WebSocket).terminate()
  await until(async () => typeof (await connect()) !== 'number', 'there is room again')
})

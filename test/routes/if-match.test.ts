import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { configurationOf, fakeAgent, manager, never, small, type FakeAgentOptions } from '../controller/fake-agent.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'

type Headers = Record<string, string>

async function start(t: Test, flags: Record<string, string> = {}, options: FakeAgentOptions = {}) {
  const controller = await startTestController(t, flags)
  const agent = await fakeAgent(t, controller.settings.controller_port, options)
  const send = async (method: string, path: string, headers: Headers = {}, body?: object) => {
    const response = await fetch(`${controller.url}/v1${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body ? { body: JSON.stringify(body) } : {})
    })
    return { status: response.status, headers: response.headers, json: (await response.json()) as any }
  }
  return {
    ...controller,
    agent,
    get: async (state: string, headers: Headers = {}) => await send('GET', `/configurations/${state}`, headers),
    tagOf: async (state: string, headers: Headers = {}) =>
      (await send('GET', `/configurations/${state}`, headers)).headers.get('etag')!,
    stage: async (config: object, headers: Headers = {}) =>
      await send('POST', '/requests/stage_configuration', { prefer: 'wait=30', ...headers }, { config }),
    deploy: async (headers: Headers = {}, args: object = {}) =>
      await send('POST', '/requests/deploy', { prefer: 'wait=30', ...headers }, { check: false, ...args }),
    /** How many requests of a type there are. */
    count: async (type: string) => (await send('GET', `/requests?type=${type}`)).json.requests.length
  }
}

await t.test('the tag of what is staged changes with it, also under the same id, and with nothing else', async t => {
  const { stage, tagOf, get, url } = await start(t)
  t.equal(await tagOf('staged'), null)
  await stage(small('c1'))
  const first = await tagOf('staged')
  t.match(first, /^"[0-9a-f]{32}"$/)
  t.equal(await tagOf('staged'), first)
  const file = await fetch(`${url}/v1/configurations/staged`, { headers: { accept: 'text/x-ini' } })
  t.equal(file.headers.get('etag'), first, 'however it is shown')
  t.equal(await tagOf('ready'), null, 'it follows from what agents tell, too')
  t.equal((await stage({ ...small('c9'), instances: [] })).json.state, 'failed')
  t.equal(await tagOf('staged'), first, 'what is refused is not staged')
  await stage(configurationOf(['agent-a'], [manager()], 'c1'))
  t.equal((await get('staged')).json.configuration.id, 'c1')
  const second = await tagOf('staged')
  t.not(second, first)
  await stage(small('c2'))
  t.notOk([first, second].includes(await tagOf('staged')))
  await stage(small('c1'))
  t.equal(await tagOf('staged'), first, 'the same is the same')
})

await t.test('what another one has staged is not overwritten: he, and the time, are told', async t => {
  const directory = directoryOf(t)
  const [ada, bob] = await Promise.all(
    ['ada', 'bob'].map(async name => {
      const token = await tokenCommand(['create'], { role: 'operator', name }, directory)
      return { authorization: `Bearer ${token}` }
    })
  )
  const { url, controller } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token'
  })
  const stage = async (id: string, headers: Headers) => {
    const response = await fetch(`${url}/v1/requests/stage_configuration`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=30', ...headers },
      body: JSON.stringify({ config: small(id) })
    })
    return { status: response.status, type: response.headers.get('content-type'), json: (await response.json()) as any }
  }
  const tagOf = async () => (await fetch(`${url}/v1/configurations/staged`, { headers: ada! })).headers.get('etag')!
  const nothing = await stage('c0', { ...ada, 'if-match': '*' })
  t.match(nothing, { status: 412, json: { detail: 'there is no staged configuration' } })
  await stage('c1', ada!)
  const seen = await tagOf()
  await stage('c2', bob!)
  const now = await tagOf()
  const refused = await stage('c3', { ...ada, 'if-match': seen })
  t.match(refused, {
    status: 412,
    type: /^application\/problem\+json/,
    json: { title: 'Precondition Failed', status: 412, code: 'precondition_failed' }
  })
  t.match(refused.json.detail, new RegExp(`^the staged configuration is ${now} now: c2, staged by bob at \\S+Z$`))
  t.equal(controller.document('staged').configuration.id, 'c2')
  t.equal(controller.listRequests({ limit: 10 }).requests.length, 2, 'no request is made')
  t.match(await stage('c3', { ...ada, 'if-match': now }), { status: 200, json: { state: 'succeeded' } })
})

await t.test('of two at once with the same tag, exactly one stages', async t => {
  const { stage, tagOf, get, count } = await start(t)
  await stage(small('c0'))
  for (let round = 0; round < 5; round++) {
    const tag = await tagOf('staged')
    const ids = [`a${round}`, `b${round}`, `c${round}`]
    const answers = await Promise.all(ids.map(async id => await stage(small(id), { 'if-match': tag })))
    t.same(answers.map(({ status }) => status).sort(), [200, 412, 412])
    const winner = ids[answers.findIndex(({ status }) => status === 200)]
    t.equal((await get('staged')).json.configuration.id, winner)
  }
  t.equal(await count('stage_configuration'), 6)
})

await t.test('tags are compared by RFC 9110: lists, *, and weak ones, which are never the same', async t => {
  const { stage, tagOf } = await start(t)
  await stage(small('c0'))
  const statusOf = async (ifMatch: string) => (await stage(small('c0'), { 'if-match': ifMatch })).status
  const tag = await tagOf('staged')
  for (const good of ['*', tag, `"x", ${tag}`, `"x",${tag} ,"y"`, `W/"a,b" , ,${tag}`, `,, ${tag},`, `"é\\", ${tag}`]) {
    t.equal(await statusOf(good), 200, good)
  }
  for (const other of ['"x"', '""', `W/${tag}`, '"*"', `"x", "${tag.slice(1, -2)}"`]) {
    t.equal(await statusOf(other), 412, other)
  }
  for (const wrong of [
    tag.slice(1, -1),
    '',
    ',',
    '"x',
    `*, ${tag}`,
    `${tag} ${tag}`,
    `w/${tag}`,
    '"a b"',
    'x'.repeat(5000)
  ]) {
    const { status, json } = await stage(small('c9'), { 'if-match': wrong })
    t.match([status, json.code, json.errors], [400, 'invalid_request', [{ field: 'headers/if-match' }]], wrong)
    t.match(json.detail, /if-match must be|if-match must NOT have/)
  }
})

await t.test('what another one has deployed is not replaced: the revision, he and the time are told', async t => {
  const { stage, deploy, tagOf, agent, get, count } = await start(t)
  await stage(small('c1'))
  t.equal(await tagOf('deployed'), null)
  t.match(await deploy({ 'if-match': '*' }), { status: 412, json: { detail: 'there is no deployed configuration' } })
  t.equal((await deploy()).status, 200)
  t.equal(await tagOf('deployed'), '"1"')
  t.match(await deploy({ 'if-match': '"1"' }), { status: 200, json: { state: 'succeeded' } })
  t.equal(await tagOf('deployed'), '"2"')
  const asked = agent.count('deploy')
  const refused = await deploy({ 'if-match': '"1"' }, { revision: 1 })
  t.match(refused, { status: 412, json: { code: 'precondition_failed' } })
  t.match(refused.json.detail, /^the deployed configuration is "2" now: revision 2, deployed by anyone at \S+Z$/)
  t.same([agent.count('deploy'), await count('deploy'), (await get('deployed')).json.revision], [asked, 2, 2])
  t.equal((await deploy({ 'if-match': '*' })).status, 200)
})

await t.test('of two at once with the same tag, exactly one is to deploy', async t => {
  const { stage, deploy, tagOf, count } = await start(t)
  await stage(small('c1'))
  await deploy()
  for (const expected of ['"2"', '"3"', '"4"']) {
    const tag = await tagOf('deployed')
    const answers = await Promise.all([0, 1, 2].map(async () => await deploy({ 'if-match': tag })))
    t.same(answers.map(({ status }) => status).sort(), [200, 412, 412])
    t.equal(answers.find(({ status }) => status === 200)!.json.state, 'succeeded')
    t.equal(await tagOf('deployed'), expected)
  }
  t.equal(await count('deploy'), 4)
})

await t.test('while another deployment is under way, a tag does not hold', async t => {
  let answer: FakeAgentOptions['handlers'] = {}
  const { stage, deploy, agent } = await start(
    t,
    {},
    { handlers: { deploy: (...args) => answer!['deploy']?.(...args) ?? [] } }
  )
  await stage(small('c1'))
  await deploy()
  answer = { deploy: never }
  const { json } = await deploy({ prefer: '' })
  await until(() => agent.count('deploy') === 2, 'it is under way')
  t.match(await deploy({ 'if-match': '"1", "2"' }), {
    status: 412,
    json: { detail: `the deployed configuration may change: deployment ${json.reqid} is under way` }
  })
})

await t.test('a request that was accepted is answered again, whatever is there now', async t => {
  const { stage, deploy, tagOf } = await start(t)
  await stage(small('c0'))
  const tag = await tagOf('staged')
  const again = { 'if-match': tag, 'idempotency-key': 'k' }
  const accepted = await stage(small('c1'), again)
  await stage(small('c2'))
  const replayed = await stage(small('c1'), again)
  t.match(replayed, { status: 200, json: { reqid: accepted.json.reqid } })
  t.equal(replayed.headers.get('idempotent-replayed'), 'true')
  await deploy()
  const once = { 'if-match': '"1"', 'idempotency-key': 'd' }
  const deployed = await deploy(once)
  t.match(await deploy(once), { status: 200, json: { reqid: deployed.json.reqid, state: 'succeeded' } })

  const refused = { 'if-match': '"1"', 'idempotency-key': 'e' }
  t.equal((await deploy(refused)).status, 412)
  t.equal((await deploy({ ...refused, 'if-match': '"2"' })).status, 200, 'what was refused has not used its key')
})

await t.test('what an earlier version has left has a tag, and no story', async t => {
  const directory = directoryOf(t)
  const one = await start(t, { 'management-state-dir': directory })
  await one.stage(small('c1'))
  await one.deploy()
  await one.close()
  const db = new DatabaseSync(join(directory, 'controller.sqlite'))
  db.exec(
    "DELETE FROM revisions; UPDATE configurations SET time = NULL, who = NULL, body = json_remove(body, '$.revision')"
  )
  db.close()
  const { tagOf, stage, deploy } = await start(t, { 'management-state-dir': directory })
  t.equal(await tagOf('deployed'), '"c1"')
  const detailOf = ({ json }: { json: { detail: string } }) => json.detail
  t.equal(detailOf(await deploy({ 'if-match': '"c2"' })), 'the deployed configuration is "c1" now: c1')
  t.match(detailOf(await stage(small('c2'), { 'if-match': '"x"' })), /^the staged configuration is "\w+" now: c1$/)
  t.equal((await deploy({ 'if-match': '"c1"' })).status, 200)
})

import t from 'tap'
import { RevisionDifference, RevisionDocument, RevisionList } from '../../schemas/revisions.js'
import { checker } from '../../schemas/validator.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { invalid } from '../../src/errors.js'
import { tarOf } from '../bundles/tar.js'
import { configurationOf, fakeAgent, manager, worker } from '../controller/fake-agent.js'
import { answerOf, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'

await t.test('revisions over HTTP', async t => {
  const { url, settings, ask } = await startTestController(t)
  await fakeAgent(t, settings.controller_port)
  const get = async (path: string) => await answerOf(await fetch(`${url}/v1/revisions${path}`))
  const upload = async (content: string): Promise<string> => {
    const body = new Uint8Array(tarOf({ path: 'scripts/local.zeek', content }))
    const headers = { 'content-type': 'application/x-tar' }
    return (await answerOf(await fetch(`${url}/v1/bundles`, { method: 'POST', headers, body }))).json.id
  }
  const deploy = async (config: object, args: object = {}) => {
    await ask('stage_configuration', { config })
    await ask('deploy', { check: false, ...args })
  }

  await t.test('there is none before the first deployment', async t => {
    t.match(await get(''), { status: 200, json: { revisions: [], event_cursor: String } })
    t.match(await get('/1'), { status: 404, json: { code: 'not_found', detail: 'there is no revision 1' } })
    t.match(await get('/1/diff'), { status: 404 })
  })

  const bundles = [await upload('print 1;'), await upload('print 2;')]
  const secret = (value: string) => ({ ...worker(), env: { API_TOKEN: value, MSG: 'hello' } })
  await deploy({ ...configurationOf(['agent-a'], [manager(), secret('swordfish')], 'c1'), bundle: bundles[0] })
  await deploy(
    { ...configurationOf(['agent-a'], [manager(), secret('marlin'), worker('worker-2')], 'c2'), bundle: bundles[1] },
    { comment: 'more' }
  )
  await deploy(configurationOf(['agent-a'], [manager()], 'c3'))

  await t.test('the list comes in pages, newest first, without configurations', async t => {
    const first = checker(RevisionList, invalid)((await get('?limit=2')).json, '')
    t.match(first.revisions, [
      { revision: 3, deployed: true, outcome: 'succeeded', config_id: 'c3', nodes: 1 },
      { revision: 2, deployed: false, comment: 'more', bundle: bundles[1], created_by: 'anyone', nodes: 3 }
    ])
    t.notOk(JSON.stringify(first).includes('marlin'))
    const rest = await get(`?limit=2&after=${first.next}`)
    t.match(rest.json, { revisions: [{ revision: 1 }] })
    t.notOk('next' in rest.json)
    t.match(await get('?after=x'), { status: 400, json: { errors: [{ field: 'querystring/after' }] } })
  })

  await t.test('one has its configuration as it was staged, and the audit log says who has read it', async t => {
    const document = checker(RevisionDocument, invalid)((await get('/2')).json, '')
    t.match(document, { revision: 2, configuration: { id: 'c2', nodes: [{}, { env: { API_TOKEN: 'marlin' } }, {}] } })
    const { entries } = await getJson(`${url}/v1/audit?limit=1`)
    t.match(entries, [{ action: 'get_configuration', detail: 'revision 2', name: 'anyone' }])
    for (const wrong of ['/0', '/x', '/1.5', '/-1', '/99999999999999999999']) t.equal((await get(wrong)).status, 400)
    t.match(await get('/4'), { status: 404, json: { detail: 'there is no revision 4' } })
  })

  await t.test('the difference is that to the one before, or to another one; secrets are masked', async t => {
    const difference = checker(RevisionDifference, invalid)((await get('/2/diff')).json, '')
    const hidden = '"********"'
    t.match(difference, {
      from: { revision: 1 },
      to: { revision: 2 },
      nodes: {
        added: ['worker-2'],
        removed: [],
        changed: [{ name: 'worker-1', fields: [{ field: 'env.API_TOKEN', before: hidden, after: hidden }] }]
      },
      bundle: {
        from: bundles[0],
        to: bundles[1],
        added: [],
        removed: [],
        changed: [{ after: { path: 'scripts/local.zeek' }, diff: /\n-print 1;\n[^]*\n\+print 2;\n/ }]
      }
    })
    const back = (await get('/1/diff?from=3')).json
    t.match(back, { from: { revision: 3 }, to: { revision: 1, bundle: bundles[0] }, nodes: { added: ['worker-1'] } })
    t.notOk('bundle' in back, 'only one has a bundle')
    t.match((await get('/3/diff?from=3')).json.nodes, { added: [], removed: [], changed: [] })
    t.match(await get('/1/diff'), { status: 404, json: { detail: 'there is no revision before 1' } })
    t.match(await get('/1/diff?from=9'), { status: 404, json: { detail: 'there is no revision 9' } })
    t.match(await get('/1/diff?from=x'), { status: 400, json: { errors: [{ field: 'querystring/from' }] } })
  })

  await t.test('a comment is a text of one line or several, of 500 characters at most', async t => {
    const post = async (body: object) =>
      await answerOf(
        await fetch(`${url}/v1/requests/deploy`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', prefer: 'wait=30' },
          body: JSON.stringify(body)
        })
      )
    for (const comment of ['a'.repeat(501), '', 'a\0', 'a\x1b[31m', 5]) {
      t.match(await post({ comment }), { status: 400, json: { errors: [{ field: 'body/comment' }] } })
    }
    for (const revision of [0, '1', 1.5]) {
      t.match(await post({ revision }), { status: 400, json: { errors: [{ field: 'body/revision' }] } })
    }
    for (const comment of ['é'.repeat(500), 'one\n\ttwo']) {
      t.match(await post({ comment, check: false }), { status: 200, json: { state: 'succeeded' } })
      t.equal((await get('?limit=1')).json.revisions[0].comment, comment)
    }
  })
})

await t.test('a viewer sees the list, an operator the configurations', async t => {
  const directory = directoryOf(t)
  const flags = { 'management-state-dir': directory, 'controller-authentication': 'token' }
  const [viewer, operator] = [
    await tokenCommand(['create'], { role: 'viewer', name: 'v' }, directory),
    await tokenCommand(['create'], { role: 'operator', name: 'o' }, directory)
  ]
  const { url } = await startTestController(t, flags)
  const statuses = async (token: string) =>
    await Promise.all(
      ['', '/1', '/1/diff'].map(async path => {
        const { status } = await fetch(`${url}/v1/revisions${path}`, { headers: { authorization: `Bearer ${token}` } })
        return status
      })
    )
  t.same(await statuses(viewer), [200, 403, 403])
  t.same(await statuses(operator), [200, 404, 404])
})

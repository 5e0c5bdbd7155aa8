import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { Bundle, BundleContent, BundleDifference, BundleList } from '../../schemas/bundles.js'
import { checker } from '../../schemas/validator.js'
import { invalid } from '../../src/errors.js'
import { tarOf } from '../bundles/tar.js'
import { configurationOf } from '../flow/cluster.js'
import { answerOf } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'

const checkBundle = checker(Bundle, invalid)
const local = { path: 'scripts/local.zeek', content: 'print "hello";\n' }

await t.test('bundles over HTTP', async t => {
  const { url, settings, ask, close } = await startTestController(t, { 'controller-bundle-max-bytes': '300000' })
  const directory = join(settings.management_state_dir, 'bundles')
  const upload = async (body: Buffer, query = '', type = 'application/x-tar') =>
    await answerOf(
      await fetch(`${url}/v1/bundles${query}`, {
        method: 'POST',
        headers: { 'content-type': type },
        body: new Uint8Array(body)
      })
    )
  const get = async (path: string) => await answerOf(await fetch(url + path))

  const first = await upload(tarOf(local), '?name=site')
  await t.test('an archive becomes a bundle, which is kept once', async t => {
    t.equal(first.status, 201)
    t.match(checkBundle(first.json, ''), { names: ['site'], files: 1, size: 15, created_by: 'anyone' })
    const again = await upload(
      gzipSync(tarOf({ ...local, path: './scripts/local.zeek', mode: 0o600 })),
      '',
      'application/gzip'
    )
    t.match(again, { status: 200, json: { id: first.json.id, names: ['site'] } })
    const twins = await Promise.all(
      Array.from({ length: 4 }, () => upload(tarOf(local, { path: 'intel/x', content: 'x' })))
    )
    t.same(twins.map(({ status }) => status).sort(), [200, 200, 200, 201], 'at the same time, too')
    t.equal(readdirSync(directory).length, 2)
  })

  await t.test('a name points to the newest, and lists, files and differences are told', async t => {
    const second = await upload(
      tarOf({ ...local, content: 'print "changed";\n' }, { path: 'config/a', content: 'a' }),
      '?name=site'
    )
    t.equal(second.status, 201)
    const list = checker(BundleList, invalid)((await get('/v1/bundles?limit=2')).json, '')
    t.match(list.bundles, [{ id: second.json.id, names: ['site'] }, { names: [] }])
    const rest = await get(`/v1/bundles?limit=2&after=${list.next}`)
    t.match(rest.json, { bundles: [{ id: first.json.id, names: [] }], next: undefined })
    const content = checker(BundleContent, invalid)((await get('/v1/bundles/site')).json, '')
    t.match(content.content, [{ path: 'config/a' }, { path: 'scripts/local.zeek', size: 17, executable: false }])
    const difference = checker(BundleDifference, invalid)(
      (await get(`/v1/bundles/site/diff?from=${first.json.id}`)).json,
      ''
    )
    t.match(difference, {
      from: first.json.id,
      to: second.json.id,
      added: [{ path: 'config/a' }],
      removed: [],
      changed: [{ before: { size: 15 }, after: { path: 'scripts/local.zeek', size: 17 } }]
    })
    t.match(await get('/v1/bundles/nobody'), { status: 404, json: { detail: 'there is no bundle nobody' } })
    t.match(await get('/v1/bundles?after=x'), { status: 400 })
  })

  await t.test('a configuration keeps the bundle that the name meant', async t => {
    const { id } = (await get('/v1/bundles/site')).json
    const staged = await ask('stage_configuration', { config: { ...configurationOf(['a']), bundle: 'site' } })
    t.equal(staged.state, 'succeeded')
    t.equal((await get('/v1/configurations/staged')).json.configuration.bundle, id)
    t.match((await get('/v1/bundles')).json.bundles, [{ id, used_by: ['staged'] }, { used_by: [] }])
    const unknown = await ask('stage_configuration', { config: { ...configurationOf(['a']), bundle: 'nobody' } })
    t.match(unknown.results, [{ success: false, error: 'there is no bundle nobody' }])
    const remove = async (ref: string) =>
      await answerOf(
        await fetch(`${url}/v1/bundles/${ref}`, { method: 'DELETE' }).then(async response =>
          response.status === 204 ? new Response('{}', { status: 200 }) : response
        )
      )
    t.match(await remove('site'), { status: 409, json: { detail: 'the staged configuration names this bundle' } })
    await ask('stage_configuration', { config: configurationOf(['a']) })
    t.match(await remove('site'), { status: 200 })
    t.match(await remove('site'), { status: 404 })
    const { entries } = (await get('/v1/audit?limit=2')).json
    t.match(
      entries.map(({ action, detail }: { action: string; detail?: string }) => [action, detail]),
      [['delete_bundle', `${id} site`]]
    )
  })

  await t.test('what is refused leaves nothing', async t => {
    const before = readdirSync(directory).length
    t.match(await upload(tarOf({ path: 'scripts/../../etc/x' })), {
      status: 400,
      json: { code: 'invalid_request', detail: /leads out of it/ }
    })
    t.match(await upload(tarOf()), { status: 400, json: { detail: /the archive is broken|holds no file/ } })
    t.match(await upload(tarOf({ path: 'scripts/', type: 'Directory' })), {
      status: 400,
      json: { detail: 'the archive holds no file' }
    })
    t.match(await upload(Buffer.alloc(0)), { status: 400, json: { detail: 'the archive is empty' } })
    t.match(await upload(tarOf({ path: 'scripts/x', content: randomBytes(400_000) })), {
      status: 413,
      json: { code: 'payload_too_large' }
    })
    t.match(await upload(tarOf(local), '', 'text/plain'), { status: 415 })
    t.match(await upload(tarOf(local), '?name=a/b'), { status: 400, json: { errors: [{ field: 'querystring/name' }] } })
    t.match(await answerOf(await fetch(`${url}/v1/bundles`, { method: 'POST' })), {
      status: 400,
      json: { detail: 'the body is missing: a tar archive' }
    })
    // Who vanishes in the middle.
    const bytes = tarOf({ path: 'scripts/x', content: randomBytes(200_000) })
    const client = httpRequest(`${url}/v1/bundles`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-tar', 'content-length': bytes.length }
    })
    client.on('error', () => {})
    client.write(bytes.subarray(0, 100_000))
    await until(() => readdirSync(directory).length === before + 1, 'it is being written')
    client.destroy()
    await until(() => readdirSync(directory).length === before, 'it is gone')
  })

  await t.test('a bundle whose contents are gone is whole again when they are uploaded again', async t => {
    const { id } = (await upload(tarOf({ path: 'scripts/lost', content: 'lost' }))).json
    const before = readdirSync(directory)
    const store = new Set(before)
    for (const name of readdirSync(directory)) {
      if (readFileSync(join(directory, name), 'utf8') === 'lost') rmSync(join(directory, name))
    }
    t.equal(readdirSync(directory).length, before.length - 1)
    t.match(await upload(tarOf({ path: 'scripts/lost', content: 'lost' })), { status: 200, json: { id } })
    const [again] = readdirSync(directory).filter(name => !store.has(name))
    t.equal(readFileSync(join(directory, again!), 'utf8'), 'lost')
  })

  await t.test('what an upload has left that was killed is removed at the next start', async t => {
    await close()
    writeFileSync(join(directory, 'left.pack'), 'x')
    const kept = readdirSync(directory).length - 1
    const again = await startTestController(t, { 'management-state-dir': settings.management_state_dir })
    t.equal(readdirSync(directory).length, kept)
    t.equal((await answerOf(await fetch(`${again.url}/v1/bundles`))).json.bundles.length, kept)
  })
})

await t.test('a bundle without a name that no configuration names is kept for a while', async t => {
  let days = 0
  const { url, ask, settings } = await startTestController(
    t,
    { 'controller-bundle-max-age': String(30 * 86_400) },
    { now: () => Date.now() + days * 86_400_000 }
  )
  const upload = async (content: string, query = '') => {
    const { json } = await answerOf(
      await fetch(`${url}/v1/bundles${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-tar' },
        body: new Uint8Array(tarOf({ path: 'scripts/local.zeek', content }))
      })
    )
    return json.id as string
  }
  const kept = async () =>
    (await answerOf(await fetch(`${url}/v1/bundles`))).json.bundles.map(({ id }: { id: string }) => id).sort()
  const named = await upload('named', '?name=site')
  const staged = await upload('staged')
  const first = await upload('first')
  const second = await upload('second')
  const config = { ...configurationOf(['agent-a']), bundle: staged }
  t.equal((await ask('stage_configuration', { config })).state, 'succeeded')
  days = 29
  t.equal(await upload('second'), second, 'it is uploaded again')
  t.same(await kept(), [named, staged, first, second].sort())
  days = 31
  await until(async () => (await kept()).length < 4, 'one is dropped')
  t.same(await kept(), [named, staged, second].sort())
  const packs = join(settings.management_state_dir, 'bundles')
  await until(() => readdirSync(packs).length === 3, 'with what it held')
})

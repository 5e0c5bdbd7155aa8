import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { contextsFile, readContexts, writeContexts } from '../../src/client/contexts.js'
import { Failure } from '../../src/client/failure.js'
import { defaultUrl, findTarget, parseUrl, parseUrls, type TargetOptions } from '../../src/client/target.js'

/** What is thrown, as it is told: `2 there is no context x`. */
async function refusal(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'nothing was thrown'
  } catch (error) {
    if (error instanceof Failure) return `${error.exitCode} ${error.message}`
    throw error
  }
}

const contexts = {
  current: 'site-1',
  contexts: {
    'site-1': { url: 'https://one.example:2149', token: 'token-1' },
    'site-2': { url: 'https://two.example:2149', token: 'token-2' },
    local: { url: 'http://127.0.0.1:2149' }
  }
}
const home = t.testdir({
  'zeek-cluster': { 'contexts.json': JSON.stringify(contexts) },
  token: '  token-of-file\n',
  ca: 'CA'
})
const env = { XDG_CONFIG_HOME: home }
const found = async (options: TargetOptions, more: NodeJS.ProcessEnv = {}) => {
  const { urls, token, ca } = await findTarget(options, { ...env, ...more })
  return [urls.join(), token, ca]
}

await t.test('the controller is the one of the command line, else of the environment, else of the context', async t => {
  t.same(await found({}), ['https://one.example:2149', 'token-1', undefined])
  t.same(await found({ context: 'site-2' }), ['https://two.example:2149', 'token-2', undefined])
  t.same(await found({}, { ZEEK_CLUSTER_CONTEXT: 'site-2' }), ['https://two.example:2149', 'token-2', undefined])
  t.same((await found({ context: 'site-1' }, { ZEEK_CLUSTER_CONTEXT: 'site-2' }))[0], 'https://one.example:2149')
  t.same(
    (await found({ context: 'site-2' }, { ZEEK_CLUSTER_URL: 'https://three.example' }))[0],
    'https://two.example:2149'
  )
  t.same(
    (await found({ url: 'https://four.example' }, { ZEEK_CLUSTER_URL: 'https://three.example' }))[0],
    'https://four.example'
  )
  t.same((await findTarget({}, { XDG_CONFIG_HOME: join(home, 'none') })).urls, [defaultUrl])
})

await t.test('the token of a context goes to the URL of the context only', async t => {
  t.same(await found({ url: 'https://evil.example' }), ['https://evil.example', undefined, undefined])
  t.same(await found({}, { ZEEK_CLUSTER_URL: 'https://evil.example' }), ['https://evil.example', undefined, undefined])
  t.same(await found({}, { ZEEK_CLUSTER_URL: 'https://evil.example', ZEEK_CLUSTER_CONTEXT: 'site-1' }), [
    'https://evil.example',
    undefined,
    undefined
  ])
  t.same((await found({ url: 'https://one.example:2149' }))[1], undefined, 'even when it is the same URL')
})

await t.test('a token is of a file, else of the environment, else of the context', async t => {
  const file = join(home, 'token')
  t.equal((await found({ tokenFile: file }, { ZEEK_CLUSTER_TOKEN: 'e' }))[1], 'token-of-file')
  t.equal((await found({}, { ZEEK_CLUSTER_TOKEN: 'e' }))[1], 'e')
  t.equal((await found({ context: 'local' }))[1], undefined)
  t.equal((await found({ context: 'local' }, { ZEEK_CLUSTER_TOKEN: '' }))[1], undefined)
  t.same((await found({ ca: join(home, 'ca') }))[2], 'CA')
  t.match(await refusal(() => found({ tokenFile: join(home, 'none') })), /^2 --token-file: ENOENT/)
  t.match(await refusal(() => found({ ca: join(home, 'none') })), /^2 --ca: ENOENT/)
  for (const half of [{ cert: file }, { key: file }]) {
    t.equal(await refusal(() => found(half)), '2 --cert and --key need each other')
  }
})

await t.test('a token is never sent in clear over a network', async t => {
  const refused = (url: string) => refusal(() => found({ url }, { ZEEK_CLUSTER_TOKEN: 'secret' }))
  for (const url of [
    'http://10.0.0.1:2149',
    'http://zeek.example',
    'http://127.0.0.1.evil.example',
    'http://[fe80::1]',
    '0.0.0.0'
  ]) {
    t.match(await refused(url), /^2 the token would be sent in clear to http:/)
  }
  for (const url of [
    'http://127.0.0.1:1',
    'http://127.9.9.9',
    'http://localhost:1',
    'http://[::1]:1',
    'https://10.0.0.1',
    'http://2130706433'
  ]) {
    t.equal(await refused(url), 'nothing was thrown', url)
  }
})

await t.test('a context that there is not is told, with those that there are', async t => {
  t.equal(
    await refusal(() => found({ context: 'site-3' })),
    '2 there is no context site-3: there are site-1, site-2, local'
  )
  t.equal(
    await refusal(() => found({ context: 'toString' })),
    '2 there is no context toString: there are site-1, site-2, local'
  )
  t.match(
    await refusal(() => findTarget({ context: 'x' }, { XDG_CONFIG_HOME: join(home, 'none') })),
    /log in first \(zeek-cluster login URL\)/
  )
  t.match(
    await refusal(() => found({ url: 'http://a', context: 'site-1' })),
    /^2 --url and --context exclude each other/
  )
})

await t.test('a token goes to no list in which one of the URLs would have it in clear', async t => {
  const list = 'http://127.0.0.1:2149,https://a.example,http://b.example:2149'
  const expected = '2 the token would be sent in clear to http://b.example:2149: use https, or an ssh tunnel'
  t.equal(await refusal(() => found({ url: list }, { ZEEK_CLUSTER_TOKEN: 'secret' })), expected)
  t.equal(await refusal(() => found({}, { ZEEK_CLUSTER_URL: list, ZEEK_CLUSTER_TOKEN: 'secret' })), expected)
  t.equal(await refusal(() => found({ url: list })), 'nothing was thrown')
})

await t.test('there may be several controllers, in each place that names one', async t => {
  const urls = ['https://one.example:2149', 'http://two.example', 'http://[::1]:2149']
  const list = ' https://one.example:2149/, two.example ,[::1]:2149'
  t.same(parseUrls(list), urls)
  t.same((await findTarget({ url: list }, env)).urls, urls)
  t.same((await findTarget({}, { ...env, ZEEK_CLUSTER_URL: list })).urls, urls)
  const file = contextsFile({ XDG_CONFIG_HOME: t.testdir() })
  await writeContexts(file, { current: 'all', contexts: { all: { url: list } } })
  t.same((await findTarget({}, { XDG_CONFIG_HOME: t.testdirName })).urls, urls)

  t.equal(await refusal(() => parseUrls('a,ftp://b,c')), `2 ftp://b is no URL of a controller, as ${defaultUrl} is one`)
  t.match(await refusal(() => parseUrls('a,https://user:secret@b:1,c')), /^2 a URL holds .* b:1 (?!.*secret)/)
  for (const list of ['', ',', 'a,', ',a', 'a,,b', 'a, ,b']) {
    t.match(await refusal(() => parseUrls(list)), /^2 .* is no URL of a controller/, list)
  }
  t.equal(parseUrls(Array(16).fill('a').join()).length, 16)
  t.equal(await refusal(() => parseUrls(Array(17).fill('a').join())), '2 17 URLs are too many: at most 16')
})

await t.test('URLs are taken as people write them', async t => {
  t.equal(parseUrl('zeek.example:2149'), 'http://zeek.example:2149')
  t.equal(parseUrl('HTTPS://Zeek.Example/'), 'https://zeek.example')
  t.equal(parseUrl('https://proxy.example/zeek//?a=b#c'), 'https://proxy.example/zeek')
  t.equal(parseUrl('[::1]:2149'), 'http://[::1]:2149')
  for (const text of ['ftp://zeek.example', 'http://', '', 'http://a b', 'file:///etc/passwd', 'http://h:99999']) {
    t.match(await refusal(() => parseUrl(text)), /^2 .* is no URL of a controller/, text)
  }
  t.match(await refusal(() => parseUrl('https://user:secret@zeek.example')), /^2 a URL holds no credentials/)
})

await t.test('contexts are kept for their owner only, and written whole or not at all', async t => {
  const file = contextsFile({ XDG_CONFIG_HOME: join(t.testdir(), 'deep', 'er') })
  t.same(await readContexts(file), { contexts: {} })
  await writeContexts(file, contexts)
  t.same(await readContexts(file), contexts)
  t.equal(statSync(file).mode & 0o777, 0o600)
  chmodSync(file, 0o644)
  await writeContexts(file, { contexts: {} })
  t.equal(statSync(file).mode & 0o777, 0o600)
  await Promise.all(Array.from({ length: 10 }, async () => await writeContexts(file, contexts)))
  t.same(JSON.parse(readFileSync(file, 'utf8')), contexts)
  t.same(readdirSync(dirname(file)), ['contexts.json'], 'nothing else is left')
})

await t.test('a damaged file of contexts is told, and not overwritten', async t => {
  const file = join(t.testdir(), 'contexts.json')
  const broken = [
    '',
    '{',
    'null',
    '[]',
    '{"contexts":[]}',
    '{"contexts":{"a":{}}}',
    '{"contexts":{"a":{"url":1}}}',
    '{"current":1,"contexts":{}}'
  ]
  for (const text of broken) {
    writeFileSync(file, text)
    t.equal(
      await refusal(() => readContexts(file)),
      `2 ${file} is damaged: remove it, and log in again (zeek-cluster login URL)`,
      text
    )
  }
  mkdirSync(join(t.testdirName, 'directory'))
  t.match(await refusal(() => readContexts(join(t.testdirName, 'directory'))), /^2 EISDIR/)
})

await t.test('the file of contexts is where the XDG specification wants it', async t => {
  t.equal(contextsFile({ XDG_CONFIG_HOME: '/x' }), '/x/zeek-cluster/contexts.json')
  for (const value of [undefined, '', 'relative']) {
    t.match(contextsFile({ XDG_CONFIG_HOME: value }), /\/\.config\/zeek-cluster\/contexts\.json$/)
  }
})

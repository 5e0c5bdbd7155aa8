import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { covers, roles, type NeededRole } from '../../schemas/access.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { createToken, findToken } from '../../src/security/token.js'

const day = 86_400_000

await t.test('a role may do what those before it may, an agent nothing of it, and who joins only that', async t => {
  const needed: NeededRole[] = ['anyone', 'join', 'viewer', 'operator', 'admin']
  t.same(
    roles.map(role => needed.filter(each => covers(role, each)).length),
    [2, 3, 4, 1, 2]
  )
})

await t.test('a token is found by its text alone, as long as it is good', async t => {
  const { kept, text } = createToken({ name: 'ops', role: 'operator', lifetimeMs: day, now: 1000 })
  const { kept: other, text: otherText } = createToken({ name: 'ops', role: 'viewer', now: 1000 })
  const tokens = new Map([kept, other].map(token => [token.id, token]))
  t.equal(findToken(tokens, text, 1000), kept)
  t.equal(findToken(tokens, otherText, 1e15), other)
  t.equal(findToken(tokens, text, 1000 + day - 1), kept)
  t.equal(findToken(tokens, text, 1000 + day), undefined, 'expired')
  const [, id, secret] = text.split('_') as [string, string, string]
  for (const wrong of [
    '',
    'x',
    id,
    secret,
    `zcc_${id}_`,
    `zcc_${other.id}_${secret}`,
    `${text}x`,
    ` ${text}`,
    text.toUpperCase(),
    `zcc_${'0'.repeat(12)}_${secret}`,
    kept.hash,
    `zcc_${id}_${'A'.repeat(43)}`
  ]) {
    t.equal(findToken(tokens, wrong, 1000), undefined, wrong)
  }
})

await t.test('what is kept does not give the secret away', async t => {
  const { kept, text } = createToken({ name: 'a', role: 'admin', now: 0 })
  t.notOk(JSON.stringify(kept).includes(text.split('_').slice(2).join('_')))
  t.not(createToken({ name: 'a', role: 'admin', now: 0 }).text, text)
})

await t.test('tokens are made, listed and revoked', async t => {
  const directory = t.testdir()
  const text = await tokenCommand(['create'], { role: 'agent', name: 'sensor-1', expires: '30d' }, directory)
  t.match(text, /^zcc_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/)
  await tokenCommand(['create'], { role: 'viewer' }, directory)
  const id = text.split('_')[1]!
  const list = await tokenCommand(['list'], {}, directory)
  const lines = list.split('\n').map(line => line.split('\t'))
  t.same(
    lines.map(([, role, name]) => [role, name]),
    [
      ['agent', 'sensor-1'],
      ['viewer', 'viewer']
    ]
  )
  t.equal(lines[0]![0], id)
  t.equal(Date.parse(lines[0]![4]!) - Date.parse(lines[0]![3]!), 30 * day)
  t.equal(lines[1]![4], 'never')
  t.notOk(list.includes(text.slice(17)))
  for (const file of ['controller.sqlite']) {
    t.notOk(readFileSync(join(directory, file), 'latin1').includes(text.slice(17)), 'nor is it on the disk')
  }
  t.equal(await tokenCommand(['revoke', id], {}, directory), `revoked ${id}`)
  t.same((await tokenCommand(['list'], {}, directory)).split('\n').length, 1)
})

await t.test('what a token cannot be is said, and nothing is made', async t => {
  const directory = t.testdir()
  const cases: [string[], Record<string, string>, RegExp][] = [
    [['create'], {}, /^--role must be one of viewer, operator, admin, agent, join$/],
    [['create'], { role: 'boss' }, /^--role/],
    [['create'], { role: 'agent' }, /^--name is required: an agent can speak for no other$/],
    [['create'], { role: 'viewer', name: 'a b' }, /^--name/],
    [['create'], { role: 'viewer', expires: '0d' }, /^--expires/],
    [['create'], { role: 'viewer', expires: '100000d' }, /^--expires/],
    [['create'], { role: 'viewer', expires: 'soon' }, /^--expires/],
    [['create', 'x'], { role: 'viewer' }, /^token takes/],
    [[], {}, /^token takes/],
    [['revoke'], {}, /^token takes/],
    [['list', 'all'], {}, /^token takes/]
  ]
  for (const [words, flags, message] of cases) {
    await t.rejects(tokenCommand(words, flags, directory), { code: 'invalid_request', message })
  }
  const text = await tokenCommand(['create'], { role: 'viewer', expires: '99999d' }, directory)
  const [, id] = text.split('_') as [string, string]
  await t.rejects(tokenCommand(['revoke', 'abc'], {}, directory), {
    code: 'not_found',
    message: /^there is no token abc$/
  })
  await t.rejects(
    tokenCommand(['revoke', text], {}, directory),
    { code: 'not_found', message: new RegExp(`^there is no token zcc_${id}_…$`) },
    'a text is not shown again'
  )
  await tokenCommand(['revoke', id], {}, directory)
  t.equal(await tokenCommand(['list'], {}, directory), '')
})

import { createHmac } from 'node:crypto'
import t from 'tap'
import { AppError } from '../../../src/errors.js'
import { Forwarded, forwardedHeader } from '../../../src/server/access/forwarded.js'

const secret = 'known to all controllers'
const origin = { address: '192.0.2.7', bearer: { name: 'ana', role: 'admin', expires: 9e12 } }
const start = 1_700_000_000_000

/** The two ends: who forwards, and who leads, each with a clock. */
function ends({ theirs }: { theirs: string | undefined } = { theirs: secret }) {
  const clock = { ahead: 0 }
  return {
    clock,
    follower: new Forwarded(
      () => secret,
      () => start
    ),
    leader: new Forwarded(
      () => theirs,
      () => start + clock.ahead
    )
  }
}

const request = (header?: string | string[], { method = 'POST', url = '/v1/requests/deploy?a=1' } = {}) => ({
  method,
  url,
  headers: header === undefined ? {} : { [forwardedHeader]: header as string }
})

/** A header for any text, signed as if it were right. */
function signed(text: string | Buffer, { method, url } = request()): string {
  const bytes = Buffer.from(text)
  const signature = createHmac('sha256', secret).update(`${bytes.toString()}\n${method} ${url}`).digest('base64url')
  return `${bytes.toString('base64url')}.${signature}`
}

/** The code of what is thrown; the class where it is no AppError. */
function refusal(of: () => unknown): string | undefined {
  try {
    of()
  } catch (error) {
    return error instanceof AppError ? error.code : String(error)
  }
  return undefined
}

await t.test('who has asked is told to the leader, for that method and URL only', t => {
  const { follower, leader } = ends()
  const header = follower.sign(request(), origin)
  t.same(leader.of(request(header)), { at: start, ...origin })
  t.same(leader.of(request(follower.sign(request(), { address: '::1' }))), { at: start, address: '::1' })
  t.equal(leader.of(request()), undefined, 'nobody forwards')
  for (const other of [
    { method: 'DELETE' },
    { method: 'post' },
    { url: '/v1/requests/deploy' },
    { url: '/v1/requests/deploy?a=2' },
    { url: '/v1/requests/deploy?a=1&' },
    { url: '/v1/requests/deploy?a=1#' },
    { url: '/V1/requests/deploy?a=1' },
    { url: '/v1/requests/%64eploy?a=1' },
    { method: 'POST /v1', url: '/requests/deploy?a=1' }
  ]) {
    t.equal(
      refusal(() => leader.of(request(header, other))),
      'forbidden',
      JSON.stringify(other)
    )
  }
  t.end()
})

await t.test('what another one has signed, or was changed, is refused', t => {
  const { follower, leader } = ends()
  const header = follower.sign(request(), origin)
  const [text, signature] = header.split('.') as [string, string]
  const more = Buffer.from(JSON.stringify({ at: start, address: '127.0.0.1' })).toString('base64url')
  for (const bad of [
    '',
    '.',
    '..',
    'garbage',
    text,
    `${text}.`,
    `.${signature}`,
    `${more}.${signature}`,
    `${text}.${signature.slice(1)}`,
    `${text}.${Buffer.alloc(32).toString('base64url')}`,
    `${text.slice(0, -2)}.${signature}`,
    `${text}=.${signature}x`,
    `${header}, ${header}`,
    'é.ÿ',
    '%%%.%%%',
    'x'.repeat(15_000),
    `${'x'.repeat(15_000)}.${'y'.repeat(15_000)}`,
    '.'.repeat(15_000),
    [header, header],
    []
  ]) {
    t.equal(
      refusal(() => leader.of(request(bad))),
      'forbidden',
      String(bad).slice(0, 60)
    )
  }
  t.equal(
    refusal(() => ends({ theirs: 'another' }).leader.of(request(header))),
    'forbidden'
  )
  t.equal(
    refusal(() => ends({ theirs: undefined }).leader.of(request(header))),
    'forbidden'
  )
  t.end()
})

await t.test('a header is good for a while only, as all clocks agree', t => {
  const { follower, leader, clock } = ends()
  const header = follower.sign(request(), origin)
  for (const [ahead, expected] of [
    [300_000, undefined],
    [300_001, 'forbidden'],
    [-300_000, undefined],
    [-300_001, 'forbidden']
  ] as const) {
    clock.ahead = ahead
    t.equal(
      refusal(() => leader.of(request(header))),
      expected,
      String(ahead)
    )
  }
  t.end()
})

await t.test('a request that was admitted stays so while it is served', t => {
  const { follower, leader, clock } = ends()
  const asked = request(follower.sign(request(), origin))
  leader.of(asked)
  clock.ahead = 1e9
  t.match(leader.of(asked), origin)
  t.equal(
    refusal(() => leader.of({ ...asked })),
    'forbidden',
    'this one only'
  )
  t.end()
})

await t.test('nobody forwards before a controller has led', t => {
  const forwarded = new Forwarded(
    () => undefined,
    () => start
  )
  t.equal(
    refusal(() => forwarded.sign(request(), origin)),
    'not_leader'
  )
  t.end()
})

await t.test('what is signed but makes no sense is forbidden, and no error of the server', t => {
  const { leader } = ends()
  const good = { at: start, address: '::1' }
  t.match(leader.of(request(signed(JSON.stringify(good)))), good)
  for (const text of [
    '',
    'x',
    '{',
    'null',
    '1',
    '[]',
    '"text"',
    '{}',
    Buffer.from([0xff, 0xfe]),
    '\ud800',
    '{"__proto__":{"at":1,"address":"::1"}}',
    '{"at":1e999,"address":"::1"}',
    ...[
      { at: String(start) },
      { at: start + 0.5 },
      { at: null },
      { address: undefined },
      { address: 1 },
      { address: 'x'.repeat(65) },
      { role: 'admin' },
      { bearer: null },
      { bearer: {} },
      { bearer: { name: 'a', role: 'admin', expires: null } },
      { bearer: { ...origin.bearer, tokenId: 'x' } }
    ].map(more => JSON.stringify({ ...good, ...more }))
  ]) {
    t.equal(
      refusal(() => leader.of(request(signed(text)))),
      'forbidden',
      String(text).slice(0, 60)
    )
  }
  t.end()
})

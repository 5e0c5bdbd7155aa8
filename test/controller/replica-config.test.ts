import t from 'tap'
import { replicaConfigOf } from '../../src/controller/replica-config.js'
import { readSettings } from '../../src/cli/flags.js'

const read = (flags: Record<string, string>) =>
  replicaConfigOf(readSettings({ flags: { 'controller-name': 'a', ...flags }, roles: ['CONTROLLER'], env: {} }))

await t.test('a controller is one of several once it has servers of NATS', async t => {
  t.equal(read({}), undefined)
  t.same(read({ 'controller-nats': 'one, tls://two:4223 ,nats://three' }), {
    self: 'a',
    url: 'http://127.0.0.1:2149',
    ca: undefined,
    leaseMs: 3000,
    nats: { name: 'cluster', servers: ['nats://one', 'tls://two:4223', 'nats://three'], copies: 3, monitors: [] }
  })
  t.match(
    read({
      'controller-nats': 'one',
      'controller-url': 'https://zeek1:2149',
      'controller-lease': '1.5',
      'controller-nats-name': 'north',
      'controller-nats-replicas': '1',
      'controller-nats-credentials': 'north.creds',
      'controller-nats-tls-ca': 'ca.pem',
      'controller-nats-monitors': 'one:8222'
    }),
    {
      url: 'https://zeek1:2149',
      leaseMs: 1500,
      nats: {
        name: 'north',
        copies: 1,
        credentialsFile: 'north.creds',
        tls: { ca: 'ca.pem' },
        monitors: ['http://one:8222']
      }
    }
  )
})

await t.test('settings that cannot be are refused by name', async t => {
  const nats = { 'controller-nats': 'one' }
  for (const [flags, message] of [
    [{ 'controller-nats': 'http://one' }, /^ZEEK_CONTROLLER_NATS has a URL .* nats:\/\//],
    [{ ...nats, 'controller-nats-monitors': 'ftp://user:secret@one' }, /^ZEEK_CONTROLLER_NATS_MONITORS has a URL/],
    [{ ...nats, 'controller-nats-tls-cert': 'x' }, /_TLS_KEY need each other$/],
    [{ ...nats, 'controller-nats-name': 'a.b' }, /--controller-nats-name must be a name/],
    [{ ...nats, 'controller-lease': '0.5' }, /--controller-lease must be >= 1/],
    [{ ...nats, 'controller-url': 'zeek1:2149' }, /--controller-url must be a URL without a path/],
    [{ ...nats, 'controller-url': 'https://zeek1:2149/' }, /--controller-url must be a URL without a path/],
    [{ ...nats, 'controller-url': 'http://zeek1:2149' }, /^ZEEK_CONTROLLER_URL is http:\/\/zeek1:2149: .*; use https$/],
    [{ ...nats, 'controller-websocket-addr': '0.0.0.0' }, /^ZEEK_CONTROLLER_URL is needed .* at 0\.0\.0\.0$/],
    [{ ...nats, 'controller-tls-by-proxy': 'true' }, /^ZEEK_CONTROLLER_URL is needed .* behind a proxy$/]
  ] as const) {
    t.throws(() => read(flags), { code: 'invalid_request', message })
    t.notMatch(String(message), 'secret')
  }
})

await t.test('an agent beside one of several controllers must know all of them', async t => {
  const together = (flags: Record<string, string>) => readSettings({ flags, roles: ['CONTROLLER', 'AGENT'], env: {} })
  t.throws(() => together({ 'controller-nats': 'one' }), {
    message: /^ZEEK_AGENT_CONTROLLER must name all controllers/
  })
  t.equal(together({ 'controller-nats': 'one', 'agent-controller': 'a:1,b:2' }).agent_controller, 'a:1,b:2')
})

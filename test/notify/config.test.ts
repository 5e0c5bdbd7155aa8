import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { stringify } from 'yaml'
import { readNotifyFile } from '../../src/notify/config.js'
import { signatureHeaders } from '../../src/notify/signature.js'
import { directoryOf } from '../support/directory.js'
import { teller } from './notification.js'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const rules = [{ name: 'a' }]

/** Reads a file with this in it. */
function read(t: Test, content: unknown, mode = 0o600) {
  const path = join(directoryOf(t), 'notify.yaml')
  writeFileSync(path, typeof content === 'string' ? content : stringify(content))
  chmodSync(path, mode)
  return readNotifyFile(path, { teller, env: {}, now: Date.now })
}

await t.test('a file of YAML, with what it leaves out', async t => {
  const { sinks, rules, warnings } = read(
    t,
    `
sinks:
  ops: { webhook: { url: 'https://hooks.example.org/services/T0/B0/xyz?key=hidden', template: slack, headers: { X-B: hidden, X-A: hidden } } }
  mail: { mail: { to: [ops@example.org, root], from: zeek@example.org } }
  pager: { command: { command: /usr/local/bin/page, args: [--token, hidden] } }
`
  )
  t.same(warnings, [])
  t.same(
    sinks.map(({ shown }) => shown),
    [
      {
        name: 'ops',
        kind: 'webhook',
        target: 'https://hooks.example.org',
        template: 'slack',
        signed: false,
        headers: ['X-A', 'X-B']
      },
      { name: 'mail', kind: 'mail', target: 'ops@example.org, root' },
      { name: 'pager', kind: 'command', target: '/usr/local/bin/page' }
    ]
  )
  const [rule, ...others] = rules
  t.same([others.length, rule!.name, rule!.severity, rule!.groupMs], [0, 'default', 'warning', 60_000])
  t.same([rule!.sinks, rule!.recoveries], [['ops', 'mail', 'pager'], true])
})

await t.test('URL and secret in files of their own', async t => {
  const directory = directoryOf(t)
  const [url, key] = [join(directory, 'url'), join(directory, 'key')]
  writeFileSync(url, 'https://example.org/x\n')
  writeFileSync(key, `${secret}\n`)
  const { sinks } = read(t, { sinks: { ops: { webhook: { url_file: url, secret_file: key } } } })
  t.match(sinks[0]!.shown, { target: 'https://example.org', signed: true })
})

await t.test('a file that others can read is warned of', async t => {
  t.match(read(t, { sinks: { a: { command: { command: '/bin/true' } } } }, 0o644).warnings, [/can be read by everyone/])
})

await t.test('what is wrong is told in one line, with the field, and without what may be secret', async t => {
  const webhook = (more: object) => ({ sinks: { ops: { webhook: { url: 'https://example.org/hidden', ...more } } } })
  const rule = (more: object) => ({
    sinks: { a: { command: { command: '/bin/true' } } },
    rules: [{ name: 'r', ...more }]
  })
  const three = {
    a: { command: { command: '/x' } },
    b: { command: { command: '/x' } },
    c: { command: { command: '/x' } }
  }
  for (const [content, message] of [
    ['', /must be object/],
    ['- a', /must be object/],
    ['a: [', /flow sequence|Flow sequence/i],
    [{ sinks: {} }, /\/sinks must NOT have fewer than 1/],
    [{ rules }, /\/sinks is required/],
    [{ sinks: { 'a b': { command: { command: '/x' } } } }, /\/sinks\/a b is not a valid name/],
    [{ sinks: { a: {} } }, /\/sinks\/a must/],
    [{ sinks: { a: { command: { command: '/x' }, mail: { to: ['a'], from: 'b' } } } }, /\/sinks\/a must/],
    [{ sinks: { a: { command: { command: 'x' } } } }, '/sinks/a/command/command must be a path from / on'],
    [{ sinks: { a: { mail: { to: ['-f'], from: 'b' } } } }, /\/sinks\/a\/mail\/to\/0 must be a plain mail address/],
    [{ sinks: { a: { mail: { to: ['a@b\nBcc: c'], from: 'b' } } } }, /\/sinks\/a\/mail\/to\/0 must be a plain mail/],
    [{ sinks: { a: { webhook: {} } } }, '/sinks/a/webhook needs url or url_file'],
    [webhook({ url_file: '/x' }), '/sinks/ops/webhook has both url and url_file'],
    [webhook({ url: 'ftp://hidden' }), '/sinks/ops/webhook/url must be a URL of http or https'],
    [webhook({ url: 'hidden' }), '/sinks/ops/webhook/url must be a URL of http or https'],
    [webhook({ url: 'https://u:hidden@example.org' }), /\/sinks\/ops\/webhook\/url must not hold a user/],
    [webhook({ url: 'http://example.org/hidden' }), /\/sinks\/ops\/webhook\/url must be https/],
    [webhook({ secret: 'hidden' }), /\/sinks\/ops\/webhook\/secret must be whsec_/],
    [webhook({ secret_file: '/nonexistent' }), /\/sinks\/ops\/webhook\/secret_file: .*ENOENT|no such/],
    [webhook({ headers: { 'X-A': 'hidden\r\nX-B: c' } }), /\/sinks\/ops\/webhook\/headers.* must be text of one line/],
    [webhook({ headers: { 'X-A': 'hidden \u4e2d' } }), /\/sinks\/ops\/webhook\/headers.* must be text of one line/],
    [
      webhook({ headers: { 'Webhook-Id': 'hidden' } }),
      '/sinks/ops/webhook/headers/Webhook-Id is set by the controller'
    ],
    [webhook({ headers: { Host: 'hidden' } }), '/sinks/ops/webhook/headers/Host is set by the controller'],
    [webhook({ ca_file: '/etc/passwd' }), /\/sinks\/ops\/webhook\/ca_file: /],
    [webhook({ template: 'discord' }), /\/sinks\/ops\/webhook\/template must be one of json, slack, teams/],
    [rule({ types: ['node_output'] }), /\/rules\/0\/types\/0 must be one of/],
    [rule({ health: ['disk'] }), /\/rules\/0\/health\/0 must be one of/],
    [
      { ...rule({}), rules: Array.from({ length: 32 }, (_, n) => ({ name: `r${n}` })), sinks: three },
      '/rules have 96 sinks together, 64 are allowed'
    ],
    [rule({ sinks: ['b'] }), '/rules/0/sinks names b, which is none of the sinks: a'],
    [rule({ quiet: { hours: [{ from: '25:00', to: '07:00' }], time_zone: 'UTC' } }), /from must be a time of day/],
    [
      rule({ quiet: { hours: [{ from: '22:00', to: '07:00' }], time_zone: 'Mars' } }),
      /\/rules\/0\/quiet\/time_zone must/
    ],
    [{ ...rule({}), rules: [{ name: 'r' }, { name: 'r' }] }, '/rules/1/name is that of another rule: r']
  ] as const) {
    try {
      read(t, content)
      t.fail(`it is taken: ${JSON.stringify(content)}`)
    } catch (error) {
      const text = (error as Error).message
      t.match(text, message)
      t.match(text, /^\/.*notify\.yaml: /)
      t.notMatch(text, /hidden|\n/)
    }
  }
})

await t.test('the signature is that of Standard Webhooks', async t => {
  // The example of its specification.
  const key = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
  t.same(signatureHeaders('msg_p5jXN8AQM9LWM0D4loKWxJek', '{"test": 2432232314}', 1_614_265_330_000, key), {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
  })
})

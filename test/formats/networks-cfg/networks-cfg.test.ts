import { readFileSync } from 'node:fs'
import t from 'tap'
import { convert } from '../../../src/formats/convert.js'
import { readNetworksCfg, renderLocalNetworks } from '../../../src/formats/networks-cfg/networks-cfg.js'
import { renderOptions } from '../../../src/zeek/options.js'
import { fixture } from '../../support/environment.js'

const networks = `# List of local networks
10.0.0.0/8          Private IP space
 192.168.0.0/16\t#1, the \u0007 old\u0001one
2001:DB8::/32
1.2.3.0/024
10.0.0.0/8 again
`
const context = { resolve: async () => '10.0.0.1', defaultInstance: 'agent-here' }
const nodeCfg = '[zeek]\ntype = standalone\nhost = localhost\ninterface = eth0\n'
const value = '{10.0.0.0/8,192.168.0.0/16,[2001:db8::]/32,1.2.3.0/24}'

await t.test('the file that comes with ZeekControl has no networks', async t => {
  t.strictSame(readNetworksCfg(readFileSync(fixture('zeekctl', 'networks.cfg'), 'utf8')), { networks: [], errors: [] })
})

await t.test('a network a line, each once, with what it is', async t => {
  t.strictSame(readNetworksCfg(networks), {
    networks: [
      { subnet: '10.0.0.0/8', description: 'Private IP space' },
      { subnet: '192.168.0.0/16', description: '#1, the   old one' },
      { subnet: '[2001:db8::]/32', description: '' },
      { subnet: '1.2.3.0/24', description: '' }
    ],
    errors: []
  })
})

await t.test('what is no network is told with its line', async t => {
  const wrong = [
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0/8',
    '256.0.0.0/8',
    '10.0.0.0 / 8',
    '2001:db8::',
    '2001:db8::/129',
    '2001:db8::1::/32',
    '[2001:db8::]/32',
    'fe80::1%eth0/64',
    '10.0.0.0/8,',
    '10.0.0.0/-8',
    '0.0.0.0/0;print',
    '\u0000',
    'x'.repeat(1000)
  ]
  const { networks: none, errors } = readNetworksCfg(wrong.join('\n'))
  t.strictSame(none, [])
  t.strictSame(
    errors.map(({ line }) => line),
    wrong.map((_, index) => index + 1)
  )
  t.equal(errors[0]!.message, "must be a network as 10.0.0.0/8 or 2001:db8::/32: '10.0.0.0'")
})

await t.test('they are an option of every node, which is a redef of the set', async t => {
  const { configuration, notes } = await convert('node.cfg', nodeCfg, context, { networks })
  for (const { options } of configuration.nodes) t.strictSame(options, { 'Site::local_nets': value })
  t.match(renderOptions(configuration.nodes[0]!.options!), `\nredef Site::local_nets = ${value};\n`)
  t.match(notes.join('\n'), /every node loads local\.zeek/)
})

await t.test('with a bundle they are a script of it, after those of the site', async t => {
  const { configuration } = await convert('node.cfg', nodeCfg, context, {
    networks,
    zeekctl: 'SitePolicyScripts = local.zeek more.zeek\nSitePolicyPath = /a',
    bundle: 'site'
  })
  t.equal(configuration.bundle, 'site')
  for (const { scripts, options } of configuration.nodes) {
    t.strictSame([scripts, options], [['more.zeek', 'local-networks.zeek'], undefined])
  }
  t.equal(
    renderLocalNetworks(readNetworksCfg(networks).networks),
    '# Made of networks.cfg.\n\nredef Site::local_nets = {\n\t10.0.0.0/8, # Private IP space\n\t192.168.0.0/16, # #1, the   old one\n\t[2001:db8::]/32,\n\t1.2.3.0/24,\n};\n'
  )
})

await t.test('more than an option can hold need a bundle', async t => {
  const many = Array.from({ length: 1000 }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`).join('\n')
  await t.rejects(convert('node.cfg', nodeCfg, context, { networks: many }), {
    code: 'invalid_request',
    message: 'networks.cfg: holds 1000 networks, too many for an option; `convert --bundle` makes a script of them'
  })
  t.equal((await convert('node.cfg', nodeCfg, context, { networks: many, bundle: 'b' })).configuration.nodes.length, 2)
})

await t.test('a hundred thousand lines cost little, and tell little', async t => {
  const before = process.cpuUsage()
  const networks = Array.from({ length: 100_000 }, (_, n) => `10.0.0.0/${n % 60}`).join('\n')
  await t.rejects(convert('node.cfg', nodeCfg, context, { networks }), { message: /; and \d+ more$/ })
  await t.rejects(
    convert('node.cfg', nodeCfg, context, { networks: `10.0.0.0/8${' '.repeat(1e6)}\n${'9'.repeat(1e6)}` })
  )
  t.ok(process.cpuUsage(before).user < 20_000_000)
})

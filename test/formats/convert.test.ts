import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { convert, formatOf } from '../../src/formats/convert.js'
import { packageRoot } from '../../src/util.js'

const fixture = (...path: string[]) => readFileSync(join(packageRoot, 'test', 'fixtures', ...path), 'utf8')
const context = { resolve: async () => '10.0.0.1', defaultInstance: 'agent-here' }
const nodeCfg = fixture('formats', 'node.cfg')
const zeekConf = fixture('formats', 'zeek.conf')
const clusterCfg = fixture('zeek', 'cluster.cfg')

await t.test('the name of a file tells its format', async t => {
  for (const [name, format] of [['node.cfg', 'node.cfg'], ['/etc/zeek/node.cfg', 'node.cfg'], ['zeek.conf', 'zeek.conf'], ['cluster/c-1.zeek.conf', 'zeek.conf'], ['x/cluster.cfg', 'cluster.cfg']]) t.equal(formatOf(name!, 'anything'), format)
})

await t.test('another name leaves it to the text', async t => {
  for (const name of ['-', 'my.cfg', 'zeek.conf.old']) t.strictSame([nodeCfg, zeekConf, clusterCfg].map(text => formatOf(name, text)), ['node.cfg', 'zeek.conf', 'cluster.cfg'])
  t.strictSame(['interface = e\nworkers = 1\n', '[zeek]\ntype=standalone\nhost=localhost\n', '[m]\nROLE: manager\n', '[m]\ntype = manager\ninstance = a\n'].map(text => formatOf('-', text)), ['zeek.conf', 'node.cfg', 'cluster.cfg', 'cluster.cfg'])
})

await t.test('what is none of them is refused, with what was expected', async t => {
  for (const [name, text] of [['x.txt', 'hello'], ['zeekctl.cfg', 'host = x'], ['networks.cfg', '10.0.0.0/8 Private'], ['-', '']]) {
    await t.rejects(convert(name!, text!, context), { code: 'invalid_request', message: `${name} is none of cluster.cfg (zeek-client: sections with instance and role), node.cfg (ZeekControl: sections with type and host), zeek.conf (Zeek's systemd generator: manager, workers, interface)` })
  }
})

await t.test('the format is told in time that grows with the text', async t => {
  const started = performance.now()
  for (const part of ['\n', ' ', '\t\n', 'x\n']) t.throws(() => formatOf('-', part.repeat(300_000)))
  t.ok(performance.now() - started < 10_000)
})

await t.test('each format becomes a configuration', async t => {
  t.equal((await convert('node.cfg', nodeCfg, context)).configuration.nodes.length, 8)
  t.equal((await convert('zeek.conf', zeekConf, context)).configuration.nodes[0]!.instance, 'agent-here')
  t.equal((await convert('a/c-1.zeek.conf', zeekConf, context)).configuration.nodes[1]!.name, 'c-1-logger-1')
  const { configuration, notes } = await convert('cluster.cfg', clusterCfg, context)
  t.strictSame([configuration.nodes.length, notes], [5, []])
})

await t.test('what cannot be staged is refused, with the node or the instance', async t => {
  await t.rejects(convert('cluster.cfg', '[instances]\na\n[m]\ninstance = a\nrole = manager\n[w]\ninstance = a\nrole = worker\nenv = "A B=1"\n', context), { code: 'invalid_request', message: 'node w: config/nodes/1/env/A B is not a valid name' })
  await t.rejects(convert('cluster.cfg', '[instances]\na\nb c\n', context), { code: 'invalid_request', message: /^instance b c: config\/instances\/1\/name must match pattern/ })
  await t.rejects(convert('node.cfg', '[w]\ntype = standalone\nhost = 0.0.0.0\n', context), { code: 'invalid_request', message: 'instance agent-0.0.0.0: config/instances/0/host must be an IP address' })
})

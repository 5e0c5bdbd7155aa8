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
  for (const [name, format] of [
    ['node.cfg', 'node.cfg'],
    ['/etc/zeek/node.cfg', 'node.cfg'],
    ['zeek.conf', 'zeek.conf'],
    ['cluster/c-1.zeek.conf', 'zeek.conf'],
    ['x/cluster.cfg', 'cluster.cfg']
  ]) {
    t.equal(formatOf(name!, 'anything'), format)
  }
})

await t.test('another name leaves it to the text', async t => {
  for (const name of ['-', 'my.cfg', 'zeek.conf.old']) {
    t.strictSame(
      [nodeCfg, zeekConf, clusterCfg].map(text => formatOf(name, text)),
      ['node.cfg', 'zeek.conf', 'cluster.cfg']
    )
  }
  t.strictSame(
    [
      'interface = e\nworkers = 1\n',
      '[zeek]\ntype=standalone\nhost=localhost\n',
      '[m]\nROLE: manager\n',
      '[m]\ntype = manager\ninstance = a\n'
    ].map(text => formatOf('-', text)),
    ['zeek.conf', 'node.cfg', 'cluster.cfg', 'cluster.cfg']
  )
})

await t.test('what is none of them is refused, with what was expected', async t => {
  for (const [name, text] of [
    ['x.txt', 'hello'],
    ['zeekctl.cfg', 'host = x'],
    ['networks.cfg', '10.0.0.0/8 Private'],
    ['-', '']
  ]) {
    await t.rejects(convert(name!, text!, context), {
      code: 'invalid_request',
      message: `${name} is none of cluster.cfg (zeek-client: sections with instance and role), node.cfg (ZeekControl: sections with type and host), zeek.conf (Zeek's systemd generator: manager, workers, interface)`
    })
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
  t.strictSame(
    [configuration.nodes.length, notes],
    [
      5,
      [
        "nodes 'worker-01' and 'worker-02' on instance 'agent-testbox' each see every packet of lo: to share them, let all listen on af_packet::lo with one AF_Packet::fanout_id"
      ]
    ]
  )
})

await t.test('what cannot be staged is refused, with the node or the instance', async t => {
  await t.rejects(
    convert(
      'cluster.cfg',
      '[instances]\na\n[m]\ninstance = a\nrole = manager\n[w]\ninstance = a\nrole = worker\nenv = "A B=1"\n',
      context
    ),
    { code: 'invalid_request', message: 'w: env: A B is not a valid name (line 9)' }
  )
  await t.rejects(convert('cluster.cfg', '[instances]\na\nb c\n', context), {
    code: 'invalid_request',
    message: /^instances: b c: name must be a name of .* \(line 3\)$/
  })
  await t.rejects(convert('node.cfg', '[w]\ntype = standalone\nhost = 0.0.0.0\n', context), {
    code: 'invalid_request',
    message: 'w: host: must be an IP address, neither 0.0.0.0 nor ::, and without a zone (line 3)'
  })
})

const twoInterfaces = (first: string, second: string) =>
  `[zeek]\nmanager = 1\n[interface a]\ninterface = af_packet::eth0\nworkers = 2\nworker_args = ${first}\n[interface b]\ninterface = af_packet::eth1\nworkers = 2\nworker_args = ${second}\n`
const aboutNodes = async (file: string, text: string) =>
  (await convert(file, text, context)).notes.filter(
    note => note.startsWith('nodes ') || note.startsWith('loopback') || note.startsWith('instances ')
  )

await t.test('two AF_PACKET interfaces with one fan-out id are told, as staging tells them', async t => {
  await t.rejects(convert('zeek.conf', twoInterfaces('AF_Packet::fanout_id=42', 'AF_Packet::fanout_id=42'), context), {
    code: 'invalid_request',
    message:
      /^zeek\.conf: nodes 'worker-a-1' \(eth0\) and 'worker-b-1' \(eth1\) on instance 'agent-here' have the same AF_Packet::fanout_id, 42: /
  })
  t.strictSame(await aboutNodes('zeek.conf', twoInterfaces('', '')), [], 'groups get ids of their own')
  t.strictSame(await aboutNodes('zeek.conf', twoInterfaces('', 'AF_Packet::fanout_id=42')), [])
  const worker = (name: string, source: string, more = '') =>
    `[${name}]\ntype = worker\nhost = localhost\ninterface = ${source}\nlb_method = af_packet\nlb_procs = 2\n${more}`
  const hub = '[m]\ntype = manager\nhost = localhost\n[p]\ntype = proxy\nhost = localhost\n'
  t.strictSame(await aboutNodes('node.cfg', hub + worker('v', 'eth0') + worker('w', 'eth1')), [])
  const onOneCpu = (name: string, source: string) => worker(name, source, 'pin_cpus = 1\n')
  t.match(await aboutNodes('node.cfg', hub + onOneCpu('v', 'eth0') + onOneCpu('w', 'eth1')), [
    /^nodes 'v-1' \(eth0\) and 'w-1' \(eth1\) on instance 'agent-localhost' have the same AF_Packet::fanout_id, 23, the default, unless a script sets it: /,
    /pinned to one CPU, 1$/
  ])
  t.strictSame(
    await aboutNodes('node.cfg', hub + worker('v', 'eth0') + worker('w', 'eth1', 'af_packet_fanout_id = 24\n')),
    []
  )
})

await t.test('hosts that cannot be of one cluster, or are one host twice, are told with the remedy', async t => {
  const nodes = '[m]\ninstance = a\nrole = manager\n[w]\ninstance = b\nrole = worker\ninterface = eth0\n'
  t.match(await aboutNodes('cluster.cfg', `[instances]\na = 127.0.0.1:2151\nb = 10.0.0.2:2151\n${nodes}`), [
    /^loopback and other addresses cannot be mixed: instance 'a' is at 127\.0\.0\.1, instance 'b' at 10\.0\.0\.2; give 'a' /
  ])
  t.match(await aboutNodes('cluster.cfg', `[instances]\na = [FD00::1]:2151\nb = [fd00:0::1]:2152\n${nodes}`), [
    /^instances 'a' and 'b' are on one host, FD00::1 and fd00:0::1: /
  ])
})

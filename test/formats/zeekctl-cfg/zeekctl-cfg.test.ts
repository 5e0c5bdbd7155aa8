import { readFileSync } from 'node:fs'
import t from 'tap'
import { allSettings } from '../../../src/cli/flags.js'
import { flagName, loadSettings } from '../../../src/settings.js'
import type { AppError } from '../../../src/errors.js'
import { convert } from '../../../src/formats/convert.js'
import { readOption } from '../../../src/formats/zeekctl-cfg/zeekctl-option.js'
import { zeekctlOptions } from '../../../src/formats/zeekctl-cfg/zeekctl-options.js'
import { fixture } from '../../support/environment.js'
import { nodesOf } from '../nodes-of.js'

const read = (name: string) => readFileSync(fixture('zeekctl', name), 'utf8')
const context = { resolve: async () => '10.0.0.1', defaultInstance: 'agent-here' }
const nodeCfg = `[manager]
type = manager
host = 10.0.0.1
[logger]
type = logger
host = 10.0.0.1
[proxy]
type = proxy
host = 10.0.0.1
[worker]
type = worker
host = 10.0.0.1
interface = eth0
env_vars = A=own
aux_scripts = own.zeek Site::name=own Pcap::snaplen=1
`
const withMethod = (method: string, keys = '') =>
  `${nodeCfg}[balanced]\ntype = worker\nhost = 10.0.0.1\ninterface = eth1\nlb_procs = 2\nlb_method = ${method}\n${keys}`

const converted = async (zeekctl: string, node = nodeCfg) => await convert('node.cfg', node, context, { zeekctl })
const nodeOf = async (name: string, zeekctl: string, node = nodeCfg) =>
  nodesOf((await converted(zeekctl, node)).configuration).find(each => each.name === name)!
const notesOf = async (zeekctl: string) =>
  (await converted(zeekctl)).notes.filter(note => !/^(host |nodes )/.test(note))

async function errorsOf(zeekctl: string): Promise<string[]> {
  try {
    await converted(zeekctl)
    return []
  } catch (error) {
    t.equal((error as AppError).code, 'invalid_request')
    return (error as AppError).errors!.map(({ field, message }) => `${field}: ${message}`)
  }
}

/** A value that is none with which nothing is different. */
const valuesOf: Record<string, string> = {
  ClusterBackend: 'Broker',
  CompressLogsInFlight: '6',
  LogExpireInterval: '30 days',
  MailFrom: 'Zeek <z@example.org>',
  PFRINGClusterType: '2-tuple'
}
const valueOf = (name: string) => {
  const { type, same } = zeekctlOptions[name]!
  if (valuesOf[name] !== undefined) return valuesOf[name]
  if (type === 'bool') return (same as readonly boolean[] | undefined)?.includes(true) ? '0' : '1'
  return type === 'int' ? '4711' : '/some/where'
}

// options.txt has those of ZeekControl 2.6.0-67 (Zeek 9), from its options.py: the name and the type of each.
await t.test('every option of ZeekControl is known, by its name and its type', async t => {
  const options = read('options.txt').trim().split('\n')
  t.ok(options.length > 90)
  for (const line of options) {
    const [name, type] = line.split(' ')
    t.equal(zeekctlOptions[name!]?.type, type, name!)
  }
})

await t.test('something comes of every option that makes a difference', async t => {
  const readByName = [
    'SitePolicyScripts',
    'ZeekArgs',
    'Env_Vars',
    'Prefixes',
    'CfgDir',
    'PFRINGClusterID',
    'PFRINGClusterType',
    'PFRINGFirstAppInstance',
    'lb_custom.InterfacePrefix',
    'lb_custom.InterfaceSuffix',
    'cluster_backend_zeromq.disable_unencrypted_warning',
    'zeek_port_warning.disable'
  ]
  for (const name of Object.keys(zeekctlOptions)) {
    const [given] = readOption({ key: name, value: valueOf(name), line: 1 }, (_key, message) => t.fail(message))
    const has = given!.settings !== undefined || given!.outcome.advice !== undefined
    t.equal(has || Object.keys(given!.options('a')).length > 0, !readByName.includes(name), name)
  }
})

await t.test('the settings that are named exist, and take what is said', async t => {
  for (const name of Object.keys(zeekctlOptions)) {
    const [given] = readOption({ key: name, value: valueOf(name), line: 1 }, () => {})
    const { settings = {} } = given!
    const flags = Object.entries(settings).map(([key, value]) => [flagName(key).slice(2), String(value)])
    const loaded = loadSettings(allSettings, { flags: Object.fromEntries(flags), env: {} })
    for (const [key, value] of Object.entries(settings)) t.equal(loaded[key as keyof typeof loaded], value, key)
  }
})

await t.test('the files that come with ZeekControl', async t => {
  const { configuration, notes } = await convert('node.cfg', read('node.cfg'), context, {
    zeekctl: read('zeekctl.cfg'),
    networks: read('networks.cfg')
  })
  const options = {
    'Notice::mail_dest': 'root@localhost',
    'Broker::table_store_db_directory': '/opt/zeek/spool/brokerstore'
  }
  t.strictSame(configuration, {
    instances: [{ name: 'agent-localhost' }],
    nodes: [
      { name: 'manager', instance: 'agent-localhost', role: 'MANAGER', scripts: ['local.zeek'], options },
      {
        name: 'zeek',
        instance: 'agent-localhost',
        role: 'WORKER',
        interface: 'eth0',
        scripts: ['local.zeek'],
        options: { ...options, 'FileExtract::prefix': '/opt/zeek/spool/extract_files/zeek' }
      }
    ]
  })
  t.strictSame(notes, [
    'MailConnectionSummary = 1: there is nothing like it here',
    'MinDiskSpace = 5: there is no mail from here: watch the health of the cluster, its events or its metrics',
    'MailHostUpDown = 1: there is no mail from here: watch the health of the cluster, its events or its metrics',
    'StatsLogEnable = 1: what nodes use and see is in their metrics, and of the last hour in `zeek-cluster status`',
    'LogDir = /opt/zeek/logs: set agent_archive_dir: /opt/zeek/logs in the settings of the agents',
    'SpoolDir = /opt/zeek/spool: all that runs, and all that must last, is in one directory: management_state_dir says which',
    'MetricsPort = 9991: set controller_auto_assign_metrics_start_port: 9991 in the settings of the controller',
    '[zeek] type = standalone: becomes a cluster of a manager, which writes the logs, and a worker',
    'host localhost is instance agent-localhost: start its agent with ZEEK_AGENT_NAME=agent-localhost; its address is the one that its agent has'
  ])
})

await t.test('options of Zeek go to the nodes that have a use for them', async t => {
  const everywhere = ['manager', 'logger', 'proxy', 'worker']
  for (const [line, option, value, names] of [
    ['LogRotationInterval = 1800', 'Log::default_rotation_interval', '1800secs', ['logger']],
    ['LogRotationInterval = 0', 'Log::default_rotation_interval', '0secs', ['logger']],
    ['MailAlarmsInterval = 60', 'Log::default_mail_alarms_interval', '60secs', ['logger']],
    ['CompressLogsInFlight = 6', 'LogAscii::gzip_level', '6', ['logger']],
    ['PcapBufsize = 512', 'Pcap::bufsize', '512', ['worker']],
    ['FileExtractDir = /x', 'FileExtract::prefix', '/x/worker', ['worker']],
    ['PrivateAddressSpaceIsLocal = FALSE', 'Site::private_address_space_is_local', 'F', everywhere],
    ['SendMail =', 'Notice::sendmail', '', everywhere],
    ['MailFrom = Zeek <z@example.org>', 'Notice::mail_from', 'Zeek <z@example.org>', everywhere],
    ['DefaultStoreDir = /x', 'Cluster::default_store_dir', '/x', everywhere]
  ] as const) {
    const { configuration, notes } = await converted(line)
    const having = configuration.nodes.filter(({ options = {} }) => Object.hasOwn(options, option))
    t.same(
      having.map(({ name }) => name),
      names,
      line
    )
    t.ok(
      having.every(({ options }) => options![option] === value),
      line
    )
    t.notMatch(notes.join('\n'), line.split(' ')[0])
  }
})

await t.test('without a logger the manager writes the logs', async t => {
  const node = nodeCfg.replace(/\[logger\]\n.*\n.*\n/, '')
  t.match(await nodeOf('manager', 'LogRotationInterval = 60', node), {
    options: { 'Log::default_rotation_interval': '60secs' }
  })
})

await t.test("scripts, options and variables are in ZeekControl's order; what is nearer to the node wins", async t => {
  t.strictSame(
    await nodeOf(
      'worker',
      `sitepolicyscripts = a.zeek  local.zeek
ZEEKARGS = -f "tcp port 80" last.zeek Site::name=args
Env_Vars = A=common, B=2=2
Prefixes = local:mine
PcapSnaplen = 2
PcapBufsize = 2`
    ),
    {
      name: 'worker',
      instance: 'agent-10.0.0.1',
      role: 'WORKER',
      interface: 'eth0',
      scripts: ['a.zeek', 'local.zeek', 'own.zeek', 'last.zeek'],
      options: { 'Pcap::snaplen': '1', 'Pcap::bufsize': '2', 'Site::name': 'args' },
      env: { ZEEK_PREFIXES: 'local:mine', A: 'own', B: '2=2' }
    }
  )
  t.strictSame((await nodeOf('manager', 'SitePolicyScripts =')).scripts, undefined)
  t.strictSame(await notesOf('ZeekArgs = -f "tcp port 80"'), [
    'ZeekArgs = -f "tcp port 80": -f tcp port 80 is neither a script nor an option; put what it does into a script'
  ])
})

await t.test('load balancing is as it says', async t => {
  const cfg = 'PFRINGClusterID = 42\nPFRINGClusterType = inner-2-tuple\nPFRINGFirstAppInstance = 5\n'
  t.strictSame((await nodeOf('balanced-2', cfg, withMethod('pf_ring'))).env, {
    PCAP_PF_RING_USE_CLUSTER_PER_INNER_FLOW_2_TUPLE: '1',
    PCAP_PF_RING_CLUSTER_ID: '42',
    PCAP_PF_RING_APPNAME: 'zeek-eth1'
  })
  const zc = withMethod('pf_ring').replace('eth1', 'zc:eth1')
  t.equal((await nodeOf('balanced-2', cfg, zc)).interface, 'zc:eth1@6')
  t.strictSame((await nodeOf('balanced-1', 'PFRINGClusterID = 0', zc)).interface, 'zc:eth1')
  t.strictSame((await nodeOf('balanced-1', 'PFRINGClusterID = 0', zc)).env, undefined)
  const custom = 'lb_custom.InterfacePrefix = napatech::\nLB_Custom.InterfaceSuffix = @x\n'
  t.equal((await nodeOf('balanced-1', custom, withMethod('custom'))).interface, 'napatech::eth1@x')
  t.equal((await nodeOf('worker', custom, withMethod('custom'))).interface, 'eth0')
  t.notMatch((await converted(custom, withMethod('custom'))).notes.join('\n'), /lb_method|local\.zeek/)
})

await t.test('what the configuration cannot hold is told with the setting that does', async t => {
  t.strictSame(
    await notesOf(`ClusterBackend = broker
ZeekPort = 30000
MetricsPort = 0
LogExpireInterval = 3 hrs
StopTimeout = 30
CommTimeout = 20
LogDir = /var/log/zeek: all
Debug = true
BinDir = /opt/zeek/bin
ZeekBase = /opt/zeek`),
    [
      'ClusterBackend = broker: set controller_cluster_backend: broker in the settings of the controller',
      'ZeekPort = 30000: set controller_auto_assign_zeromq_start_port: 30000 and controller_auto_assign_broker_start_port: 30003 in the settings of the controller',
      'MetricsPort = 0: set controller_auto_assign_metrics_ports: false in the settings of the controller',
      'LogExpireInterval = 3 hrs: set agent_archive_max_age: 10800 in the settings of the agents',
      'StopTimeout = 30: set agent_stop_timeout: 30 in the settings of the agents',
      'CommTimeout = 20: set controller_timeout_get_id_value: 20 in the settings of the controller',
      'LogDir = /var/log/zeek: all: set agent_archive_dir: "/var/log/zeek: all" in the settings of the agents',
      'Debug = true: set management_log_level: debug in the settings of controller and agents',
      'BinDir = /opt/zeek/bin: set bin: /opt/zeek/bin/zeek in the settings of the agents'
    ]
  )
})

await t.test("values with which nothing is different say nothing, and options of others' are told", async t => {
  t.strictSame(
    await notesOf(
      'StopWait = 0\nMemLimit = unlimited\nLogExpireInterval = 0\nClusterBackend = ZeroMQ\nCompressLogs = TRUE\nzeek_port_warning.disable = 1\n'
    ),
    []
  )
  t.strictSame(await notesOf('Compresslog = 0\nmine.colour = red\nlb_custom.InterfacePrefx = a\nSitePluginPath = /x'), [
    'SitePluginPath = /x: plugins of ZeekControl have no effect here',
    'Compresslog = 0: is unknown, and ignored by ZeekControl, too; did you mean CompressLogs?',
    'mine.colour = red: belongs to a plugin of ZeekControl, which has no effect here',
    'lb_custom.InterfacePrefx = a: belongs to a plugin of ZeekControl, which has no effect here; did you mean lb_custom.InterfacePrefix?'
  ])
})

await t.test('comments, spaces and letters of either case do not matter; the last value counts', async t => {
  const text = '\uFEFF  # a comment\r\n\r\n  PCAPBUFSIZE=1\r\n pcapbufsize  =  2  \r\n#PcapBufsize = 3'
  t.equal((await nodeOf('worker', text)).options!['Pcap::bufsize'], '2')
})

await t.test('all that is wrong is told at once, with names and lines', async t => {
  t.strictSame(
    await errorsOf(`LogRotationInterval = 1h
PcapBufsize = -1
CompressLogs = yes
[section]
MailTo = "a@b"
= 5
PFRINGClusterType = 3-tuple
ClusterBackend = nats
BroPort = 5
MetricsPort = 65536
LogExpireInterval = 30 years
Env_Vars = A, =5
SitePolicyScripts = -x
ZeekArgs = "a
MailFrom = a" b
FileExtractDir = /a\u0001b
lb_custom.InterfacePrefix = a b
LogDir =`),
    [
      'zeekctl.cfg: must be a comment, or a name, "=" and a value: \'[section]\' (line 4)',
      'zeekctl.cfg: must be a comment, or a name, "=" and a value: \'= 5\' (line 6)',
      "zeekctl.cfg.LogRotationInterval: must be a whole number: '1h' (line 1)",
      "zeekctl.cfg.PcapBufsize: must be a whole number: '-1' (line 2)",
      "zeekctl.cfg.CompressLogs: must be 0 or 1: 'yes' (line 3)",
      'zeekctl.cfg.MailTo: must not be in quotes (line 5)',
      "zeekctl.cfg.ClusterBackend: must be ZeroMQ or Broker: there is no other backend here: 'nats' (line 8)",
      'zeekctl.cfg.BroPort: is not supported any more by ZeekControl: it is ZeekPort now (line 9)',
      "zeekctl.cfg.MetricsPort: must be a port, of at most 65535: '65536' (line 10)",
      "zeekctl.cfg.LogExpireInterval: must be a whole number and then day, hr or min, as 30 days: '30 years' (line 11)",
      "zeekctl.cfg.LogDir: must be the path of a file or a directory: '' (line 18)",
      'zeekctl.cfg.ZeekArgs: is invalid: No closing quotation (line 14)',
      'zeekctl.cfg.Env_Vars: misses a "=": A (line 12)',
      'zeekctl.cfg.Env_Vars: misses a name:  =5 (line 12)',
      "zeekctl.cfg.PFRINGClusterType: must be one of 2-tuple, 4-tuple, 5-tuple, tcp-5-tuple, 6-tuple, inner-2-tuple, inner-4-tuple, inner-5-tuple, inner-tcp-5-tuple, inner-6-tuple: '3-tuple' (line 7)",
      'zeekctl.cfg.SitePolicyScripts: -x must be the name of a script: without white space, "=" and "::", and no flag (line 13)',
      'zeekctl.cfg.Env_Vars:  is not a valid name (line 12)',
      'zeekctl.cfg.lb_custom.InterfacePrefix: one interface per node (line 17)',
      'zeekctl.cfg.MailFrom: Notice::mail_from must be a text without control characters, with its quotes in pairs and no backslash at its end (line 15)',
      'zeekctl.cfg.FileExtractDir: FileExtract::prefix must be a text without control characters, with its quotes in pairs and no backslash at its end (line 16)'
    ]
  )
  t.strictSame(await errorsOf('LogExpireInterval = 30 min'), [
    'zeekctl.cfg.LogExpireInterval: must not be shorter than LogRotationInterval (line 1)'
  ])
  t.strictSame(await errorsOf('LogExpireInterval = 30 min\nLogRotationInterval = 600'), [])
})

await t.test('errors of all files are told together', async t => {
  await t.rejects(
    convert('node.cfg', `${nodeCfg}colour\n`, context, { zeekctl: 'StopWait = 2', networks: '10.0.0.0/33' }),
    {
      message:
        /^line 16: .*colour; zeekctl\.cfg: StopWait: must be 0 or 1: '2' \(line 1\); networks\.cfg: must be a network .*\(line 1\)$/
    }
  )
})

await t.test('only a node.cfg has files beside it', async t => {
  await t.rejects(convert('zeek.conf', 'interface = e\nworkers = 1\n', context, { zeekctl: '' }), {
    code: 'invalid_request',
    message: 'zeek.conf is no node.cfg: only that has other files beside it'
  })
})

const lines = 100_000
const hostile: [what: string, text: string, expected: RegExp][] = [
  ['lines that are nothing', 'a\n'.repeat(lines), /and 99900 more/],
  ['unknown options', Array.from({ length: lines }, (_, n) => `a${n}=1`).join('\n'), /102 notes/],
  ['values of one option', 'StopWait = 1\n'.repeat(lines), /2 notes/],
  ['a huge value', `MailTo = ${'x'.repeat(1_000_000)}`, /MailTo: Notice::mail_dest must NOT have more than 8192/],
  ['a huge value that is told', `SitePluginPath = ${'x'.repeat(1_000_000)}`, /2 notes/],
  ['a huge name', `${'x'.repeat(1_000_000)} = 1`, /2 notes/],
  ['a huge number', `PcapBufsize = ${'9'.repeat(1_000_000)}`, /must be a whole number: '9{200}…' \(line 1\)$/],
  ['one quote', `MailTo = "${'"x'.repeat(1_000_000)}`, /mail_dest must/],
  ['many scripts', `SitePolicyScripts = ${'- '.repeat(1_000_000)}`, /more than 1000|SitePolicyScripts/],
  ['many variables', `Env_Vars = ${'A=1,'.repeat(lines)}A=1`, /1 notes/],
  ['NUL', 'MailTo = a\u0000b\n\u0000 = 1\n', /Notice::mail_dest must be a text without control characters/]
]
for (const [what, text, expected] of hostile) {
  await t.test(`${what} cost little, and tell little`, async t => {
    const before = process.cpuUsage()
    const told = await converted(text).then(
      ({ notes }) => ({ text: notes.join('\n'), what: `${notes.length} notes` }),
      ({ code, message }) => ({ text: `${message}`, what: code === 'invalid_request' ? `${message}` : 'a fault' })
    )
    t.match(told.what, expected)
    t.ok(told.text.length < 200_000, `${told.text.length} characters`)
    const { user } = process.cpuUsage(before)
    // A fraction of it on an idle machine.
    t.ok(user < 20_000_000, `${user / 1000} ms`)
  })
}

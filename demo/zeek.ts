/**
 * A stand-in for Zeek's executable: it takes the same arguments, fails with the
 * same words, joins its cluster, talks with its agent and serves the same metrics,
 * but runs no scripts, and reads no packets but those of a file.
 */
import { parseArguments } from './stand-in/arguments.js'
import { readLayout, type Layout } from './stand-in/layout.js'
import { rotateLeftovers } from './stand-in/logs.js'
import { run } from './stand-in/node.js'
import { Options } from './stand-in/options.js'
import { runCode } from './stand-in/options-script.js'
import { Scripts } from './stand-in/scripts.js'
import { keepStatus } from './stand-in/status.js'
import { PLUGINS, usage, VERSION } from './stand-in/usage.js'
import { readTrace } from './stand-in/trace.js'
import { setUpMultiHost } from './stand-in/zeromq.js'

// Whoever reads our output may be gone before us.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

const args = parseArguments(process.argv.slice(2))
tell(args.version, `zeek version ${VERSION} (stand-in)\n`)
tell(args.help, usage())
tell(args.plugins, PLUGINS)
keepStatus(args.statusFile)

const name = process.env['CLUSTER_NODE'] ?? ''
const scripts = new Scripts()
const layout: Layout = name === '' ? { nodes: new Map(), redefs: new Map() } : readLayout(scripts)
scripts.nodeType = layout.nodes.get(name)?.type
for (const script of args.scripts) scripts.load(script)

const isOurs = scripts.last(/(?:^|\/)(zeek-cluster-controller)(?:\.zeek)?$/) !== undefined
const options = new Options(isOurs)
// As Zeek: the scripts' defaults, the layout, then the command line: its options, and last its code.
const isManager = layout.nodes.get(name)?.type === 'MANAGER'
options.set('Cluster::Backend::ZeroMQ::run_proxy_thread', isManager ? 'T' : 'F')
if (scripts.last(/misc\/(zeromq-multi-host-auto-setup)$/) !== undefined) setUpMultiHost(layout, options)
for (const [option, expression] of layout.redefs) options.redef(option, expression)
// What zeek-cluster-defaults.zeek does.
const { ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE: queue, ZEEK_CLUSTER_CONTROLLER_ROTATION_INTERVAL: interval } = process.env
if (scripts.last(/(?:^|\/)(zeek-cluster-defaults)(?:\.zeek)?$/) !== undefined && queue) {
  options.set('Log::default_rotation_dir', queue)
  options.set('Log::default_rotation_interval', `${interval}sec`)
  options.set('LogAscii::enable_leftover_log_rotation', 'T')
}
// Every script of the Management framework does that.
const isManaged = scripts.last(/frameworks\/management(\/|$)/) !== undefined
if (isManaged) options.set('Log::default_rotation_dir', '/opt/zeek/spool/log-queue')
options.assign(args.assignments)
if (args.code !== undefined) runCode(args.code, options)
// As Zeek: also where it only parses, and whatever else runs in this directory.
rotateLeftovers(name, layout, options)
if (args.parseOnly) process.exit(0)
if (args.pcap !== undefined) {
  await readTrace(args.pcap, new Set(scripts.said(/Log::disable_stream\((\w+)::LOG\)/g)), options)
}

// The one that is loaded last decides.
const found = scripts.last(/(?:cluster\/backend|misc)\/(zeromq|broker)(?:-multi-host-auto-setup)?$/)
const backend = isManaged ? 'broker' : (found as 'zeromq' | 'broker' | undefined)

await run({ name, args, layout, options, backend, scripts: scripts.files })

function tell(asked: boolean, text: string): void {
  if (!asked) return
  process.stdout.write(text)
  process.exit(0)
}

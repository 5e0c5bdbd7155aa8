import { setTimeout as sleep } from 'node:timers/promises'
import type { Arguments } from './arguments.js'
import { startBroker } from './broker.js'
import { Channel } from './channel.js'
import { RuntimeOptions } from './config-reader.js'
import { Identifiers } from './identifiers.js'
import { Intel } from './intel.js'
import { openInterface, tellPackets } from './interface.js'
import type { Layout } from './layout.js'
import { Logs } from './logs.js'
import { serveMetrics } from './metrics.js'
import { misbehave, readMisbehaviour } from './misbehaviour.js'
import type { Options } from './options.js'
import { Peers } from './peers.js'
import { error, fatal, info } from './report.js'
import { HOME } from './scripts.js'
import { setStatus } from './status.js'
import { toSeconds } from './value.js'
import { startZeroMQ } from './zeromq.js'

/** The real one takes 1.7 seconds. */
const TERMINATING_MS = 50

/** Parsed without an error: what is to be run. */
export interface Program {
  name: string
  args: Arguments
  layout: Layout
  options: Options
  backend: 'zeromq' | 'broker' | undefined
  /** The paths of what was loaded. */
  scripts: readonly string[]
}

/** Runs what Zeek runs between parsing and the end, in the order of zeek_init's priorities. */
export async function run({ name, args, layout, options, backend, scripts }: Program): Promise<void> {
  const misbehaviour = readMisbehaviour()
  misbehave(misbehaviour)
  if (args.interface !== undefined) openInterface(args.interface)

  let logs: Logs | undefined
  let ending = false
  const end = (): void => {
    if (ending) return
    ending = true
    setStatus('TERMINATING', 'sig_handler')
    info('received termination signal')
    if (args.interface !== undefined) tellPackets(args.interface)
    logs?.close()
    setTimeout(() => process.exit(0), TERMINATING_MS)
  }
  process.on('SIGTERM', () => {
    if (!misbehaviour.ignoreTerm) end()
  })
  process.on('SIGINT', end)

  const node = layout.nodes.get(name)
  const peers = new Peers(name, layout)
  const checking = Boolean(process.env['ZEEKCTL_CHECK_CONFIG'])
  const listening = !checking && !process.env['ZEEKCTL_DISABLE_LISTEN']
  if (misbehaviour.slow !== undefined) await sleep(misbehaviour.slow)
  if (misbehaviour.hang) await new Promise(() => setInterval(() => {}, 2 ** 30))
  if (listening && backend === 'zeromq') await startZeroMQ(peers, options)
  if (name !== '') checkNode(name, node !== undefined, backend)
  if (!checking && node !== undefined) {
    await serveMetrics(name, node, layout, options, args.interface !== undefined)
  }
  if (listening && backend === 'broker') startBroker(peers, options)

  const directory = process.env['ZEEK_CLUSTER_CONTROLLER_CHANNEL']
  const beatMs = (toSeconds(options.get('ZeekClusterController::beat_interval')) ?? 0) * 1000
  if (!checking && directory && beatMs > 0) {
    const runtime = new RuntimeOptions()
    const intel = new Intel()
    const { errors = 0 } = misbehaviour
    for (let n = 0; n < errors; n++) error('told to report an error')
    const identifiers = misbehaviour.mute
      ? undefined
      : new Identifiers(name, backend, layout, { options, runtime, intel })
    void new Channel({ directory, scripts, errors, peers, identifiers, options: runtime, intel, beatMs })
  }
  if (ending) return
  const writesLogs =
    node?.type === 'LOGGER' || (node?.type === 'MANAGER' && options.get('Cluster::manager_is_logger') === 'T')
  if (!checking && writesLogs) logs = Logs.open(name, layout, options)
  setStatus('RUNNING', 'run_loop')
  // A node stays until it is told to end; anything else has nothing to wait for.
  if (backend === undefined && args.interface === undefined) process.exit(0)
  setInterval(() => {}, 2 ** 30)
}

function checkNode(name: string, known: boolean, backend: string | undefined): void {
  const main = `${HOME}/base/frameworks/cluster/main.zeek`
  if (!known) {
    error(`'${name}' is not a valid node in the Cluster::nodes configuration`, `${main}, line 421`)
    fatal('errors occurred while initializing')
  }
  if (backend === undefined) {
    fatal(
      `Cluster::node set to '${name}', but Cluster::backend is Cluster::CLUSTER_BACKEND_NONE - ` +
        'please select a cluster backend to use.',
      `${main}, line 426`
    )
  }
}

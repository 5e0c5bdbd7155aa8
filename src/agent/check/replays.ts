import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises'
import { constants, getPriority, setPriority } from 'node:os'
import { join, resolve } from 'node:path'
import type { AssignedNode, Share } from '../../../schemas/agent.js'
import { captureFindingsMax, type Replay } from '../../../schemas/captures.js'
import type { Finding } from '../../../schemas/operations.js'
import { loadsOf, type BundleUse } from '../../bundles/use.js'
import { AppError, messageOf, requestTimedOut } from '../../errors.js'
import { secretNames, type IsSecret } from '../../security/secret-names.js'
import { hide, hideHalves, secretsOf } from '../../security/secret-values.js'
import { describeExit } from '../../supervisor/program.js'
import { Sequence } from '../../util.js'
import { renderEnvironment, renderReplay } from '../../zeek/command.js'
import { findZeek } from '../../zeek/executable.js'
import { Reports } from '../../zeek/report.js'
import type { AgentContext } from '../config.js'
import { writeClusterScripts } from '../nodes/cluster-scripts.js'
import { directories } from '../nodes/zeek-program.js'
import { runGroup, type GroupEnd } from '../../run-group.js'
import { harmless, nameOf } from './check.js'
import { killLoading, removals } from './leftover-processes.js'
import { logLines, logSuffix } from './log-lines.js'
import { diskOf, memoryOf, UsageWatch } from './usage.js'

/** Reports of Zeek that are kept until those that say the same are left out: a script may report every packet. */
const reportsMax = 10 * captureFindingsMax

/** What is read: a file of a bundle that is here, with what a node loads. */
export interface Reading {
  node: string
  bundle: string
  file: string
}

/**
 * Options of a node that reads a capture, over its own: its logs are where it runs, as text, for as long as it runs,
 * and those that a filter rotates are not archived; its stores are there, too, and no node's; it ends with the capture,
 * and listens nowhere.
 */
const ofReplay = {
  'Cluster::default_store_dir': '.',
  'Log::default_logdir': '',
  'Log::default_rotation_dir': '',
  'Log::default_rotation_interval': '0sec',
  'Log::default_rotation_postprocessor_cmd': '',
  'Log::default_writer': 'Log::WRITER_ASCII',
  'LogAscii::gzip_level': '0',
  'LogAscii::meta_prefix': '#',
  'LogAscii::output_to_stdout': 'F',
  exit_only_after_terminate: 'F',
  'Telemetry::metrics_port': '0/unknown'
}

/** Options of what connects the nodes of a cluster: Zeek knows none of them where it reads a capture. */
const ofBackend = /^Cluster::Backend::/

/** Has Zeek read captures, one at a time, away from the nodes that run. */
export class Replays {
  #context: AgentContext
  #bundle: (id: string) => Promise<BundleUse>
  #isSecret: IsSecret
  /** Where checks write, too: what a killed agent has left there goes with the rest. */
  #directory: string
  #sequence = new Sequence()

  /** `bundle` returns what nodes would make of a bundle that is on this host. */
  constructor(context: AgentContext, bundle: (id: string) => Promise<BundleUse>) {
    this.#context = context
    this.#bundle = bundle
    this.#isSecret = secretNames(context.settings.management_secrets)
    this.#directory = join(context.settings.management_state_dir, 'checks')
  }

  /**
   * Has Zeek read a capture with what a node of a share loads; `share` gets it, and what it names, to this host.
   * Returns what has come of it. Never rejects: what keeps Zeek from reading it is its error. Zeek is killed when it
   * exceeds a limit, or when the signal aborts.
   */
  async replay(share: () => Promise<Share>, reading: Reading, signal: AbortSignal): Promise<Replay> {
    return await this.#sequence.run(async () => {
      let directory: string | undefined
      try {
        if (signal.aborted) throw givenUp()
        const resolved = await share()
        await mkdir(this.#directory, { recursive: true })
        directory = await mkdtemp(join(this.#directory, 'replay-'))
        return await this.#run(resolved, reading, directory, signal)
      } catch (error) {
        if (signal.aborted) throw givenUp()
        return failed(messageOf(error))
      } finally {
        if (directory !== undefined) {
          // A command of a script may have left the group of Zeek, which is over.
          await killLoading(directory)
          await rm(directory, { recursive: true, force: true, maxRetries: removals })
        }
      }
    })
  }

  async #run(share: Share, { node: name, bundle: id, file }: Reading, directory: string, signal: AbortSignal) {
    const { settings, env } = this.#context
    const found = share.nodes.find(node => node.name === name)
    if (!found) return failed('unknown cluster node')
    const node = replaying(found)
    const zeek = await findZeek(settings.bin, env)
    const bundle = share.bundle === undefined ? undefined : await this.#bundle(share.bundle)
    const capture = join((await this.#bundle(id)).directory, file)
    const [scripts, logs] = [join(directory, 'scripts'), join(directory, 'logs')]
    await mkdir(scripts)
    await mkdir(logs)
    await writeClusterScripts(scripts, { ...share, nodes: [node] })
    const own = directories(settings).node(name)
    const {
      CLUSTER_NODE: _,
      ZEEKPATH = '',
      ...rest
    } = renderEnvironment(node, { scripts, zeekPath: zeek.zeekPath, bundle }, env)
    // What is beside the node is found there.
    const zeekPath = ZEEKPATH.split(':').map(path => resolve(own, path))
    const beside = (node.scripts ?? []).map(script => (script.startsWith('.') ? resolve(own, script) : script))
    const secrets = secretsOf(found, this.#isSecret)
    const reports = new Reports(reportsMax)
    const run = await this.#watched(
      renderReplay(node, capture, zeek.path, loadsOf({ ...node, scripts: beside }, bundle)),
      { cwd: logs, env: { ...rest, ...harmless, ZEEKPATH: zeekPath.join(':'), ZEEK_LOG_SUFFIX: logSuffix } },
      text => reports.push(text),
      signal
    )
    if (signal.aborted) throw givenUp()
    const findings = distinct(
      reports.findings().map(({ message, file: where, ...finding }) => ({
        ...finding,
        message: hideHalves(message, secrets),
        ...(where === undefined ? {} : { file: nameOf(where, scripts, bundle?.directory) })
      }))
    )
    const error = whyEnded(run, reports, settings)
    return {
      ...run.used,
      logs: await logLines(logs, signal),
      findings,
      ...(error === undefined ? {} : { error: hideInLines(error, secrets) })
    }
  }

  /** Runs a command, behind the nodes that need the processor, within the limits of the settings. */
  async #watched(
    command: readonly string[],
    where: { cwd: string; env: Record<string, string> },
    onOutput: (text: string) => void,
    signal: AbortSignal
  ): Promise<Run> {
    const { agent_capture_timeout: seconds, agent_capture_memory_max: memoryMax } = this.#context.settings
    const diskMax = await roomFor(where.cwd, this.#context.settings)
    const limit = new AbortController()
    const exceed = () => limit.abort()
    const disk = async () => {
      const now = await diskOf(Buffer.from(where.cwd))
      return { now, peak: now }
    }
    let memory: UsageWatch | undefined
    const written = new UsageWatch(disk, diskMax, exceed)
    const begun = performance.now()
    try {
      const end = await runGroup(command, {
        ...where,
        stdio: ['ignore', 'ignore', 'pipe'],
        timeoutMs: seconds * 1000,
        signal: AbortSignal.any([signal, limit.signal]),
        onOutput,
        onStart: pid => {
          giveWay(pid)
          memory = new UsageWatch(() => memoryOf(pid), memoryMax, exceed)
        }
      })
      return {
        end,
        exceeded:
          memory?.exceeded === true
            ? `uses more than ${memoryMax} bytes of memory (agent_capture_memory_max)`
            : written.exceeded
              ? `writes more than ${diskMax} bytes (agent_capture_disk_max, or half of what is free)`
              : undefined,
        used: { seconds: Math.round(performance.now() - begun) / 1000, memory_bytes: memory?.peak ?? 0 }
      }
    } finally {
      memory?.close()
      written.close()
    }
  }
}

interface Run {
  end: GroupEnd
  /** The limit that it has exceeded, if it has. */
  exceeded: string | undefined
  used: Pick<Replay, 'seconds' | 'memory_bytes'>
}

/** Returns how many bytes may be written in a directory: never so much that the nodes of this host have no room. */
async function roomFor(directory: string, { agent_capture_disk_max: max }: AgentContext['settings']): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return Math.min(max, Math.floor((bavail * bsize) / 2))
}

const givenUp = () => new AppError('timeout', requestTimedOut)
const failed = (error: string): Replay => ({ logs: [], findings: [], error, seconds: 0, memory_bytes: 0 })

/** Returns a node with the options that it has while it reads a capture. */
function replaying({ options = {}, ...node }: AssignedNode): AssignedNode {
  const own = Object.entries(options).filter(([name]) => !ofBackend.test(name))
  return { ...node, options: { ...Object.fromEntries(own), ...ofReplay } }
}

/** Lets nodes have the processor first, without starving: a reading that takes too long is a loss. */
function giveWay(pid: number): void {
  const { PRIORITY_BELOW_NORMAL: below } = constants.priority
  try {
    if (getPriority(pid) < below) setPriority(pid, below)
  } catch {
    // It has ended already.
  }
}

/** Returns why Zeek has not read the capture to its end; undefined when it has. */
function whyEnded(
  { end: { code, by, givenUp: why }, exceeded }: Run,
  reports: Reports,
  { agent_capture_timeout: seconds }: AgentContext['settings']
): string | undefined {
  if (exceeded !== undefined) return `zeek ${exceeded}`
  if (why === 'timeout') return `zeek has not ended within ${seconds} seconds (agent_capture_timeout)`
  if (code === 0) return undefined
  const end = describeExit({ code: code ?? undefined, signal: by ?? undefined })
  const error = reports.findings().find(({ level }) => level === 'error')?.message ?? reports.lastLines
  return [`zeek ${/^killed/.test(end) ? 'was ' : ''}${end}`, error].filter(part => part !== '').join(': ')
}

/** Returns a text of several lines, each of which may have been cut, with secrets masked. */
function hideInLines(text: string, secrets: readonly string[]): string {
  return hide(text, secrets)
    .split('\n')
    .map(line => hideHalves(line, secrets))
    .join('\n')
}

/** Returns findings without those that say the same: what a script reports, it may report of every packet. */
function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map(finding => [JSON.stringify(finding), finding])).values()].slice(0, captureFindingsMax)
}

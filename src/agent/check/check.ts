import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import type { AssignedNode, Layout, Share } from '../../../schemas/agent.js'
import type { Finding } from '../../../schemas/operations.js'
import type { Outcome } from '../../../schemas/types.js'
import { messageOf } from '../../errors.js'
import { withoutSecrets } from '../../security/secrets.js'
import { defined, Slots } from '../../util.js'
import { renderCommand, renderEnvironment } from '../../zeek/command.js'
import { findZeek, type Executable } from '../../zeek/executable.js'
import { ScriptFiles } from '../../zeek/scripts.js'
import { writeClusterScripts } from '../nodes/cluster-scripts.js'
import type { AgentContext } from '../config.js'
import type { HostProbes } from './host-probes.js'
import type { Own } from './listeners.js'
import { parse } from './parse.js'
import { groupsOf, slowestFirst, type Parsed } from './parse-groups.js'
import { diskFindings, preflight, surroundingsOf } from './preflight.js'
import { directories, rotationOf } from '../nodes/zeek-program.js'

/** Of one node. */
const maxFindings = 100
/** Whose time is remembered. */
const maxKinds = 1000
/** A real zeek parses in a second or two, with many packages in ten. */
const parseMs = 60_000

/** The variables that keep zeek, and ZeekControl's scripts, from listening. */
const harmless = { ZEEKCTL_CHECK_CONFIG: '1', ZEEKCTL_DISABLE_LISTEN: '1' }

/** What the parses of one check have in common. */
interface ParseContext {
  layout: Layout
  zeek: Executable
  /** The directory of the scripts that were written for it. */
  scripts: string
  signal: AbortSignal
}

/** What zeek finds of a node, and the environment in which it would run. */
interface ParsedNode {
  findings: Finding[]
  env: Record<string, string>
}

/** Finds out whether nodes would run, without touching what runs. */
export class NodeChecks {
  #context: AgentContext
  #host: HostProbes
  #parseMs: number
  /**
   * Where scripts are while they are needed. Nobody else is in it: its agent is the only one of the state directory.
   */
  #directory: string
  /** However many checks are under way. */
  #slots = new Slots(availableParallelism())
  #files = new ScriptFiles()
  /** How long nodes of each kind took to parse last time, in milliseconds. */
  #took = new Map<string, number>()

  constructor(context: AgentContext, host: HostProbes, timeoutMs = parseMs) {
    this.#context = context
    this.#host = host
    this.#parseMs = timeoutMs
    this.#directory = join(context.settings.management_state_dir, 'checks')
  }

  /** Removes what an agent that was killed has left: processes first, since they would go on for ever. */
  async clean(): Promise<void> {
    if (!(await stat(this.#directory).catch(() => undefined))) return
    const mark = `ZEEKPATH=${this.#directory}/`
    for (const pid of await readdir('/proc')) {
      const environment = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '') : ''
      if (!environment.split('\0').some(entry => entry.startsWith(mark))) continue
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    await rm(this.#directory, { recursive: true, force: true })
  }

  /**
   * Checks the named nodes of a share. One outcome per node, a success when nothing is found that would keep it from
   * running.
   * `own` says what is ours, and will be free, at the time.
   */
  async check(share: Share, names: readonly string[], own: () => Own, signal: AbortSignal): Promise<Outcome[]> {
    const nodes = new Map(share.nodes.map(node => [node.name, node]))
    const { settings, env } = this.#context
    const { layout } = share
    let written: string | undefined
    try {
      const zeek = await findZeek(settings.bin, env)
      const wanted = names.flatMap(name => nodes.get(name) ?? [])
      const scripts = (written = await this.#writeScripts(share))
      // Beside the parses, which take much longer.
      const looking = Promise.all([
        surroundingsOf(wanted, { host: this.#host, layout, zeek }, own),
        diskFindings(this.#host, settings.management_state_dir)
      ])
      looking.catch(() => {})
      const parsed = await this.#parseAll(wanted, { layout, zeek, scripts, signal })
      const [surroundings, disk] = await looking
      return await Promise.all(
        names.map(async name => {
          const [node, found] = [nodes.get(name), parsed.get(name)]
          if (!node || !found) return this.#failed(name, 'unknown cluster node')
          try {
            return this.#outcome(name, [
              ...found.findings,
              ...(await preflight(node, surroundings, found.env)),
              ...disk
            ])
          } catch (error) {
            return this.#failed(name, messageOf(error))
          }
        })
      )
    } catch (error) {
      // Without zeek, or without room for its scripts.
      return names.map(name => this.#failed(name, messageOf(error)))
    } finally {
      if (written !== undefined) await rm(written, { recursive: true, force: true })
    }
  }

  async #writeScripts(share: Share): Promise<string> {
    await mkdir(this.#directory, { recursive: true })
    const scripts = await mkdtemp(join(this.#directory, 'check-'))
    await writeClusterScripts(scripts, share)
    return scripts
  }

  /** What zeek finds of each node, by name. Nodes that it parses alike are parsed once. Never rejects. */
  async #parseAll(nodes: readonly AssignedNode[], context: ParseContext): Promise<Map<string, ParsedNode>> {
    const { layout, zeek, scripts, signal } = context
    const { settings } = this.#context
    const all = await Promise.all(
      nodes.map(async node => {
        const env: Record<string, string> = {
          ...renderEnvironment(
            node,
            { scripts, zeekPath: zeek.zeekPath },
            this.#context.env,
            rotationOf(node, layout, settings)
          ),
          ...harmless
        }
        return {
          node,
          env,
          scripts: await this.#files.find(node.scripts ?? [], {
            cwd: directories(settings).node(node.name),
            zeekPath: env.ZEEKPATH!
          })
        }
      })
    )
    const found = new Map<string, ParsedNode>()
    await Promise.all(
      slowestFirst(groupsOf(all), this.#took).map(async ({ kind, members }) => {
        const { findings, ms } = await this.#slots.run(() => this.#parse(members[0], context))
        if (!signal.aborted) this.#remember(kind, ms)
        // Zeek may quote what it does not understand.
        for (const { node, env } of members) {
          found.set(node.name, {
            env,
            findings: findings.map(finding => ({ ...finding, message: withoutSecrets(finding.message, node) }))
          })
        }
      })
    )
    return found
  }

  /** Runs the node's command line, which is only to parse. */
  async #parse(
    { node: { cpu_affinity: _, ...node }, env }: Parsed,
    { layout, zeek, scripts, signal }: ParseContext
  ): Promise<{ findings: Finding[]; ms: number }> {
    const begun = performance.now()
    const [executable, ...args] = renderCommand(node, layout, zeek.path)
    const own = directories(this.#context.settings).node(node.name)
    const cwd = await stat(own).then(
      () => own,
      () => scripts
    )
    const findings = await parse(
      { command: [executable!, '-a', ...args], cwd, env, timeoutMs: this.#parseMs, max: maxFindings },
      signal
    ).catch((error): Finding[] => [{ level: 'error', message: messageOf(error) }])
    return {
      ms: performance.now() - begun,
      // What we have written is gone when someone reads this.
      findings: findings.map(({ file, ...finding }) => ({
        ...finding,
        ...defined({ file: file?.startsWith(scripts) ? basename(file) : file })
      }))
    }
  }

  #remember(kind: string, ms: number): void {
    this.#took.delete(kind)
    this.#took.set(kind, ms)
    if (this.#took.size > maxKinds) this.#took.delete(this.#took.keys().next().value!)
  }

  #outcome(node: string, all: readonly Finding[]): Outcome {
    // Errors first: they are to be among those that are kept.
    const findings = [
      ...all.filter(({ level }) => level === 'error'),
      ...all.filter(({ level }) => level === 'warning')
    ].slice(0, maxFindings)
    const first = findings.find(({ level }) => level === 'error')
    const about = { instance: this.#context.settings.agent_name, node, data: { findings } }
    return first === undefined ? { success: true, ...about } : { success: false, error: textOf(first), ...about }
  }

  #failed(node: string, message: string): Outcome {
    return this.#outcome(node, [{ level: 'error', message }])
  }
}

function textOf({ message, file, line }: Finding): string {
  if (file === undefined) return message
  return `${file}${line === undefined ? '' : `:${line}`}: ${message}`
}

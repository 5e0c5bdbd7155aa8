import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import type { AssignedNode, Layout, Share } from '../../../schemas/agent.js'
import type { Finding } from '../../../schemas/operations.js'
import type { Outcome } from '../../../schemas/types.js'
import { loadsOf, type BundleUse } from '../../bundles/use.js'
import { messageOf } from '../../errors.js'
import { secretNames, type IsSecret } from '../../security/secret-names.js'
import { hideHalves, secretsOf } from '../../security/secret-values.js'
import { defined, Slots } from '../../util.js'
import { renderParse, renderEnvironment } from '../../zeek/command.js'
import { findZeek, type Executable } from '../../zeek/executable.js'
import { ScriptFiles } from '../../zeek/scripts.js'
import { writeClusterScripts } from '../nodes/cluster-scripts.js'
import type { AgentContext } from '../config.js'
import type { HostProbes } from './host-probes.js'
import { killLoading, removals } from './leftover-processes.js'
import type { Own } from './listeners.js'
import { parse } from './parse.js'
import { groupsOf, slowestFirst, type Parsed } from './parse-groups.js'
import { diskFindings, preflight, surroundingsOf } from './preflight.js'
import { directories, rotationOf } from '../nodes/zeek-program.js'

/** Most findings that are kept for one node. */
const maxFindings = 100
/** Most kinds of nodes whose parse time is remembered. */
const maxKinds = 1000
/** Timeout of one parse, in milliseconds. A real zeek parses in a second or two, with many packages in ten. */
const parseMs = 60_000

/** Environment variables that keep zeek, and ZeekControl's scripts, from listening. */
export const harmless = { ZEEKCTL_CHECK_CONFIG: '1', ZEEKCTL_DISABLE_LISTEN: '1' }

/** What the parses of one check share. */
interface ParseContext {
  layout: Layout
  zeek: Executable
  /** Directory of the scripts that were written for this check. */
  scripts: string
  bundle: BundleUse | undefined
  signal: AbortSignal
}

/** Zeek's findings for a node, and the environment in which the node would run. */
interface ParsedNode {
  findings: Finding[]
  env: Record<string, string>
}

/** Checks whether nodes would run, without touching what runs. */
export class NodeChecks {
  #context: AgentContext
  #bundle: (id: string) => Promise<BundleUse>
  #host: HostProbes
  #parseMs: number
  #isSecret: IsSecret
  /**
   * Directory of the scripts during a check. Nothing else uses it: this agent is the only one of the state directory.
   */
  #directory: string
  /** Limits how many parses run at once, however many checks are under way. */
  #slots = new Slots(availableParallelism())
  #files = new ScriptFiles()
  /** Time that nodes of each kind took to parse last time, in milliseconds. */
  #took = new Map<string, number>()

  /** `bundle` returns what nodes would make of a bundle that is on this host. */
  constructor(
    context: AgentContext,
    host: HostProbes,
    bundle: (id: string) => Promise<BundleUse>,
    timeoutMs = parseMs
  ) {
    this.#bundle = bundle
    this.#context = context
    this.#host = host
    this.#parseMs = timeoutMs
    this.#isSecret = secretNames(context.settings.management_secrets)
    this.#directory = join(context.settings.management_state_dir, 'checks')
  }

  /** Removes what a killed agent has left: processes first, since they would go on for ever. */
  async clean(): Promise<void> {
    if (!(await stat(this.#directory).catch(() => undefined))) return
    await killLoading(this.#directory)
    await rm(this.#directory, { recursive: true, force: true, maxRetries: removals })
  }

  /**
   * Checks the named nodes of a share. Returns one outcome per node: a success when nothing is found that would keep it
   * from running. `own` returns what is ours on this host, and so will be free, at the time of the call.
   */
  async check(share: Share, names: readonly string[], own: () => Own, signal: AbortSignal): Promise<Outcome[]> {
    const nodes = new Map(share.nodes.map(node => [node.name, node]))
    const { settings, env } = this.#context
    const { layout } = share
    let written: string | undefined
    try {
      const zeek = await findZeek(settings.bin, env)
      const wanted = names.flatMap(name => nodes.get(name) ?? [])
      const bundle = share.bundle === undefined ? undefined : await this.#bundle(share.bundle)
      const scripts = (written = await this.#writeScripts(share))
      // Runs alongside the parses, which take much longer.
      const looking = Promise.all([
        surroundingsOf(wanted, { host: this.#host, layout, zeek }, own),
        diskFindings(this.#host, settings.management_state_dir)
      ])
      looking.catch(() => {})
      const parsed = await this.#parseAll(wanted, { layout, zeek, scripts, bundle, signal })
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
      // There is no zeek, or no room for its scripts.
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

  /**
   * Parses the nodes; nodes that zeek parses alike are parsed once. Returns the results by node name. Never rejects.
   */
  async #parseAll(nodes: readonly AssignedNode[], context: ParseContext): Promise<Map<string, ParsedNode>> {
    const { layout, zeek, scripts, bundle, signal } = context
    const { settings } = this.#context
    const all = await Promise.all(
      nodes.map(async node => {
        const env: Record<string, string> = {
          ...renderEnvironment(
            node,
            { scripts, zeekPath: zeek.zeekPath, bundle },
            this.#context.env,
            rotationOf(node, layout, settings)
          ),
          ...harmless
        }
        return {
          node,
          env,
          scripts: await this.#files.find(loadsOf(node, bundle), {
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
        // Zeek may quote what it does not understand, secrets included.
        for (const { node, env } of members) {
          const secrets = secretsOf({ env, options: node.options }, this.#isSecret)
          const masked = findings.map(finding => ({ ...finding, message: hideHalves(finding.message, secrets) }))
          found.set(node.name, { env, findings: masked })
        }
      })
    )
    return found
  }

  /** Has zeek parse what a node would run. */
  async #parse(
    { node, env }: Parsed,
    { layout, zeek, scripts, bundle, signal }: ParseContext
  ): Promise<{ findings: Finding[]; ms: number }> {
    const begun = performance.now()
    const own = directories(this.#context.settings).node(node.name)
    const cwd = await stat(own).then(
      () => own,
      () => scripts
    )
    const findings = await parse(
      {
        command: renderParse(node, layout, zeek.path, loadsOf(node, bundle)),
        cwd,
        env,
        timeoutMs: this.#parseMs,
        max: maxFindings
      },
      signal
    ).catch((error): Finding[] => [{ level: 'error', message: messageOf(error) }])
    return {
      ms: performance.now() - begun,
      // Files that this check has written are gone when someone reads this: only their names are kept.
      findings: findings.map(({ file, ...finding }) => ({
        ...finding,
        ...defined({ file: file && nameOf(file, scripts, bundle?.directory) })
      }))
    }
  }

  #remember(kind: string, ms: number): void {
    this.#took.delete(kind)
    this.#took.set(kind, ms)
    if (this.#took.size > maxKinds) this.#took.delete(this.#took.keys().next().value!)
  }

  #outcome(node: string, all: readonly Finding[]): Outcome {
    // Errors first, so that they are among the findings that are kept.
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

/** Returns how a file is told: one of the bundle by its path there. */
export function nameOf(file: string, scripts: string, bundle: string | undefined): string {
  if (file.startsWith(scripts)) return basename(file)
  return bundle !== undefined && file.startsWith(`${bundle}/`) ? file.slice(bundle.length + 1) : file
}

function textOf({ message, file, line }: Finding): string {
  if (file === undefined) return message
  return `${file}${line === undefined ? '' : `:${line}`}: ${message}`
}

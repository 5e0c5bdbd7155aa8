import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import type { AssignedNode, Share } from '../../schemas/agent.js'
import type { Finding } from '../../schemas/operations.js'
import type { Outcome } from '../../schemas/types.js'
import { messageOf } from '../errors.js'
import { withoutSecrets } from '../secrets.js'
import { packageRoot, Slots } from '../util.js'
import { defaultsScript, nodeScript, renderCommand, renderEnvironment } from '../zeek/command.js'
import { findZeek, type Executable } from '../zeek/executable.js'
import { layoutFile } from '../zeek/layout.js'
import type { AgentSettings } from './config.js'
import type { Host } from './host.js'
import { parse } from './parse.js'
import { diskFindings, preflight, surroundingsOf } from './preflight.js'
import { directories, layoutOf, rotationOf } from './program.js'

/** Of one node. */
const maxFindings = 100
/** A real zeek parses in a second or two, with many packages in ten. */
const parseMs = 60_000

/** The variables that keep zeek, and ZeekControl's scripts, from listening. */
const harmless = { ZEEKCTL_CHECK_CONFIG: '1', ZEEKCTL_DISABLE_LISTEN: '1' }

/** Finds out whether nodes would run, without touching what runs. */
export class Checks {
  #settings: AgentSettings
  #env: NodeJS.ProcessEnv
  #host: Host
  #parseMs: number
  /** Where scripts are while they are needed. Nobody else is in it: its agent is the only one of the state directory. */
  #directory: string
  /** However many checks are under way. */
  #slots = new Slots(availableParallelism())

  constructor (settings: AgentSettings, env: NodeJS.ProcessEnv, host: Host, timeoutMs = parseMs) {
    this.#settings = settings
    this.#env = env
    this.#host = host
    this.#parseMs = timeoutMs
    this.#directory = join(settings.management_state_dir, 'checks')
  }

  /** Removes what an agent that was killed has left: processes first, since they would go on for ever. */
  async clean (): Promise<void> {
    if (!await stat(this.#directory).catch(() => undefined)) return
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
   * Checks the named nodes of a share. One outcome per node, a success when nothing is found that would keep it from running.
   * `own` are the processes whose ports will be free, at the time.
   */
  async check (share: Share, names: readonly string[], own: () => ReadonlySet<number>, signal: AbortSignal): Promise<Outcome[]> {
    const nodes = new Map(share.nodes.map(node => [node.name, node]))
    let scripts: string | undefined
    try {
      const zeek = await findZeek(this.#settings.bin, this.#env)
      const disk = await diskFindings(this.#host, this.#settings.management_state_dir)
      const wanted = names.flatMap(name => nodes.get(name) ?? [])
      const surroundings = await surroundingsOf(wanted, share.layout, zeek, this.#host, own)
      const place = scripts = await this.#writeScripts(share)
      return await Promise.all(names.map(async name => {
        const node = nodes.get(name)
        if (!node) return this.#failed(name, 'unknown cluster node')
        try {
          const env = { ...renderEnvironment(node, { scripts: place, zeekPath: zeek.zeekPath }, this.#env, rotationOf(node, share.layout, this.#settings)), ...harmless }
          const parsed = await this.#slots.run(() => this.#parse(node, share, zeek, place, env, signal))
          return this.#outcome(name, [...parsed, ...await preflight(node, surroundings, env), ...disk])
        } catch (error) {
          return this.#failed(name, messageOf(error))
        }
      }))
    } catch (error) {
      // Without zeek, or without room for its scripts.
      return names.map(name => this.#failed(name, messageOf(error)))
    } finally {
      if (scripts !== undefined) await rm(scripts, { recursive: true, force: true })
    }
  }

  async #writeScripts (share: Share): Promise<string> {
    await mkdir(this.#directory, { recursive: true })
    const scripts = await mkdtemp(join(this.#directory, 'check-'))
    for (const script of [nodeScript, defaultsScript]) await copyFile(join(packageRoot, 'src', 'zeek', script), join(scripts, script))
    await writeFile(join(scripts, layoutFile), layoutOf(share))
    return scripts
  }

  /** Runs the node's command line, which is only to parse. */
  async #parse ({ cpu_affinity: _, ...node }: AssignedNode, share: Share, zeek: Executable, scripts: string, env: Record<string, string>, signal: AbortSignal): Promise<Finding[]> {
    const [executable, ...args] = renderCommand(node, share.layout, zeek.path)
    const own = directories(this.#settings).node(node.name)
    const cwd = await stat(own).then(() => own, () => scripts)
    const findings = await parse({ command: [executable!, '-a', ...args], cwd, env, timeoutMs: this.#parseMs, max: maxFindings }, signal)
    // What we have written is gone when someone reads this.
    return findings.map(({ message, file, ...finding }) => ({
      ...finding,
      // Zeek may quote what it does not understand.
      message: withoutSecrets(message, node),
      ...(file === undefined ? {} : { file: file.startsWith(scripts) ? basename(file) : file })
    }))
  }

  #outcome (node: string, all: readonly Finding[]): Outcome {
    // Errors first: they are to be among those that are kept.
    const findings = [...all.filter(({ level }) => level === 'error'), ...all.filter(({ level }) => level === 'warning')].slice(0, maxFindings)
    const first = findings.find(({ level }) => level === 'error')
    return {
      success: first === undefined,
      instance: this.#settings.agent_name,
      node,
      ...(first === undefined ? {} : { error: textOf(first) }),
      data: { findings }
    }
  }

  #failed (node: string, message: string): Outcome {
    return this.#outcome(node, [{ level: 'error', message }])
  }
}

function textOf ({ message, file, line }: Finding): string {
  if (file === undefined) return message
  return `${file}${line === undefined ? '' : `:${line}`}: ${message}`
}

#!/usr/bin/env node
import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { agentSettings, refuseExposure as refuseAgentExposure } from './agent/config.js'
import { controllerSettings, refuseExposure as refuseControllerExposure } from './controller/config.js'
import { AppError, isOfSystem, messageOf } from './errors.js'
import { nodesStay, runHost, type Role } from './host.js'
import { IpcTransport } from './link/ipc.js'
import { Link } from './link/link.js'
import { createLog } from './log.js'
import { agentInNeed, ownController, refuseClash } from './controller/own-agent.js'
import { environmentName, flagName, loadSettings, managementSettings } from './settings.js'
import { hostPort, packageVersion } from './util.js'

const allSettings = { ...managementSettings, ...controllerSettings, ...agentSettings }

const usage = `usage: zeek-cluster <command>

  start [--controller] [--agent] [--config FILE] [--SETTING VALUE ...]
             runs the supervisor, with a controller, an agent, or (neither named) both
  convert FILE
             prints cluster.cfg (zeek-client), node.cfg (ZeekControl) or zeek.conf (systemd generator; "-": standard input) as
             the body of a request, and on stderr what it does not hold. To send it:
             zeek-cluster convert node.cfg | curl -H 'Content-Type: application/json' -d @- \\
               http://127.0.0.1:2149/v1/requests/stage_configuration
  token create --role ROLE [--name NAME] [--expires 30d] | list | revoke ID
             makes, lists and revokes the tokens of a controller, which may run meanwhile; roles: viewer, operator, admin, agent
  archive -1 QUEUE DIRECTORY
             moves rotated logs into DIRECTORY/<day>/, compressed, as zeek-archiver does; agents run it where that is not installed
  settings   lists every setting: its flag, environment variable, default and meaning
  version    prints the version
`

/** `--name value` and `--name=value`; roles and the file are no settings. */
function parseFlags (args: readonly string[]): { roles: Role[], file: string | undefined, flags: Record<string, string> } {
  const flags: Record<string, string> = {}
  const roles: Role[] = []
  for (let at = 0; at < args.length; at++) {
    const [, name, inline] = /^--([a-z][a-z-]*)(?:=(.*))?$/s.exec(args[at]!) ?? []
    if (name === undefined) throw new AppError('invalid_request', `${args[at]} is not a flag`)
    if (name === 'controller' || name === 'agent') roles.push(name.toUpperCase() as Role)
    else {
      const value = inline ?? args[++at]
      if (value === undefined) throw new AppError('invalid_request', `--${name} needs a value`)
      flags[name] = value
    }
  }
  const { config: file, ...rest } = flags
  return { roles: [...new Set(roles)].sort().reverse(), file, flags: rest }
}

/** `roles`: those that run together. */
function readSettings (file: string | undefined, flags: Record<string, string>, roles: readonly Role[] = []) {
  const settings = loadSettings(allSettings, { flags, env: process.env, file }, runTogether(roles) ? ownController : undefined)
  return { ...settings, management_state_dir: resolve(settings.management_state_dir) }
}

const runTogether = (roles: readonly Role[]) => roles.includes('CONTROLLER') && roles.includes('AGENT')

type Settings = ReturnType<typeof readSettings>

function listSettings (): string {
  return Object.entries(allSettings).map(([key, { default: value, description }]) =>
    `${flagName(key)}, ${environmentName(key)} (${value === undefined ? 'none' : value})\n    ${description}\n`).join('')
}

/** Aborted by the first signal to stop, with its reason; the second ends the process at once. */
function untilStopped (signals: Partial<Record<NodeJS.Signals, string>>): AbortSignal {
  const stopping = new AbortController()
  for (const [signal, reason] of Object.entries(signals)) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(1)
      stopping.abort(reason)
    })
  }
  return stopping.signal
}

async function runSupervisor (settings: Settings, roles: readonly Role[], args: readonly string[]): Promise<number> {
  // Hosts may share one file of settings: what another role would do is no reason to stop here.
  if (roles.includes('CONTROLLER')) refuseControllerExposure(settings)
  if (roles.includes('AGENT')) refuseAgentExposure(settings)
  if (runTogether(roles)) refuseClash(settings)
  const log = createLog({ node: `supervisor-${hostname()}`, role: 'NONE', level: settings.management_log_level })
  const started = await runHost({
    settings,
    roles,
    command: [process.execPath, fileURLToPath(import.meta.url), 'start', ...args],
    env: process.env,
    log,
    onReady: lines => console.log(`zeek-cluster is ready: ${lines.join('; ')}`),
    // At a terminal SIGHUP is its end; a service is told so to read its files again.
    signal: untilStopped({ SIGTERM: 'stop', SIGINT: 'stop', SIGUSR2: nodesStay, ...process.stdout.isTTY ? { SIGHUP: 'stop' } : {} })
  })
  return started ? 0 : 1
}

/** In a process that a supervisor has launched: one role, until the supervisor ends or says so. */
async function runRole (role: string, settings: Settings, roles: readonly Role[]): Promise<number> {
  // What reaches the whole group, as Ctrl-C does, is for the supervisor, which sees to the order.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => {})
  const stopped = untilStopped({ SIGTERM: 'stop' })
  const isAgent = role === 'AGENT'
  let onLine: (level: string, message: string) => void = () => {}
  const log = createLog({
    node: isAgent ? settings.agent_name : settings.controller_name,
    role: isAgent ? 'AGENT' : 'CONTROLLER',
    level: settings.management_log_level,
    directory: settings.management_state_dir,
    onLine: (level, message) => onLine(level, message)
  })
  const { supervisor, line, close } = await (isAgent ? agentRole : controllerRole)()
  supervisor.notify('ready', { line })
  await new Promise(resolve => {
    stopped.addEventListener('abort', resolve, { once: true })
    supervisor.closed.addEventListener('abort', resolve, { once: true })
    if (stopped.aborted || supervisor.closed.aborted) resolve(undefined)
  })
  log.info('stopping')
  await close()
  await supervisor.close('done')
  return 0

  // Each process loads only what its role needs.
  async function agentRole () {
    const [{ startAgent }, { Programs }] = await Promise.all([import('./agent/main.js'), import('./agent/nodes/programs.js')])
    const programs = new Programs(new IpcTransport(process))
    const starting = startAgent({ settings, env: process.env, programs, controllerPort: settings.controller_port, log })
    programs.on('reload', () => reloadWith(starting))
    const agent = await starting
    onLine = (level, message) => { if (level === 'WARNING' || level === 'ERROR') agent.notifyLog(level, message) }
    return { supervisor: programs.link, line: `${settings.agent_name} is an agent of ${settings.agent_controller}`, close: agent.close }
  }

  async function controllerRole () {
    const { startController } = await import('./controller/main.js')
    const starting = startController({ settings, log, agent: runTogether(roles) ? agentInNeed(settings) : undefined })
    const link = new Link(new IpcTransport(process), { reload: () => reloadWith(starting) })
    const { url, close } = await starting
    return { supervisor: link, line: `${settings.controller_name} listens on ${url}, for agents on ${hostPort(settings.controller_addr, settings.controller_port)}`, close }
  }

  async function reloadWith (starting: Promise<{ reload (): void }>) {
    try {
      (await starting).reload()
      log.info('the certificates are read again')
    } catch (error) {
      log.error(`the certificates stay as they were: ${messageOf(error)}`)
    }
  }
}

/** Words come first, then flags: those of the command, and settings. */
async function runToken (args: readonly string[]): Promise<number> {
  const { tokenCommand, tokenFlags } = await import('./security/token.js')
  const words = args.findIndex(arg => arg.startsWith('--'))
  const { file, flags } = parseFlags(words < 0 ? [] : args.slice(words))
  const own = Object.fromEntries(Object.entries(flags).filter(([name]) => tokenFlags.includes(name)))
  const { management_state_dir: directory } = readSettings(file, Object.fromEntries(Object.entries(flags).filter(([name]) => !tokenFlags.includes(name))))
  console.log(await tokenCommand(words < 0 ? args : args.slice(0, words), own, directory))
  return 0
}

async function convertFile (files: readonly string[]): Promise<number> {
  const [file] = files
  if (file === undefined || files.length > 1) throw new AppError('invalid_request', 'convert needs one file, or - for standard input')
  const { convert } = await import('./formats/convert.js')
  const input = await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')).catch((error: unknown) => { throw new AppError('invalid_request', messageOf(error), { cause: error }) })
  const { configuration, notes } = await convert(file, input, { resolve: async host => (await lookup(host)).address, defaultInstance: `agent-${hostname()}` })
  for (const note of notes) console.error(note)
  console.log(JSON.stringify({ config: configuration }, undefined, 2))
  return 0
}

/** Takes what zeek-archiver takes of an agent, so that one can stand for the other. */
async function runArchive ([once, queue, directory, ...rest]: readonly string[]): Promise<number> {
  if (once !== '-1' || !queue || !directory || rest.length > 0) throw new AppError('invalid_request', 'archive needs -1 and two directories')
  const { archive } = await import('./agent/logs/archive.js')
  const { archived, errors } = await archive(queue, directory)
  if (archived > 0) console.log(`archived ${archived} logs`)
  for (const error of errors) console.error(error)
  return errors.length > 0 ? 1 : 0
}

async function main ([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'start': {
      const { roles: named, file, flags } = parseFlags(args)
      const roles: Role[] = named.length > 0 ? named : ['CONTROLLER', 'AGENT']
      const settings = readSettings(file, flags, roles)
      const role = process.env.ZEEK_MANAGEMENT_NODE
      return role === undefined ? await runSupervisor(settings, roles, args) : await runRole(role, settings, roles)
    }
    case 'convert': return await convertFile(args)
    case 'archive': return await runArchive(args)
    case 'token': return await runToken(args)
    case 'settings': console.log(listSettings()); return 0
    case 'version': case '--version': console.log(packageVersion); return 0
    case 'help': case '--help': console.log(usage); return 0
    default: console.error(usage); return 2
  }
}

main(process.argv.slice(2)).then(code => process.exit(code), (error: unknown) => {
  const isForeseen = error instanceof AppError || isOfSystem(error)
  console.error(`zeek-cluster: ${!isForeseen && error instanceof Error ? error.stack : messageOf(error)}`)
  process.exit(error instanceof AppError && error.code === 'invalid_request' ? 2 : 1)
})

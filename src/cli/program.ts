import { Command, CommanderError } from '@commander-js/extra-typings'
import { exitCodes, Failure } from '../client/failure.js'
import { packageVersion } from '../util.js'
import { remark, type Io } from './io.js'

type Define = (program: Command, io: Io) => void

/** Where each command is defined, in the order of the help. Only the module of the one that is given is loaded. */
const commands: Record<string, () => Promise<Define>> = {
  status: async () => (await import('./status.js')).defineStatus,
  top: async () => (await import('./status.js')).defineTop,
  logs: async () => (await import('./logs.js')).defineLogs,
  start: async () => (await import('./operate.js')).defineStartNodes,
  stop: async () => (await import('./operate.js')).defineStop,
  restart: async () => (await import('./operate.js')).defineRestart,
  diag: async () => (await import('./diag.js')).defineDiag,
  'get-id': async () => (await import('./get-id.js')).defineGetId,
  option: async () => (await import('./option.js')).defineOption,
  intel: async () => (await import('./intel.js')).defineIntel,
  cleanup: async () => (await import('./cleanup.js')).defineCleanup,
  instances: async () => (await import('./instances.js')).defineInstances,
  upgrade: async () => (await import('./upgrade.js')).defineUpgrade,
  deploy: async () => (await import('./deploy.js')).defineDeploy,
  plan: async () => (await import('./plan.js')).definePlan,
  check: async () => (await import('./check.js')).defineCheck,
  rollback: async () => (await import('./revisions.js')).defineRollback,
  rollout: async () => (await import('./rollout.js')).defineRollout,
  revisions: async () => (await import('./revisions.js')).defineRevisions,
  bundle: async () => (await import('./bundle.js')).defineBundle,
  config: async () => (await import('./config.js')).defineConfig,
  events: async () => (await import('./events.js')).defineEvents,
  history: async () => (await import('./request.js')).defineHistory,
  request: async () => (await import('./request.js')).defineRequest,
  notify: async () => (await import('./notify.js')).defineNotify,
  audit: async () => (await import('./events.js')).defineAudit,
  login: async () => (await import('./login.js')).defineLogin,
  context: async () => (await import('./login.js')).defineContext,
  join: async () => (await import('./join.js')).defineJoin,
  token: async () => (await import('./token.js')).defineToken,
  completion: async () => (await import('./completion.js')).defineCompletion,
  complete: async () => (await import('./completion.js')).defineComplete,
  convert: async () => (await import('./convert.js')).defineConvert,
  settings: async () => (await import('./server.js')).defineSettings,
  replication: async () => (await import('./replication.js')).defineReplication,
  archive: async () => (await import('./server.js')).defineArchive,
  version: async () => (await import('./server.js')).defineVersion
}

/** Runs a command line, without the program's name. Returns the exit code. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  if (args[0] === 'token' && args.includes('--offline')) {
    // It takes every setting of the server.
    const { runOfflineTokens } = await import('./offline-tokens.js')
    const rest = args.slice(1).filter(arg => arg !== '--offline')
    return await runOfflineTokens(rest, io.env)
  }
  const [name = ''] = args
  const named = Object.hasOwn(commands, name) ? commands[name] : undefined
  const program = named ? await programOf([named], io) : await allCommands(io)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return io.interrupted.aborted && io.onInterrupt ? exitCodes.interrupted : io.exitCode
  } catch (error) {
    if (io.interrupted.aborted) return exitCodes.interrupted
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    if (!(error instanceof Failure)) throw error
    remark(io, `zeek-cluster: ${error.message}`)
    return error.exitCode
  }
}

/** Returns the program with all of its commands, for help and manuals. */
export const allCommands = async (io: Io): Promise<Command> => await programOf(Object.values(commands), io)

async function programOf(loads: readonly (() => Promise<Define>)[], io: Io): Promise<Command> {
  const program = new Command('zeek-cluster')
    .description('Runs Zeek clusters: the server on each host, and the commands that speak with it.')
    .version(packageVersion, '-V, --version', 'print the version')
    .configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
      outputError: text => {
        const message = text
          .replace(/^error: /, '')
          .trim()
          .replace(/\s*\n\s*/g, ' ')
        remark(io, `zeek-cluster: ${message} (--help shows what there is)`)
      }
    })
    .configureHelp({ helpWidth: Math.min(100, io.stdout.columns || 100) })
    // What comes after the name of a command is that command's, also where it has commands of its own.
    .enablePositionalOptions()
    .exitOverride()
  for (const define of await Promise.all(loads.map(async load => await load()))) define(program, io)
  return program
}

import { Argument, type Command, type CommandUnknownOpts } from '@commander-js/extra-typings'
import { contextsFile, readContexts } from '../client/contexts.js'
import { withExamples } from './examples.js'
import { print, type Io } from './io.js'
import { clusterRoles } from './options.js'

const shells = ['bash', 'zsh', 'fish'] as const

/** What each shell runs: it asks this program for the words that may come next, one a line. */
const scripts: Record<(typeof shells)[number], string> = {
  bash: `_zeek_cluster() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(zeek-cluster complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _zeek_cluster zeek-cluster`,
  zsh: `#compdef zeek-cluster
_zeek_cluster() {
  local -a words_next
  words_next=("\${(@f)$(zeek-cluster complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a words_next || _files
}
compdef _zeek_cluster zeek-cluster`,
  fish: `complete -c zeek-cluster -f -a '(zeek-cluster complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
complete -c zeek-cluster -n '__fish_seen_subcommand_from deploy convert' -F`
}

export function defineCompletion(program: Command, io: Io): void {
  const command = program
    .command('completion')
    .helpGroup('Access:')
    .summary('print what completes commands in a shell')
    .description('Prints what has a shell complete commands, options, and the names of nodes and instances.')
    .addArgument(new Argument('<shell>').choices(shells))
  withExamples(
    command,
    ['source <(zeek-cluster completion bash)', 'in ~/.bashrc'],
    ['zeek-cluster completion fish > ~/.config/fish/completions/zeek-cluster.fish', 'once']
  )
  command.action(shell => print(io, scripts[shell]))
}

/** Defines the command that the scripts ask; it is in no help. */
export function defineComplete(program: Command, io: Io): void {
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async words => {
      const { allCommands } = await import('./program.js')
      print(io, ...(await completionsOf(await allCommands(io), words, io)))
    })
}

/** Returns the words that may stand in place of the last one. */
export async function completionsOf(program: CommandUnknownOpts, words: readonly string[], io: Io): Promise<string[]> {
  let command = program
  const given: string[] = []
  for (const word of words.slice(0, -1)) {
    const next: CommandUnknownOpts | undefined =
      given.length === 0
        ? command.commands.find(each => each.name() === word || each.aliases().includes(word))
        : undefined
    if (next) command = next
    else given.push(word)
  }
  const last = words.at(-1) ?? ''
  const before = words.at(-2)
  const option = command.options.find(each => before !== undefined && (each.long === before || each.short === before))
  const candidates =
    option && (option.required || option.optional)
      ? (option.argChoices ?? (await valuesOf(option.long ?? '', io)))
      : last.startsWith('-')
        ? command.options.flatMap(({ long }) => long ?? [])
        : [
            ...command.commands.filter(each => each.name() !== 'complete').map(each => each.name()),
            ...(await valuesOfArgument(command, given.length, io))
          ]
  return candidates.filter(word => word.startsWith(last) && !given.includes(word)).sort()
}

/** Returns what may stand for the argument that comes after so many others. */
async function valuesOfArgument(command: CommandUnknownOpts, count: number, io: Io): Promise<readonly string[]> {
  const { registeredArguments } = command
  const last = registeredArguments.at(-1)
  const argument = registeredArguments[count] ?? (last?.variadic === true ? last : undefined)
  if (argument === undefined) return []
  const isContext = command.parent?.name() === 'context'
  return argument.argChoices ?? (await valuesOf(isContext ? '--context' : argument.name(), io))
}

/** Returns what may stand for an argument or an option; nothing when the controller does not answer at once. */
async function valuesOf(name: string, io: Io): Promise<readonly string[]> {
  try {
    if (name === '--role') return clusterRoles.map(role => role.toLowerCase())
    if (name === '--context') return Object.keys((await readContexts(contextsFile(io.env))).contexts)
    return await valuesAtController(name, io)
  } catch {
    return []
  }
}

/** A shell waits for this: it is not kept waiting. */
const patienceMs = 1000

async function valuesAtController(name: string, io: Io): Promise<readonly string[]> {
  const [{ connect }, { findTarget }] = await Promise.all([
    import('../client/connection.js'),
    import('../client/target.js')
  ])
  const api = await connect(await findTarget({}, io.env))
  const signal = AbortSignal.timeout(patienceMs)
  switch (name) {
    case '--instance': {
      const { data } = await api.GET('/v1/instances', { signal })
      return data!.instances.map(({ name }) => name)
    }
    case 'nodes':
    case '--node': {
      const { data } = await api.GET('/v1/nodes', { params: { query: { limit: 1000 } }, signal })
      return data!.nodes.flatMap(({ node, mgmt_role: role }) => (role === 'NODE' ? [node] : []))
    }
    case 'revision':
    case '--revision': {
      const { data } = await api.GET('/v1/revisions', { params: { query: { limit: 50 } }, signal })
      return data!.revisions.map(({ revision }) => String(revision))
    }
    case 'reqid': {
      const { data } = await api.GET('/v1/requests', { params: { query: { limit: 50 } }, signal })
      return data!.requests.map(({ reqid }) => reqid)
    }
    default:
      return []
  }
}

import { InvalidArgumentError, Option, type Command, type OptionValues } from '@commander-js/extra-typings'
import type { Schema } from '../client/connection.js'

/** What commands of commands are defined on. */
export type Parent = Pick<Command, 'command'>

export type ClusterRole = Schema['ClusterRole']
/** The roles that nodes have. Not from the schemas: these take longer to load than a command to run. */
export const clusterRoles = ['MANAGER', 'LOGGER', 'PROXY', 'WORKER'] as const satisfies readonly ClusterRole[]

/** The heading of the options that all commands have which ask a controller. */
export const controllerGroup = 'Controller:'

/** Adds the options that say which controller is asked. */
export function ofController<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .optionsGroup(controllerGroup)
    .option(
      '--url <url>',
      'the controller, or several, with commas; default: ZEEK_CLUSTER_URL, else the context, else this host'
    )
    .option('--context <name>', 'one that `login` has kept; default: ZEEK_CLUSTER_CONTEXT, else the current one')
    .option('--token-file <file>', 'a file with a token; default: ZEEK_CLUSTER_TOKEN, else that of the context')
    .option('--ca <file>', 'certificates of authorities, for a controller with one of its own')
    .option('--cert <file>', 'a certificate to be known by, instead of a token')
    .option('--key <file>', 'its key')
}

/** Adds the options that select nodes beside their names. */
export function selectsNodes<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .optionsGroup('Which nodes:')
    .option('--role <role>', `only nodes of these roles: ${clusterRoles.join(', ').toLowerCase()}`, roleList)
    .option('--instance <name>', 'only nodes on these instances', nameList)
}

export interface Selection {
  role?: ClusterRole[] | undefined
  instance?: string[] | undefined
}

/** Returns the selectors of a request. */
export function selectorOf(nodes: readonly string[], { role, instance }: Selection) {
  return {
    ...(nodes.length > 0 ? { nodes: [...nodes] } : {}),
    ...(role ? { roles: role } : {}),
    ...(instance ? { instances: instance } : {})
  }
}

/** Adds `--json`. */
export const toJson = <A extends unknown[], O extends OptionValues>(command: Command<A, O>) =>
  command.option('--json', 'print JSON, for programs')

/** Adds the options of what is submitted as a request and waited for. */
export function submits<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .optionsGroup('Waiting:')
    .addOption(
      new Option('--timeout <seconds>', 'how long the request may take; default: what its steps may take').argParser(
        positive
      )
    )
    .option('--no-wait', 'print the ID of the request and do not wait')
}

export function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('It is a number above 0.')
  return value
}

/** Parses a whole number of at least `least`. */
export const wholeFrom =
  (least: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`It is a whole number from ${least}.`)
    }
    return value
  }

/** Parses names, separated by commas or given several times. */
export const nameList = (text: string, before: string[] = []): string[] => [
  ...before,
  ...text.split(',').filter(name => name !== '')
]

function roleList(text: string, before: ClusterRole[] = []): ClusterRole[] {
  const roles = text.split(',').map(name => {
    const role = clusterRoles.find(each => each === name.toUpperCase())
    if (!role) throw new InvalidArgumentError(`Roles are ${clusterRoles.join(', ').toLowerCase()}.`)
    return role
  })
  return [...before, ...roles]
}

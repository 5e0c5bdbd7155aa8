import { Option, type Command } from '@commander-js/extra-typings'
import { suggestion } from '../../schemas/nearest.js'
import type { Api, Schema } from '../client/connection.js'
import { exitCodes, Failure, type ExitCode } from '../client/failure.js'
import { itemsOf } from '../client/pages.js'
import { ask } from '../client/requests.js'
import { printableLine, type Screen } from '../terminal/screen.js'
import { tableOf } from '../terminal/table.js'
import { withExamples } from './examples.js'
import { print, printJson, type Io } from './io.js'
import {
  isAmiss,
  nodeColumns,
  sorted,
  summaryOf,
  type NodeColumn,
  type NodeRow,
  type NodeStats
} from './node-columns.js'
import { nameList, ofController, selectsNodes, selectorOf, toJson, type Selection } from './options.js'
import { open, type Session } from './session.js'

export function defineStatus(program: Command, io: Io): void {
  const columns = nodeColumns(Date.now)
  const keys = columns.map(({ key }) => key).join(', ')
  const command = ofController(
    selectsNodes(
      toJson(
        program
          .command('status')
          .helpGroup('Nodes:')
          .summary('show what each node does')
          .description(
            `Shows the state of each node, since when and why, what it uses and sees, and the cluster's health. Ends with 0 only when all nodes that should run do.`
          )
          .argument('[nodes...]', 'names of nodes; default: all')
          .option('-w, --watch', 'go on, and draw anew when something changes')
          .option('-a, --all', 'agents and controllers, too')
          .addOption(new Option('-o, --output <form>', 'table, or wide with all columns').choices(['table', 'wide']))
          .option('--columns <names>', `these columns only: ${keys}`, nameList)
          .option('--sort <column>', 'sort by a column; -COLUMN: the largest first')
          .option('--state <states>', 'only nodes in these states, as CRASHED,FAILED', nameList)
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster status', 'all nodes'],
    ['zeek-cluster status --role worker --sort=-drop', 'workers, those that drop most first'],
    ['zeek-cluster status --watch', 'all nodes, drawn anew as they change']
  )
  command.action(async (nodes, options) => {
    const session = await open(io, options)
    const view = viewOf(columns, options)
    const query: StatusQuery = { nodes, selection: options, states: options.state, all: options.all === true }
    if (options.watch === true) {
      const { watchStatus } = await import('./status-watch.js')
      io.exitCode = await watchStatus(session, query, view)
      return
    }
    io.exitCode = exitCodeOf(await showStatus(session, query, view, options))
  })
}

const topColumns = ['node', 'instance', 'cpu', 'memory', 'threads', 'packets', 'drop', 'lag', 'sessions', 'uptime']

export function defineTop(program: Command, io: Io): void {
  const columns = nodeColumns(Date.now)
  const command = ofController(
    selectsNodes(
      toJson(
        program
          .command('top')
          .helpGroup('Nodes:')
          .summary('show what nodes use and see')
          .description(
            'Shows processor, memory, packets and drops of the nodes, drawn anew every few seconds; once where the output is no terminal.'
          )
          .argument('[nodes...]', 'names of nodes; default: all')
          .option('--sort <column>', 'by a column; -COLUMN: the largest first', '-cpu')
          .option('--once', 'once, at a terminal, too')
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster top', 'all nodes, those that use most first'],
    ['zeek-cluster top --role worker --sort=-drop', 'workers, those that drop most first']
  )
  command.action(async (nodes, options) => {
    const session = await open(io, options)
    const view = viewOf(columns, { columns: topColumns, sort: options.sort })
    const query: StatusQuery = { nodes, selection: options, all: false }
    if (session.screen.isLive && options.once !== true && options.json !== true) {
      const { watchStatus } = await import('./status-watch.js')
      await watchStatus(session, query, view)
      return
    }
    await showStatus(session, query, view, options)
  })
}

/** Which nodes are shown. */
export interface StatusQuery {
  nodes: readonly string[]
  selection: Selection
  states?: readonly string[] | undefined
  /** Whether agents and controllers are shown, too. */
  all: boolean
}

/** How they are shown. */
export interface StatusView {
  columns: readonly NodeColumn[]
  sort: { column: NodeColumn; descending: boolean } | undefined
}

export interface Status {
  rows: NodeRow[]
  health: Schema['ClusterHealth']
  /** Where events start that are not in it yet. */
  cursor: string
}

function viewOf(
  all: readonly NodeColumn[],
  { columns, sort, output }: { columns?: string[] | undefined; sort?: string | undefined; output?: string | undefined }
): StatusView {
  const named = (key: string): NodeColumn => {
    const column = all.find(each => each.key === key.toLowerCase())
    if (column) return column
    throw new Failure(exitCodes.usage, `there is no column ${key}: there are ${all.map(each => each.key).join(', ')}`)
  }
  const descending = sort?.startsWith('-') === true
  return {
    columns: columns?.map(named) ?? all.filter(({ isWide }) => output === 'wide' || isWide !== true),
    sort: sort === undefined ? undefined : { column: named(sort.replace(/^-/, '')), descending }
  }
}

/** Prints a status once, and returns it. */
async function showStatus(
  session: Session,
  query: StatusQuery,
  view: StatusView,
  { json }: { json?: true | undefined }
): Promise<Status> {
  const status = await readStatus(session, query)
  if (json === true) printJson(session.io, jsonOf(status))
  else print(session.io, ...linesOf(status, view, session.screen))
  return status
}

/** Reads the state of nodes, their last samples, and the health of the cluster. */
export async function readStatus(session: Session, query: StatusQuery): Promise<Status> {
  const { api } = session
  const [{ nodes, cursor }, health] = await Promise.all([readNodes(session, query), readHealth(api, session.signal)])
  const isRunning = nodes.some(({ pid, mgmt_role: role }) => pid !== undefined && role === 'NODE')
  const stats = isRunning ? await readStats(session, query) : new Map<string, NodeStats>()
  return {
    rows: nodes.map(status => ({ status, stats: status.mgmt_role === 'NODE' ? stats.get(status.node) : undefined })),
    health,
    cursor
  }
}

/** Reads the nodes that are shown. Throws a Failure that names one that there is not. */
export async function readNodes({ api, signal }: Session, { nodes: names, selection, states, all }: StatusQuery) {
  const filter = {
    role: selection.role,
    instance: selection.instance,
    // What is no state is for the controller to say.
    state: states?.map(state => state.toUpperCase()) as Schema['NodeState'][] | undefined
  }
  let cursor = ''
  const nodes = await itemsOf({ pageMax: 1000 }, async page => {
    const { data } = await api.GET('/v1/nodes', { params: { query: { ...filter, ...page } }, signal })
    // What happens while the other pages are read comes after the first one's.
    if (cursor === '') cursor = data!.event_cursor
    return { items: data!.nodes, next: data!.next }
  })
  for (const name of names) {
    if (states === undefined && !nodes.some(({ node }) => node === name)) {
      const known = nodes.map(({ node }) => node)
      throw new Failure(exitCodes.failed, `there is no node ${name}${suggestion(name, known)}`)
    }
  }
  const isShown = ({ node, mgmt_role: role }: Schema['InstanceNode']) =>
    names.length > 0 ? names.includes(node) : all || role === 'NODE'
  return { nodes: nodes.filter(isShown), cursor }
}

/** Reads whether the cluster does its work, as the controller sees it. */
export async function readHealth(api: Api, signal: AbortSignal): Promise<Schema['ClusterHealth']> {
  // It answers 503 when the cluster is not ready.
  const { data, error } = await api.GET('/v1/health', { signal })
  return (data ?? error) as Schema['ClusterHealth']
}

/** Returns the samples of nodes, by name; of those that have one. */
async function readStats({ api, signal }: Session, { nodes, selection }: StatusQuery): Promise<Map<string, NodeStats>> {
  // Samples are an addition: what the nodes do is known without them.
  const { results } = await ask(api, 'get_node_stats', selectorOf(nodes, selection), { signal, timeout: 5 })
  return new Map(results.flatMap(({ data }) => (data?.stats ? [[data.stats.node, data.stats]] : [])))
}

/** Returns the lines that show a status. */
export function linesOf({ rows, health }: Status, { columns, sort }: StatusView, screen: Screen): string[] {
  const { style } = screen
  const reasons = health.reasons.map(({ message }) => `  ${printableLine(message)}`)
  const ready = health.ready
    ? [style('good', 'The cluster does its work.')]
    : [style('bad', 'The cluster is not ready:'), ...reasons]
  if (rows.length === 0) return ['no nodes', '', ...ready]
  const inOrder = sort ? sorted(rows, sort.column, sort.descending) : rows
  return [...tableOf(columns, inOrder, screen).split('\n'), '', summaryOf(rows, screen), ...ready]
}

/** Returns a status for programs. */
function jsonOf({ rows, health, cursor }: Status): object {
  return {
    nodes: rows.map(({ status, stats }) => ({ ...status, ...(stats ? { stats } : {}) })),
    health: { ready: health.ready, reasons: health.reasons },
    event_cursor: cursor
  }
}

/** Returns 0 only when there are nodes and all that should run do. */
export const exitCodeOf = ({ rows }: Status): ExitCode =>
  rows.length > 0 && !rows.some(({ status }) => isAmiss(status)) ? exitCodes.done : exitCodes.failed

import { counted, plain } from './format.js'
import type { Node } from './types.js'

export type Verb = 'start' | 'stop' | 'restart'

/** Which nodes a request is about, and how to call them. */
export interface Selection {
  /** The arguments of the request. */
  args: { nodes?: string[]; instances?: string[] }
  nodes: readonly Node[]
  /** For example `worker-1`, `3 nodes of sensor-2`. */
  name: string
}

/** Selects nodes by their names. */
export const ofNodes = (nodes: readonly Node[]): Selection => ({
  args: { nodes: nodes.map(({ node }) => node) },
  nodes,
  name: nodes.length === 1 ? nodes[0]!.node : counted(nodes.length, 'node')
})

/** Selects all nodes of an instance. */
export const ofInstance = (instance: string, nodes: readonly Node[]): Selection => ({
  args: { instances: [instance] },
  nodes,
  name: `${counted(nodes.length, 'node')} of ${instance}`
})

/** Returns what a request would do, line by line: what is asked before it is done. */
export function consequences(verb: Verb, { nodes }: Selection): string[] {
  const running = nodes.filter(({ state }) => state === 'RUNNING' || state === 'PENDING' || state === 'UNKNOWN')
  const stopped = nodes.filter(({ desired_state: desired }) => desired === 'STOPPED')
  const has = (role: string) => running.some(({ cluster_role: one }) => one === role)
  switch (verb) {
    case 'start':
      return [
        running.length === 0
          ? ''
          : `${named(running)} ${running.length === 1 ? 'runs already and is' : 'run already and are'} left alone.`,
        'What is started stays so, whatever is restarted or deployed.'
      ].filter(line => line !== '')
    case 'stop':
      return [
        running.length === 1
          ? '1 process is ended, and stays so until it is started.'
          : `${running.length} processes are ended, and stay so until they are started.`,
        ...(has('WORKER') ? ['Workers that are stopped see no packets: what passes meanwhile is not analysed.'] : []),
        ...(has('MANAGER') || has('LOGGER') ? ['Without a manager or logger no logs are written.'] : [])
      ]
    case 'restart':
      return [
        running.length === 1 ? '1 node gets a new process.' : `${running.length} nodes get new processes.`,
        ...(has('WORKER') ? ['Workers miss packets until they have joined again.'] : []),
        ...(stopped.length > 0
          ? [
              `${named(stopped)} ${stopped.length === 1 ? 'is to be stopped, and stays' : 'are to be stopped, and stay'} so.`
            ]
          : [])
      ]
  }
}

const namedMax = 8
/** Returns the names of nodes, of many only the first. */
export function named(nodes: readonly Pick<Node, 'node'>[]): string {
  const names = nodes.slice(0, namedMax).map(({ node }) => plain(node))
  const more = nodes.length - names.length
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ')
}

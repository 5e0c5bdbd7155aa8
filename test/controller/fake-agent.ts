import { EventEmitter, once, setMaxListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { agentApiVersion, agentPath, type Layout, type SentShare } from '../../schemas/agent.js'
import type { ClusterRequest, RequestType } from '../../schemas/api.js'
import type { NodeStatus } from '../../schemas/types.js'
import { Link, type Handlers } from '../../src/link/link.js'
import { dial } from '../../src/link/websocket.js'
import { unpackLayout } from '../../src/protocol/packed-layout.js'

export interface FakeAgentOptions {
  name?: string
  /** Instead of the obliging ones below. */
  handlers?: Handlers
  /** Over the default first words. */
  hello?: object
  /** What it shows, where the controller wants a token. */
  token?: string
  /** The address that it dials from. */
  from?: string
}

/** What the controller has asked, in order. */
export interface Question {
  method: string
  params: any
}

export interface FakeAgent {
  link: Link
  asked: Question[]
  /** The first question of a method, come or to come. */
  question(method: string): Promise<any>
  /** The layout of a share that it was sent. */
  layoutOf(share: SentShare): Promise<Layout>
  /** How often a method was asked. */
  count(method: string): number
  /** Notifies a change of a node's state. */
  change(node: string, from: NodeStatus['state'], to: NodeStatus['state'], reason?: string): void
  close(): Promise<void>
}

/** An answer that never comes. */
export const never = () => new Promise<never>(() => {})

export const status = (
  node: string,
  state: NodeStatus['state'] = 'RUNNING',
  more: Partial<NodeStatus> = {}
): NodeStatus => ({ node, state, mgmt_role: 'NODE', cluster_role: 'WORKER', pid: 1, ...more })

/** The other end of an agent's link: says hello, then answers as the test wants, or that all went well. */
export async function fakeAgent(
  t: Test,
  port: number,
  { name = 'agent-a', handlers = {}, hello = {}, token, from }: FakeAgentOptions = {}
): Promise<FakeAgent> {
  const asked: Question[] = []
  const heard = new EventEmitter()
  const each = (nodes: readonly string[], more: object = {}) =>
    nodes.map(node => ({ success: true, instance: name, node, ...more }))
  const obliging: Handlers = {
    deploy: ({ share }: { share: SentShare }) => each(share.nodes.map(node => node.name)),
    check: ({ nodes }) => each(nodes, { data: { findings: [] } }),
    standby: () => [],
    get_id_value: ({ nodes }) => each(nodes, { data: { value: '"x"' } }),
    start: ({ nodes }) => each(nodes),
    stop: ({ nodes }) => each(nodes),
    restart: ({ nodes }) => each(nodes)
  }
  const recording = Object.fromEntries(
    Object.entries({ ...obliging, ...handlers }).map(([method, handler]) => [
      method,
      (params: any, context: any) => {
        asked.push({ method, params })
        heard.emit(method)
        // An answer that never comes would keep the link's timer, and with it the process.
        return Promise.race([
          handler(params, context),
          new Promise(resolve => link.closed.addEventListener('abort', resolve, { once: true }))
        ])
      }
    ])
  )
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  // The socket has what the TLS options have.
  const tls: object = from === undefined ? {} : { localAddress: from }
  const link: Link = new Link(
    await dial(`ws://127.0.0.1:${port}${agentPath}`, new AbortController().signal, { headers, tls }),
    recording
  )
  // One for each question.
  setMaxListeners(0, link.closed)
  t.teardown(() => link.close('the test is over'))
  await link.ask(
    'hello',
    { api_version: agentApiVersion, name, version: '1.0.0', machine: `machine of ${name}`, nodes: [], ...hello },
    { timeoutMs: 5000 }
  )
  return {
    link,
    asked,
    question: async method => {
      if (!asked.some(question => question.method === method)) await once(heard, method)
      return asked.find(question => question.method === method)!.params
    },
    layoutOf: async ({ layout }) =>
      await unpackLayout(
        (await link.ask<{ packed: string }>('layout', { digest: layout }, { timeoutMs: 5000 })).packed,
        layout
      ),
    count: method => asked.filter(question => question.method === method).length,
    change: (node, from, to, reason = 'a test') =>
      link.notify('change', { status: status(node, to), old_state: from, reason }),
    close: () => link.close('the agent leaves')
  }
}

/** What asks the agent of `deployedAgent`, once. */
export const idOfManager = { id: 'x', nodes: ['manager'] }

/** An agent to which `small()` is deployed: `get_id_value` with `idOfManager` is answered by its handler. */
export async function deployedAgent(
  t: Test,
  {
    ask,
    settings
  }: { ask: (type: RequestType, body?: object) => Promise<ClusterRequest>; settings: { controller_port: number } },
  getIdValue: Handlers[string]
): Promise<FakeAgent> {
  const agent = await fakeAgent(t, settings.controller_port, { handlers: { get_id_value: getIdValue } })
  await ask('stage_configuration', { config: small() })
  if ((await ask('deploy')).state !== 'succeeded') throw new Error('it is not deployed')
  return agent
}

/** A state directory that outlives a controller: `t.testdir()` is emptied by each that is started. */
export function stateDir(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'controller-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export const manager = (instance = 'agent-a') => ({ name: 'manager', instance, role: 'MANAGER' as const })
export const worker = (name = 'worker-1', instance = 'agent-a') => ({
  name,
  instance,
  role: 'WORKER' as const,
  interface: 'lo'
})

/** A configuration of instances by name. */
export function configurationOf(instances: readonly string[], nodes: readonly object[], id?: string) {
  return { ...(id === undefined ? {} : { id }), instances: instances.map(name => ({ name })), nodes }
}

/** One instance with a manager and a worker. */
export const small = (id?: string) => configurationOf(['agent-a'], [manager(), worker()], id)

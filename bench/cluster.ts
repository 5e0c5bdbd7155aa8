import type { ClusterConfiguration, ClusterNode } from '../schemas/types.js'
import type { RunningController } from './controller.js'

/** A cluster as large as one likes, and how to have it deployed. */

export const nodesOfEach = 10

export const instanceOf = (index: number) => `sensor-${index + 1}`
/** Each has its own. */
export const hostOf = (index: number) => `10.1.${index >> 8}.${index & 255}`

/**
 * Ten nodes on each instance, or `each`. `managerPort`: another one makes another layout; `env` changes the workers
 * only.
 */
export function clusterOf(
  instances: number,
  id: string,
  { managerPort = 3000, env = 'a', each = nodesOfEach } = {}
): ClusterConfiguration {
  const workers = (index: number, count: number): ClusterNode[] =>
    Array.from({ length: count }, (_, n) => ({
      name: `${instanceOf(index)}-worker-${n + 1}`,
      instance: instanceOf(index),
      role: 'WORKER',
      interface: `af_packet::eth${n}`,
      env: { BENCH: env }
    }))
  return {
    id,
    instances: Array.from({ length: instances }, (_, index) => ({ name: instanceOf(index) })),
    nodes: Array.from({ length: instances }, (_, index) =>
      index > 0
        ? workers(index, each)
        : [
            { name: 'manager', instance: instanceOf(0), role: 'MANAGER' as const, port: managerPort },
            { name: 'logger-1', instance: instanceOf(0), role: 'LOGGER' as const },
            { name: 'proxy-1', instance: instanceOf(0), role: 'PROXY' as const },
            ...workers(0, each - 3)
          ]
    ).flat()
  }
}

export async function post({ url }: Pick<RunningController, 'url'>, type: string, args: object): Promise<any> {
  const response = await fetch(`${url}/v1/requests/${type}?timeout=120`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(args)
  })
  const body: any = await response.json()
  if (!response.ok) throw new Error(`${type}: ${response.status} ${JSON.stringify(body)}`)
  return body
}

/** Every event of a request, until the one that ends it. */
export async function eventsOf({ url }: Pick<RunningController, 'url'>, reqid: string): Promise<any[]> {
  const response = await fetch(`${url}/v1/requests/${reqid}/events`, { headers: { accept: 'application/x-ndjson' } })
  const events = (await response.text())
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  return events.filter(({ reqid: of }) => of === reqid)
}

/**
 * Stages a configuration, and deploys it. The milliseconds that the deployment took. Throws when a single node has not
 * been heard of exactly once.
 */
export async function deploy(
  controller: Pick<RunningController, 'url'>,
  configuration: ClusterConfiguration
): Promise<number> {
  const staged = await eventsOf(
    controller,
    (await post(controller, 'stage_configuration', { config: configuration })).reqid
  )
  if (staged.at(-1)?.success !== true) {
    throw new Error(`it was not staged: ${JSON.stringify(staged.at(-1)).slice(0, 1000)}`)
  }
  const started = performance.now()
  const { reqid } = await post(controller, 'deploy', { check: false })
  const events = await eventsOf(controller, reqid)
  const ms = performance.now() - started
  const response = events.at(-1)
  if (response?.type !== 'deploy_response' || !response.success) {
    throw new Error(`it was not deployed: ${JSON.stringify(response).slice(0, 1000)}`)
  }
  const nodes = configuration.nodes
    .map(({ name }) => name)
    .sort()
    .join()
  const told = (results: any[]) =>
    results
      .flatMap(({ node }) => node ?? [])
      .sort()
      .join()
  if (told(response.results) !== nodes) throw new Error('the response does not tell of each node once')
  const progress = events.filter(({ type }) => type === 'request_progress')
  if (told(progress.flatMap(({ results }) => results)) !== nodes) {
    throw new Error('the progress does not tell of each node once')
  }
  if (progress.length !== configuration.instances.length) {
    throw new Error(`${progress.length} instances told of progress`)
  }
  return ms
}

import { join } from 'node:path'
import type { Test } from 'tap'
import type { ClusterRequest, InstanceStatus } from '../../schemas/api.js'
import { pushBundle } from '../support/bundles.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { portFlags } from '../support/ports.js'
import { entriesOf, makeRelease } from '../support/release.js'
import { until } from '../support/until.js'
import { configurationOf, untilConnected } from './cluster.js'
import { Service } from './service.js'

export const sensors = ['sensor-1', 'sensor-2'] as const

/** A controller, and two sensors that run version 1.0.0, each by its launcher, with nodes of a cluster. */
export async function startFleet(t: Test) {
  const controller = await startTestController(t)
  const { url, ask, settings } = controller
  const installed = makeRelease(join(directoryOf(t), 'installed'))
  const services = new Map<string, Service>()
  const stateOf = new Map<string, string>()
  for (const name of sensors) {
    const state = directoryOf(t)
    stateOf.set(name, state)
    const flags = {
      'agent-name': name,
      'agent-controller': `127.0.0.1:${settings.controller_port}`,
      'agent-upgrade-timeout': '30',
      'management-state-dir': state,
      ...portFlags()
    }
    const env = { ZEEK_CLUSTER_UPGRADES: join(state, 'upgrades') }
    services.set(name, Service.start(t, ['--agent'], flags, { program: [join(installed, 'bin/zeek-cluster')], env }))
  }
  await untilConnected(url, sensors)
  const labelled = {
    ...configurationOf(sensors),
    instances: sensors.map(name => ({ name, labels: { name } }))
  }
  await ask('stage_configuration', { config: labelled })
  const deployed = await ask('deploy', { check: false })
  if (deployed.state !== 'succeeded') throw new Error(JSON.stringify(deployed.results))
  const instance = async (name: string): Promise<InstanceStatus> =>
    (await getJson(`${url}/v1/instances`)).instances.find((one: InstanceStatus) => one.name === name)
  const pids = async (): Promise<Record<string, number>> => {
    const { nodes } = await getJson(`${url}/v1/nodes?role=MANAGER,LOGGER,WORKER`)
    return Object.fromEntries(nodes.map(({ node, pid }: { node: string; pid: number }) => [node, pid]))
  }
  return {
    ...controller,
    services,
    instance,
    pids,
    /** The directory of an instance's upgrades. */
    upgradesOf: (name: string) => join(stateOf.get(name)!, 'upgrades'),
    upgrade: async (bundle: string, args: object = {}): Promise<ClusterRequest> => {
      const { reqid } = await ask('upgrade', { bundle, ...args })
      // A trial takes longer than one waits for an answer.
      return await until(async () => {
        const request: ClusterRequest = await getJson(`${url}/v1/requests/${reqid}`)
        return request.state !== 'pending' && request
      }, 'the upgrade has ended')
    }
  }
}

/** Makes a release and uploads it. Returns its bundle. */
export async function pushRelease(
  t: Test,
  url: string,
  version: string,
  changes: Record<string, string> = {}
): Promise<string> {
  return await pushBundle(url, entriesOf(makeRelease(join(directoryOf(t), 'release'), { version }), changes))
}

import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startHost } from '../support/host.js'
import { freePorts } from '../support/ports.js'
import { childrenOf } from '../support/running.js'
import { Cluster, configurationOf } from './cluster.js'

const name = 'sensor-1'

await t.test(
  'an agent goes from a controller that is killed to the other one, and no node notices',
  { timeout: 300_000 },
  async t => {
    const cluster = new Cluster(t)
    const [first, second] = await freePorts(2)
    const flags = await cluster.prepare({
      'controller-port': String(first),
      'agent-controller': `127.0.0.1:${first},127.0.0.1:${second}`
    })
    const controller = (directory: string, more: Record<string, string> = {}) =>
      startHost(t, { ...flags, 'management-state-dir': cluster.stateDir(directory), ...more }, ['--controller'])
    const before = await controller('a')
    await cluster.startHost(name, false)
    await cluster.connected(name)
    t.equal((await cluster.deploy(configurationOf([name]))).state, 'succeeded')
    const pids = await cluster.pids()
    t.equal(Object.values(pids).filter(Boolean).length, 2)

    // What the other one knows. After a stop all of it is in one file.
    await before.stop()
    mkdirSync(cluster.stateDir('b'), { mode: 0o700 })
    copyFileSync(join(cluster.stateDir('a'), 'controller.sqlite'), join(cluster.stateDir('b'), 'controller.sqlite'))
    const leader = await controller('a')
    await cluster.connected(name)
    const [http] = await freePorts(1)
    await controller('b', { 'controller-port': String(second), 'controller-websocket-port': String(http) })

    const [pid] = childrenOf(leader.pid)
    // So that its supervisor does not start it again.
    leader.child.kill('SIGSTOP')
    process.kill(pid!, 'SIGKILL')
    await leader.stop('SIGKILL')

    cluster.url = `http://127.0.0.1:${http}`
    await cluster.connected(name)
    for (const node of Object.keys(pids)) await cluster.reaches(node, 'RUNNING')
    t.same(await cluster.pids(), pids)
    t.match(await cluster.ask('get_id_value', { id: 'Cluster::node' }), { state: 'succeeded' }, 'it obeys that one')
    t.same(await cluster.pids(), pids)
  }
)

/**
 * Whoever is killed while a bundle is on its way: nodes go on with what they had, and the next deployment brings the
 * new one, whole. What had come before the kill is not fetched again.
 */
import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { isAlive, readIdentity } from '../../src/supervisor/process.js'
import { hasBlob, pushBlob, type Blob } from '../support/blob.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const megabyte = 1024 * 1024
/** On its way for so long that it can be interrupted. */
const size = 96 * megabyte

await t.test('a bundle that is being fetched outlives every kill', { timeout: 400_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(['sensor-1', 'sensor-2'], {
    'management-restart-delay-max': '0.5',
    'management-retry-max': '0.5'
  })
  const [home, away] = ['sensor-1', 'sensor-2'].map(name => cluster.stateDir(name)) as [string, string]
  const content = join(away, 'content')
  const current = () => readlinkSync(join(content, 'current'))
  const config = { ...configurationOf(['sensor-1', 'sensor-2']), bundle: 'site' }

  const push = async () => await pushBlob(cluster.url, 'site', size)
  const hasWhole = (blob: Blob) => hasBlob(content, blob)
  const processOf = (state: string, program: string): number => {
    const identity = readIdentity(join(state, 'supervisor', `${program}.pid`))
    if (!identity || !isAlive(identity)) throw new Error(`${program} does not run`)
    return identity.pid
  }
  const victims: Record<string, () => Promise<void>> = {
    agent: async () => {
      process.kill(processOf(away, 'sensor-2'), 'SIGKILL')
    },
    controller: async () => {
      process.kill(processOf(home, 'controller'), 'SIGKILL')
    },
    supervisor: async () => {
      await cluster.hosts.get('sensor-2')!.stop('SIGKILL')
      await cluster.startHost('sensor-2', false)
    }
  }

  let before = await push()
  t.equal((await cluster.deploy(config)).state, 'succeeded')
  t.ok(hasWhole(before))
  const pids = await cluster.pids()

  for (const [victim, kill] of Object.entries(victims)) {
    await t.test(victim, async t => {
      const next = await push()
      t.equal((await cluster.ask('stage_configuration', { config })).state, 'succeeded')
      const part = join(content, `${next.id}.part`)
      const deploying = cluster.ask('deploy').catch(() => undefined)
      const sizeOf = () => statSync(part, { throwIfNoEntry: false })?.size ?? 0
      while (sizeOf() < 4 * megabyte) await turn()
      await kill()
      await deploying
      const fetched = sizeOf()
      t.ok(fetched >= 4 * megabyte && fetched < size, 'it was on its way')
      t.equal(current(), before.id)
      t.notOk(existsSync(join(content, next.id)), 'nothing of it can be used')
      t.ok(hasWhole(before))

      await cluster.connected('sensor-1', 'sensor-2')
      t.ok(sizeOf() >= fetched, 'what has come is kept')
      const again = await until(async () => {
        const request = await cluster.ask('deploy').catch(() => undefined)
        // The one before may not have ended yet.
        return request?.state === 'succeeded' && request
      }, 'it is deployed')
      t.ok(again)
      t.equal(current(), next.id)
      t.ok(hasWhole(next))
      t.same(
        readdirSync(content).filter(name => name.endsWith('.part') || name.endsWith('.new')),
        []
      )
      t.same(await cluster.pids(), pids, 'no node is another process')
      before = next
    })
  }
})

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { getJson } from '../support/client.js'
import { until } from '../support/until.js'
import { pushRelease, sensors, startFleet } from './launched-fleet.js'

await t.test('killed in the middle, an instance is one version or the other', async t => {
  const { url, instance, pids, upgrade, upgradesOf, services } = await startFleet(t)
  const before = await pids()
  const [name] = sensors
  const directory = upgradesOf(name)
  const service = services.get(name)!
  let version = 1
  for (const [what, moment] of [
    ['while it is prepared', () => readdirSync(directory).some(file => file.endsWith('.new'))],
    ['once it is next', () => existsSync(join(directory, 'next'))],
    ['while it is tried', () => existsSync(join(directory, 'trying'))],
    ['once it is current', () => existsSync(join(directory, 'current')) && !existsSync(join(directory, 'trying'))]
  ] as const) {
    for (const victim of ['supervisor', 'agent'] as const) {
      await t.test(`${what}: the ${victim}`, async t => {
        const target = `${++version}.0.0`
        const { version: old } = await instance(name)
        const bundle = await pushRelease(t, url, target)
        const asked = upgrade(bundle, { instances: [name] })
        let isOver = false
        void asked.finally(() => (isOver = true))
        await until(() => isOver || (existsSync(directory) && moment()), what)
        const pid = victim === 'supervisor' ? service.pid : await agentOf(url, name)
        if (pid !== undefined) process.kill(pid, 'SIGKILL')
        await asked
        const isEither = async () => [old, target].includes((await instance(name)).version)
        await until(isEither, 'it is back as one of both')
        // Wherever it was killed, it can be upgraded again.
        const tries = async () => (await upgrade(bundle, { instances: [name] })).state === 'succeeded'
        await until(tries, 'it is upgraded')
        t.equal((await instance(name)).version, target)
        t.same(await pids(), before)
      })
    }
  }
})

/** Returns the process id of the agent of an instance. */
async function agentOf(url: string, name: string): Promise<number | undefined> {
  const { nodes } = await getJson(`${url}/v1/nodes`)
  return nodes.find(({ node }: { node: string }) => node === name)?.pid
}

/** The layout is as large as the cluster: an agent asks for it when it lacks it, and keeps it. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Layout, SentShare } from '../../schemas/agent.js'
import { ShareFile } from '../../src/agent/nodes/share-file.js'
import { NodeTable } from '../../src/agent/nodes/node-table.js'
import { AppError } from '../../src/errors.js'
import { digestOf } from '../../src/protocol/packed-layout.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, standIn } from '../support/environment.js'
import { settingsOf } from '../support/settings.js'
import { supervisorIn } from '../support/supervisor.js'
import { layoutsFrom } from '../support/lacking.js'

const layoutOf = (host: string): Layout => ({
  backend: 'zeromq',
  nodes: [{ name: 'manager', role: 'MANAGER', host, port: 2200 }]
})
const [first, second] = [layoutOf('10.0.0.1'), layoutOf('10.0.0.2')]
const layouts = new Map([first, second].map(layout => [digestOf(layout), layout]))
const sent = (layout: Layout, id = 'c1'): SentShare => ({ config_id: id, layout: digestOf(layout), nodes: [] })

/** A table without nodes, and the layouts that it has asked for. */
function start(t: Test, directory = directoryOf(t)) {
  const settings = settingsOf({ 'management-state-dir': directory, 'agent-name': 'agent-a', bin: standIn })
  const { supervisor, programs } = supervisorIn(directory)
  t.teardown(() => supervisor.close())
  const path = join(directory, 'agent.json')
  const memory = new ShareFile(path)
  const table = new NodeTable({ settings, env: cleanEnv }, programs, memory)
  const asked: Layout[] = []
  const get = async (digest: string) => {
    asked.push(layouts.get(digest)!)
    return layouts.get(digest)!
  }
  const deploy = (share: SentShare, lacking = get) =>
    table.deploy(share, layoutsFrom(lacking), {}, AbortSignal.timeout(10_000))
  const resolve = (share: SentShare) => table.resolveShare(share, layoutsFrom(get))
  return { directory, path, memory, table, asked, deploy, resolve }
}

await t.test('a layout is asked for once, and again when it is another', async t => {
  const { asked, deploy, memory } = start(t)
  await deploy(sent(first))
  await deploy(sent(first, 'c2'))
  t.same(asked, [first])
  t.same(await memory.load(), { config_id: 'c2', layout: first, nodes: [] })
  await deploy(sent(second))
  await deploy(sent(second))
  await deploy(sent(first))
  t.same(asked, [first, second, first])
})

await t.test('a layout that came for a check is not asked for again to deploy it, nor is the deployed one', async t => {
  const { asked, deploy, resolve } = start(t)
  await deploy(sent(first))
  t.equal((await resolve(sent(second))).layout, second)
  await deploy(sent(second))
  t.equal((await resolve(sent(first))).layout, first)
  await deploy(sent(second))
  t.same(asked, [first, second, first])
})

await t.test('an agent that has been started again has its layout still', async t => {
  const before = start(t)
  await before.deploy(sent(first))
  const after = start(t, before.directory)
  await after.table.resume()
  await after.deploy(sent(first, 'c2'))
  t.same(after.asked, [])
})

await t.test(
  'a memory that holds a whole share, as the first version of agents wrote it, is good for its layout',
  async t => {
    const { path, table, asked, deploy } = start(t)
    writeFileSync(
      path,
      '{"config_id":"old","layout":{"backend":"zeromq","nodes":[{"name":"manager","role":"MANAGER","host":"10.0.0.1","port":2200}]},"nodes":[]}'
    )
    await table.resume()
    t.equal(table.share?.config_id, 'old')
    await deploy(sent(first, 'new'))
    t.same([table.share?.config_id, asked], ['new', []])
  }
)

await t.test('an agent that has lost its layout asks for it: without its memory, and after a standby', async t => {
  const before = start(t)
  await before.deploy(sent(first))
  rmSync(before.path)
  const after = start(t, before.directory)
  await after.table.resume()
  await after.deploy(sent(first))
  t.same(after.asked, [first])
  await after.table.standby()
  await after.deploy(sent(first))
  t.same(after.asked, [first, first])
})

await t.test('a layout that cannot be had fails the deployment, and changes nothing', async t => {
  const { memory, table, asked, deploy } = start(t)
  await deploy(sent(first))
  await t.rejects(
    deploy(sent(second, 'c2'), async () => {
      throw new AppError('not_found', 'no such layout is deployed')
    }),
    { code: 'not_found' }
  )
  t.same([table.share?.config_id, (await memory.load())?.config_id], ['c1', 'c1'])
  await deploy(sent(second, 'c3'))
  t.same([table.share?.config_id, asked], ['c3', [first, second]])
})

await t.test('a deployment that still waits for its layout is not overtaken by the next', async t => {
  const { memory, deploy } = start(t)
  await deploy(sent(first))
  let arrive = (_layout: Layout) => {}
  const slow = deploy(
    sent(second, 'c2'),
    () =>
      new Promise(resolve => {
        arrive = resolve
      })
  )
  const next = deploy(sent(first, 'c3'))
  setImmediate(() => arrive(second))
  await Promise.all([slow, next])
  t.equal((await memory.load())?.config_id, 'c3')
})

import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ShareFile } from '../../../src/agent/nodes/share-file.js'

const share = {
  config_id: 'c',
  layout: { backend: 'zeromq' as const, nodes: [] },
  nodes: [{ name: 'w', instance: 'a', role: 'WORKER' as const, env: { A: 'ä' } }]
}

await t.test('a share is remembered, replaced, and forgotten', async t => {
  const directory = t.testdir()
  const memory = new ShareFile(join(directory, 'agent.json'))
  t.equal(await memory.load(), undefined)
  await memory.save({ ...share, config_id: 'earlier' })
  await memory.save(share)
  t.same(await new ShareFile(join(directory, 'agent.json')).load(), share)
  t.same(readdirSync(directory), ['agent.json'])
  await memory.clear()
  await memory.clear()
  t.equal(await memory.load(), undefined)
})

await t.test('shares that are saved at once leave one of them, whole', async t => {
  const memory = new ShareFile(join(t.testdir(), 'agent.json'))
  await Promise.all(Array.from({ length: 10 }, (_, n) => memory.save({ ...share, config_id: `c${n}` })))
  t.match(await memory.load(), { config_id: /^c\d$/, nodes: share.nodes })
})

await t.test('a damaged memory is an error that names the file, not a share', async t => {
  const path = join(t.testdir(), 'agent.json')
  const memory = new ShareFile(path)
  for (const text of [
    '',
    '{',
    'null',
    '{}',
    '[]',
    JSON.stringify(share).slice(0, -9),
    JSON.stringify({ ...share, nodes: [{ name: '../x' }] })
  ]) {
    writeFileSync(path, text)
    await t.rejects(memory.load(), { message: new RegExp(`^${path}`) }, text)
  }
  await memory.save(share)
  t.same(await memory.load(), share)
})

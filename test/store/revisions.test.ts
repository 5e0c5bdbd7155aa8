import t from 'tap'
import { RevisionTable } from '../../src/store/revisions.js'
import { openStore } from './open.js'

const configuration = (id: string, bundle?: string) => ({
  id,
  ...(bundle === undefined ? {} : { bundle }),
  instances: [],
  nodes: []
})
const revision = (id: string, more: object = {}) => ({
  configuration: configuration(id),
  nodes: 2,
  time: 1000,
  reqid: `request of ${id}`,
  ...more
})
const everything = { maxCount: 100, before: 0, keeps: [] as number[] }

await t.test('revisions are kept, with what is known of each, also after a restart', async t => {
  const { store, directory, close } = openStore(t)
  const table = new RevisionTable(store)
  t.same([table.latest, table.list(10), table.get(1)], [undefined, [], undefined])
  const numbers = await store.write('synced', () => [
    table.insert(revision('a')),
    table.insert(revision('b', { configuration: configuration('b', 'x'), who: 'ops', comment: 'why\nso', time: 2000 }))
  ])
  t.same(numbers, [1, 2])
  await store.write('synced', () => {
    table.conclude('request of a', 'partial')
    table.conclude('request of nobody', 'failed')
    table.markGood(2, 7000)
    table.markGood(2, 8000)
    table.markGood(99, 8000)
  })
  close()

  const again = new RevisionTable(openStore(t, directory).store)
  t.equal(again.latest, 2)
  const nothing = { who: null, comment: null, bundle: null }
  const [b, a] = [
    {
      n: 2,
      time: 2000,
      who: 'ops',
      comment: 'why\nso',
      reqid: 'request of b',
      outcome: null,
      config_id: 'b',
      bundle: 'x',
      nodes: 2,
      good_at: 7000
    },
    { n: 1, time: 1000, ...nothing, reqid: 'request of a', outcome: 'partial', config_id: 'a', nodes: 2, good_at: null }
  ]
  t.strictSame(
    again.list(10).map(row => ({ ...row })),
    [b, a]
  )
  t.same(
    again.list(10, 2).map(({ n }) => n),
    [1]
  )
  t.strictSame({ ...again.get(1) }, a)
  t.strictSame(again.configuration(2), configuration('b', 'x'))
  t.equal(again.configuration(3), undefined)
  t.same([again.names('x'), again.names('y')], [true, false])
})

await t.test(
  'the oldest go, by number and by age, but the newest and the one before it; no number comes again',
  async t => {
    const { store } = openStore(t)
    const table = new RevisionTable(store)
    const numbers = () => table.list(100).map(({ n }) => n)
    const prune = async (limits: object) =>
      await store.write('written', () => table.prune({ ...everything, ...limits }))
    await store.write('written', () => {
      for (let n = 1; n <= 8; n++) table.insert(revision(String(n), { time: n * 1000 }))
    })
    await prune({})
    t.same(numbers(), [8, 7, 6, 5, 4, 3, 2, 1])
    await prune({ maxCount: 5, keeps: [1] })
    t.same(numbers(), [8, 7, 6, 5, 4, 1])
    await prune({ before: 6000 })
    t.same(numbers(), [8, 7, 6])
    await prune({ maxCount: 0, before: 1e9 })
    t.same(numbers(), [8, 7])
    await store.write('written', () => store.run('DELETE FROM revisions'))
    t.equal(await store.write('written', () => table.insert(revision('z'))), 9)
  }
)

await t.test('the newest good ones stay: the deployed one may be one of them', async t => {
  const { store } = openStore(t)
  const table = new RevisionTable(store)
  t.equal(table.lastGood(), undefined)
  await store.write('written', () => {
    for (let n = 1; n <= 8; n++) table.insert(revision(String(n), { time: n * 1000 }))
    for (const n of [1, 3, 8]) table.markGood(n, 9000)
  })
  t.same([table.lastGood(), table.lastGood(8), table.lastGood(3)], [8, 3, 8])
  await store.write('written', () => table.prune({ maxCount: 2, before: 1e9, keeps: [] }))
  t.same(
    table.list(100).map(({ n }) => n),
    [8, 7, 3]
  )
  await store.write('written', () => store.run('DELETE FROM revisions WHERE n = 3'))
  t.equal(table.lastGood(8), undefined, 'what is gone is not good')
})

await t.test('a write that fails leaves no revision', async t => {
  const { store } = openStore(t)
  const table = new RevisionTable(store)
  const failing = store.write('synced', () => {
    table.insert(revision('a'))
    throw new Error('no')
  })
  await t.rejects(failing, { message: 'no' })
  t.equal(table.latest, undefined)
})

import t from 'tap'
import { byTraffic, losesPackets, majorityOf, toneOfLoad, toneOfUse, usedPercent } from '../../console/model/hosts.js'

await t.test('says who has another version than most', async t => {
  const { usual, others } = majorityOf(
    new Map([
      ['a', '9.0.0'],
      ['b', '9.0.1'],
      ['c', '9.0.0'],
      ['d', undefined]
    ])
  )
  t.equal(usual, '9.0.0')
  t.same([...others], ['b'])
  t.same(majorityOf(new Map()), { usual: undefined, others: new Set() })
  t.equal(majorityOf(new Map(Object.entries({ a: '2', b: '1' }))).usual, '1', 'always the same of equals')
})

await t.test('judges what is used', async t => {
  t.equal(usedPercent(200, 50), 75)
  t.equal(usedPercent(0, 0), 0)
  t.equal(usedPercent(10, 20), 0)
  t.same([50, 90, 96].map(toneOfUse), ['good', 'doubt', 'bad'])
  t.same([toneOfLoad(3, 2), toneOfLoad(3.1, 2), toneOfLoad(1, 0)], ['good', 'doubt', 'good'])
})

await t.test('shows interfaces that see the most first, and whether they lose something', async t => {
  const one = (name: string, packets?: number, dropped?: number) => ({
    name,
    up: true,
    packets_received: 1,
    bytes_received: 1,
    errors: 0,
    dropped: 9,
    ...(packets === undefined ? {} : { packets_per_second: packets }),
    ...(dropped === undefined ? {} : { dropped_per_second: dropped })
  })
  t.same(
    byTraffic([one('lo'), one('eth1', 5), one('eth0', 7), one('br0')]).map(({ name }) => name),
    ['eth0', 'eth1', 'br0', 'lo']
  )
  t.equal(losesPackets(one('lo', 1)), false)
  t.equal(losesPackets(one('lo', 1, 0.5)), true)
})

import fc from 'fast-check'
import t from 'tap'
import { cpuMax } from '../schemas/basics.js'
import { cpuList, parseCpuList } from '../src/cpu-list.js'

await t.test('lists of CPUs have ranges and strides', async t => {
  t.strictSame(parseCpuList('0-8:2,10-20:3'), [0, 2, 4, 6, 8, 10, 13, 16, 19])
  t.strictSame([parseCpuList(''), parseCpuList('7'), parseCpuList('3,1-2,3')], [[], [7], [3, 1, 2, 3]])
  for (const text of [
    'x',
    '1-',
    '-1',
    '2-1',
    '1,,2',
    '1, 2',
    '1-2:0',
    '1:2',
    '0-4096',
    '1-2-3',
    '0-9999999999',
    Array(20).fill('0-4095').join(',')
  ]) {
    t.equal(parseCpuList(text), undefined, text.slice(0, 40))
  }
})

await t.test('a list is written as the kernel writes it, and read again', async t => {
  t.equal(cpuList([18, 2, 3, 4, 3, 16]), '2-4,16,18')
  t.equal(cpuList([]), '')
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(cpuMax)), cpus => {
      const read = parseCpuList(cpuList(cpus))
      return JSON.stringify(read) === JSON.stringify([...cpus].sort((a, b) => a - b))
    })
  )
})

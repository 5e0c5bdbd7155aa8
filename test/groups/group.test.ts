import { Ajv } from 'ajv'
import t from 'tap'
import { Group, groupComponents } from '../../schemas/groups.js'
import { ajvOptions, components, fieldErrors } from '../../schemas/validator.js'

const ajv = new Ajv(ajvOptions)
ajv.addSchema([...new Set([...components, ...groupComponents])])
const check = ajv.compile(Group)
/** What is wrong with a group that is changed so, as `field message`. */
const faultsOf = (more: object) => {
  check({ name: 'w', instance: 'a', interface: 'af_packet::eth1', workers: 4, ...more })
  return fieldErrors(check.errors ?? [], '').map(({ field, message }) => `${field} ${message}`)
}

await t.test('a group says how many workers, where, and on which CPUs', async t => {
  for (const sound of [
    ...Group.examples,
    { workers: 'auto', cpus: 'auto', numa: 0 },
    { cpus: '2-15,18', scripts: ['local'], options: { 'A::b': '1' }, env: { A: 'b' } },
    { instances: ['a', 'b'] },
    { labels: { 'example.com/site': 'Berlin, 3rd floor', tap: '' } }
  ]) {
    t.same(faultsOf(sound), [])
  }
})

await t.test('what is wrong is told by its field, once', async t => {
  const count = '/workers must be a number of workers from 1 to 4096, "auto", or an object with min and max'
  const list = '/cpus must be a list of CPUs as 2-15,18, or "auto"'
  for (const [more, fault] of [
    [{ workers: 0 }, count],
    [{ workers: 4097 }, count],
    [{ workers: 1.5 }, count],
    [{ workers: 'all' }, count],
    [{ workers: ['auto'] }, count],
    [{ cpus: '' }, list],
    [{ cpus: '2-15, 18' }, list],
    [{ cpus: '0-8:2' }, list],
    [{ cpus: 4 }, '/cpus must be string'],
    [{ numa: -1 }, '/numa must be >= 0'],
    [{ instances: [] }, '/instances must NOT have fewer than 1 items'],
    [{ labels: { '-': 'x' } }, '/labels/- is not a valid name'],
    [{ labels: { a: 'x\n' } }, '/labels/a must be a text without control characters'],
    [{ role: 'WORKER' }, '/role is not known'],
    [{ worker: 3 }, '/worker is not known; did you mean workers?'],
    [{ interface: undefined }, '/interface is required']
  ] as const) {
    t.same(faultsOf(more), [fault])
  }
})

import fc from 'fast-check'
import t from 'tap'
import { obstacleToLead, type Candidacy } from '../../src/replication/candidacy.js'
import { runs } from '../support/runs.js'

const own = { log: 'test', place: 5, frame: 'five', term: 1, leader: 'a' }
const other = (name: string, place: number, frame = 'five') => ({ name, place, frame })
const candidacy = { own, last: 5, others: [other('b', 5)], replicas: 3 }

await t.test('a replica may lead that has the whole log, and no less than a majority', t => {
  t.equal(obstacleToLead(candidacy), undefined)
  t.equal(obstacleToLead({ ...candidacy, last: 9 }), undefined, 'frames that were never written whole')
  t.equal(obstacleToLead({ ...candidacy, others: [other('b', 3, 'three')] }), undefined, 'one that is behind')
  t.equal(obstacleToLead({ ...candidacy, others: [], replicas: 1 }), undefined, 'the only one')
  t.end()
})

await t.test('what is in the way is said', t => {
  const cases: [string, Partial<Candidacy>, RegExp][] = [
    ['nobody answers', { others: [] }, /^only 1 of 3 replicas answer, and 2 must$/],
    ['half of four answer', { replicas: 4 }, /^only 2 of 4 replicas answer, and 3 must$/],
    ['the log is behind', { last: 4 }, /^the log ends at 4, and 5 was written/],
    ['another one is ahead', { others: [other('b', 6)] }, /^replica b has 6, and the log ends at 5/],
    ['another one has something else', { others: [other('b', 5, 'else')] }, /^replica b has something else at 5$/]
  ]
  for (const [what, part, expected] of cases) t.match(obstacleToLead({ ...candidacy, ...part }), expected, what)
  t.end()
})

await t.test('nobody leads who is behind another one, or the log, or alone', t => {
  const status = fc.record({
    name: fc.constantFrom('b', 'c', 'd'),
    place: fc.nat(4),
    frame: fc.constantFrom('x', 'y')
  })
  const candidacies = fc.record({
    own: fc.record({ place: fc.nat(4), frame: fc.constantFrom('x', 'y') }).map(part => ({ ...own, ...part })),
    last: fc.nat(4),
    others: fc.uniqueArray(status, { selector: ({ name }) => name, maxLength: 3 }),
    replicas: fc.integer({ min: 1, max: 7 })
  })
  fc.assert(
    fc.property(candidacies, candidacy => {
      const { own, last, others, replicas } = candidacy
      const mayLead =
        (others.length + 1) * 2 > replicas &&
        own.place <= last &&
        others.every(({ place, frame }) => place < own.place || (place === own.place && frame === own.frame))
      return (obstacleToLead(candidacy) === undefined) === mayLead
    }),
    { numRuns: runs(2000) }
  )
  t.end()
})

import fc from 'fast-check'
import t from 'tap'
import { decodeFrame, encodeFrame } from '../../src/replication/frame.js'
import { Diverged } from '../../src/store/replica.js'
import { runs } from '../support/runs.js'

const digest = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })
const frames = fc.record({
  previous: fc.oneof(digest, fc.constant('')),
  term: fc.integer({ min: 1 }),
  leader: fc.constantFrom('a', 'controller-2'),
  schema: fc.nat(),
  sequences: fc.dictionary(fc.constantFrom('events', 'audit', 'a\nb'), fc.maxSafeNat(), { noNullPrototype: true }),
  patchset: fc.uint8Array({ maxLength: 300 })
})
const diverged = { constructor: Diverged, message: /^a frame of the log cannot be read: / }
/** As objects and bytes that can be compared. */
const plain = (frame: object & { patchset: Uint8Array }) => ({ ...frame, patchset: [...frame.patchset] })

await t.test('a frame is read as it was written, with its digest', async t => {
  fc.assert(
    fc.property(frames, frame => {
      const { bytes, digest } = encodeFrame(frame)
      const decoded = decodeFrame(bytes)
      return digest === decoded.digest && JSON.stringify(plain(decoded.frame)) === JSON.stringify(plain(frame))
    }),
    { numRuns: runs(200) }
  )
  t.pass()
})

await t.test('no damage of a frame remains unseen', async t => {
  fc.assert(
    fc.property(frames, fc.nat(), fc.integer({ min: 1, max: 255 }), (frame, where, change) => {
      const bytes = Buffer.from(encodeFrame(frame).bytes)
      const damaged = Buffer.from(bytes)
      damaged[where % bytes.length]! ^= change
      const cut = bytes.subarray(0, where % bytes.length)
      for (const each of [damaged, cut, Buffer.concat([bytes, Buffer.of(change)])]) {
        try {
          decodeFrame(each)
          return false
        } catch (error) {
          if (!(error instanceof Diverged)) throw error
        }
      }
      return true
    }),
    { numRuns: runs(200) }
  )
  t.pass()
})

await t.test('what is no frame, or has a header that this version does not know, is refused', async t => {
  const frame = { previous: '', term: 1, leader: 'a', schema: 1, sequences: {}, patchset: new Uint8Array() }
  const wrong: object[] = [
    { term: 0 },
    { leader: '' },
    { previous: 'x' },
    { schema: -1 },
    { sequences: { events: -1 } },
    { sequences: { events: 0.5 } }
  ]
  for (const part of wrong) {
    t.throws(() => decodeFrame(encodeFrame({ ...frame, ...part }).bytes), diverged, JSON.stringify(part))
  }
  for (const text of ['', '\n', '\n\n', '{}', '{}\n', 'garbage']) {
    t.throws(() => decodeFrame(Buffer.from(text)), diverged, text)
  }
  t.doesNotThrow(() => decodeFrame(encodeFrame(frame).bytes))
})

import fc from 'fast-check'
import t from 'tap'
import { weekdays, type QuietSettings } from '../../schemas/notifications.js'
import { Quiet } from '../../src/notify/quiet.js'

const quiet = (settings: Partial<QuietSettings>) =>
  new Quiet({ hours: [{ from: '22:00', to: '07:00' }], time_zone: 'Europe/Vienna', ...settings }, '/quiet')
const at = (text: string) => Date.parse(text)
const iso = (time: number) => new Date(time).toISOString()

await t.test('hours over midnight are quiet on both sides of it, and end at a full minute', async t => {
  const one = quiet({})
  for (const [time, is] of [
    ['2026-11-30T20:59:59.999Z', false],
    ['2026-11-30T21:00:00Z', true],
    ['2026-12-01T05:59:59Z', true],
    ['2026-12-01T06:00:00Z', false]
  ] as const) {
    t.equal(one.isAt(at(time)), is, time)
  }
  t.equal(iso(one.endOf(at('2026-11-30T23:12:34.567Z'))), '2026-12-01T06:00:00.000Z')
  t.equal(iso(one.endOf(at('2026-11-30T12:00:00.001Z'))), '2026-11-30T12:00:00.001Z', 'at once where it is not quiet')
})

await t.test('a day is that on which the hours begin', async t => {
  const one = quiet({ hours: [{ days: ['fri', 'sat'], from: '22:00', to: '07:00' }] })
  t.equal(one.isAt(at('2026-12-04T22:00:00Z')), true, 'the night after Friday')
  t.equal(one.isAt(at('2026-12-06T05:00:00Z')), true, 'the morning of Sunday')
  t.equal(one.isAt(at('2026-12-06T22:00:00Z')), false, 'the night after Sunday')
  t.equal(one.isAt(at('2026-12-04T05:00:00Z')), false, 'the morning of Friday')
})

await t.test('hours that meet are quiet together', async t => {
  const one = quiet({
    hours: [
      { days: ['sat', 'sun'], from: '00:00', to: '24:00' },
      { from: '22:00', to: '07:00' }
    ]
  })
  t.equal(iso(one.endOf(at('2026-12-04T22:00:00Z'))), '2026-12-07T06:00:00.000Z', 'from Friday night to Monday')
})

await t.test('where the clock is put on, the night is shorter; where it is put back, longer', async t => {
  // In Vienna on 29 March 2026 from 2 to 3, on 25 October from 3 to 2.
  const one = quiet({})
  t.equal(iso(one.endOf(at('2026-03-28T21:00:00Z'))), '2026-03-29T05:00:00.000Z')
  t.equal(iso(one.endOf(at('2026-10-24T20:00:00Z'))), '2026-10-25T06:00:00.000Z')
  const toTwo = quiet({ hours: [{ from: '22:00', to: '02:30' }] })
  t.equal(iso(toTwo.endOf(at('2026-03-28T22:00:00Z'))), '2026-03-29T01:00:00.000Z', '2:30 is skipped: it ends at 3')
  t.equal(iso(toTwo.endOf(at('2026-10-24T22:00:00Z'))), '2026-10-25T00:30:00.000Z', 'at the first 2:30 of two')
  t.equal(toTwo.isAt(at('2026-10-25T01:15:00Z')), true, 'and is quiet again until the second one')
})

await t.test('time zones without whole hours', async t => {
  const kathmandu = quiet({ time_zone: 'Asia/Kathmandu' })
  t.equal(iso(kathmandu.endOf(at('2026-11-30T17:00:00Z'))), '2026-12-01T01:15:00.000Z')
  const howe = quiet({ time_zone: 'Australia/Lord_Howe', hours: [{ from: '22:00', to: '02:15' }] })
  // Put on from 2 to 2:30 on 4 October 2026.
  t.equal(iso(howe.endOf(at('2026-10-03T12:00:00Z'))), '2026-10-03T15:30:00.000Z')
})

await t.test('hours end at the first minute that is not quiet, at any time of any year', async t => {
  const minute = fc
    .nat(1439)
    .map(n => `${String(Math.floor(n / 60)).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}`)
  const hours = fc.array(
    fc.record({ days: fc.uniqueArray(fc.constantFrom(...weekdays), { minLength: 1 }), from: minute, to: minute }),
    { minLength: 1, maxLength: 3 }
  )
  const zone = fc.constantFrom('Europe/Vienna', 'America/New_York', 'Australia/Lord_Howe', 'America/Santiago', 'UTC')
  // Around changes of the clock, and anywhere.
  const around = fc.constantFrom(
    at('2026-03-08T07:00Z'),
    at('2026-03-29T01:00Z'),
    at('2026-10-25T01:00Z'),
    at('2026-10-03T15:00Z')
  )
  const time = fc.oneof(
    fc.tuple(around, fc.integer({ min: -90_000_000, max: 90_000_000 })).map(([base, by]) => base + by),
    fc.integer({ min: at('2020-01-01'), max: at('2040-01-01') })
  )
  fc.assert(
    fc.property(hours, zone, time, (some, name, now) => {
      let one: Quiet
      try {
        one = quiet({ hours: some, time_zone: name })
      } catch {
        return
      }
      const end = one.endOf(now)
      if (one.isAt(end)) throw new Error('it is still quiet')
      if (!one.isAt(now)) return end === now
      if (end % 60_000 !== 0 || end <= now) throw new Error('it ends at a minute')
      for (let before = end - 60_000; before > now; before -= 60_000) {
        if (!one.isAt(before)) throw new Error(`it was over at ${iso(before)}, before ${iso(end)}`)
      }
      return true
    }),
    { numRuns: 60 }
  )
  t.pass()
})

await t.test('hours that are none are refused, with the field', async t => {
  t.throws(() => quiet({ time_zone: 'Europe/Wien' }), { message: /^\/quiet\/time_zone must be a time zone/ })
  t.throws(() => quiet({ hours: [{ from: '07:00', to: '07:00' }] }), { message: /^\/quiet\/hours\/0 must begin/ })
  t.throws(() => quiet({ hours: [{ from: '00:00', to: '24:00' }] }), { message: '/quiet/hours never end' })
  t.throws(
    () =>
      quiet({
        hours: [
          { from: '06:00', to: '18:30' },
          { from: '18:00', to: '06:00' }
        ]
      }),
    { message: '/quiet/hours never end' }
  )
})

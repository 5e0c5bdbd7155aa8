import t from 'tap'
import { fits, noPast, withComing, withNewest, withOlder, type Past } from '../../console/model/past.js'
import type { DomainEvent } from '../../console/model/types.js'

const event = (place: number) => ({ type: 'notify_change', cursor: `e.${place}`, node: 'w' }) as DomainEvent
const events = (...places: number[]) => places.map(event)
const places = ({ events }: Past) => events.map(({ cursor }) => Number(cursor.slice(2)))

await t.test('knows which events it is about', async t => {
  t.ok(fits(event(1), { types: ['notify_change'], node: 'w' }))
  t.notOk(fits(event(1), { types: ['notify_change'], node: 'v' }))
  t.notOk(fits(event(1), { types: ['notify_health'], node: 'w' }))
  t.notOk(fits(event(1), { types: ['notify_change'], instance: 'i' }))
})

await t.test('has each event once, newest first, whatever comes first', async t => {
  const early = withComing(noPast, events(9))
  const first = withNewest(early, { events: events(9, 8, 7), next: 'e.7' })
  t.same(places(first), [9, 8, 7])
  const coming = withComing(first, events(10, 11))
  t.same(places(coming), [11, 10, 9, 8, 7])
  const older = withOlder(coming, { events: events(6, 5), next: undefined })
  t.same(places(older), [11, 10, 9, 8, 7, 6, 5])
  t.equal(older.next, undefined)
})

await t.test('after an outage it keeps what is older only if nothing is missing between', async t => {
  const before = withOlder(withNewest(noPast, { events: events(3, 2), next: 'e.2' }), {
    events: events(1),
    next: 'e.1'
  })
  const meets = withNewest(before, { events: events(5, 4, 3), next: 'e.3' })
  t.same([places(meets), meets.next], [[5, 4, 3, 2, 1], 'e.1'])
  const apart = withNewest(before, { events: events(9, 8), next: 'e.8' })
  t.same([places(apart), apart.next], [[9, 8], 'e.8'])
})

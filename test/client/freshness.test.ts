import t from 'tap'
import { Freshness } from '../../src/client/freshness.js'

await t.test('what is asked for is the newest that was told, in whichever order answers come', async t => {
  const freshness = new Freshness()
  const asked = () => {
    const headers = new Headers()
    freshness.ask(headers)
    return headers.get('zeek-log-place')
  }
  const note = (place: string) => {
    freshness.note(new Headers({ 'zeek-log-place': place }))
  }
  t.equal(asked(), null)
  freshness.note(new Headers())
  t.equal(asked(), null, 'one controller alone says nothing')
  for (const [place, newest] of [
    ['2.9', '2.9'],
    ['2.10', '2.10'],
    ['2.9', '2.10'],
    ['nonsense', '2.10'],
    ['3.1', '3.1'],
    ['2.11', '3.1']
  ] as const) {
    note(place)
    t.equal(asked(), newest, place)
  }
})

import t from 'tap'
import { decodeRequest } from '../../../src/zeek/websocket/controller-api.js'
import { vector } from '../../../src/zeek/websocket/value.js'
import { refusal } from '../../support/arbitraries.js'

await t.test(
  'an event without a name, or with an endless one, is refused with a place and a text that can be shown',
  async t => {
    for (const name of ['', 'x'.repeat(1_000_000)]) {
      const error = refusal(() => decodeRequest({ name, args: vector([]) }))!
      t.ok(error.errors![0]!.field.length > 0, 'it has a place')
      t.ok(error.message.length < 10_000, `its text has ${error.message.length} characters`)
    }
  }
)

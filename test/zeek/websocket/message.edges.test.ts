import t from 'tap'
import { decodeServerMessage } from '../../../src/zeek/websocket/message.js'
import { refusal } from '../../support/arbitraries.js'

await t.test('an error whose context is no text is understood or refused like any other message', async t => {
  for (const context of [
    '{"toString":1,"valueOf":1}',
    '{"toString":null}',
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  ]) {
    t.doesNotThrow(() => refusal(() => decodeServerMessage(`{"type":"error","context":${context}}`)))
  }
})

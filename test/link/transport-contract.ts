import t, { type Test } from 'tap'
import type { Transport } from '../../src/link/transport.js'
import { until } from '../support/until.js'

/** Both ends of a channel. The far end sends back each text, with "echo " before it. */
export interface Pair {
  near: Transport
  /** What the far end, another process maybe, is told to do: leave the channel. */
  leave(): void
}

/** What arrives at one end. */
export function listenTo(transport: Transport) {
  const heard = { texts: [] as string[], closed: [] as string[] }
  transport.receive({ message: text => heard.texts.push(text), closed: reason => heard.closed.push(reason) })
  return heard
}

/** What every transport promises, whatever carries it. */
export async function holdContract(name: string, open: (t: Test) => Promise<Pair>): Promise<void> {
  await t.test(`the ${name} transport carries texts whole and in order, both ways`, async t => {
    const { near } = await open(t)
    const heard = listenTo(near)
    const texts = [
      '',
      'ä\u2028\u0000"\n',
      '{"a":1}',
      'x'.repeat(300_000),
      ...Array.from({ length: 50 }, (_, n) => `text ${n}`)
    ]
    for (const text of texts) near.send(text)
    await until(() => heard.texts.length === texts.length, 'all came back')
    t.same(
      heard.texts,
      texts.map(text => `echo ${text}`)
    )
  })

  await t.test(
    `the ${name} transport tells of its end once when it is closed here, and twice does no harm`,
    async t => {
      const { near } = await open(t)
      const heard = listenTo(near)
      await Promise.all([near.close('enough'), near.close('enough')])
      await near.close('enough')
      await until(() => heard.closed.length > 0, 'it is closed')
      await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
      t.equal(heard.closed.length, 1)
    }
  )

  await t.test(`the ${name} transport tells of its end once when the other end leaves`, async t => {
    const { near, leave } = await open(t)
    const heard = listenTo(near)
    leave()
    await until(() => heard.closed.length > 0, 'it is closed')
    await near.close('after all')
    t.equal(heard.closed.length, 1)
    t.type(heard.closed[0], 'string')
  })

  await t.test(`the ${name} transport loses what is sent when it is closed, and does not throw`, async t => {
    const { near } = await open(t)
    const heard = listenTo(near)
    const closing = near.close('enough')
    near.send('in the meantime')
    await closing
    await until(() => heard.closed.length > 0, 'it is closed')
    near.send('afterwards')
    t.notOk(heard.texts.includes('echo afterwards'))
  })
}

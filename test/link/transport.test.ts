import t from 'tap'
import { memoryPair } from '../../src/link/transport.js'
import { until } from '../support/until.js'
import { holdContract, listenTo } from './transport-contract.js'

await holdContract('memory', async () => {
  const [near, far] = memoryPair()
  far.receive({ message: text => far.send(`echo ${text}`), closed: () => {} })
  return {
    near,
    leave: () => {
      void far.close('left')
    }
  }
})

await t.test(
  'what was sent before the close of a memory transport arrives, and then its end with the reason',
  async t => {
    const [near, far] = memoryPair()
    const heard = listenTo(far)
    near.send('a')
    near.send('b')
    void near.close('done')
    await until(() => heard.closed.length, 'the end has arrived')
    t.same(heard, { texts: ['a', 'b'], closed: ['done'] })
  }
)

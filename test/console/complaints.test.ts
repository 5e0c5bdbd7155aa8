import t from 'tap'
import { concernsInstance, concernsNode } from '../../console/model/complaints.js'

await t.test('says which reasons have to do with a node, or an instance', async t => {
  const missing = { code: 'workers_missing', message: '1 of 3 workers run: worker-1 is CRASHED, worker-20 is STOPPED.' }
  t.ok(concernsNode(missing, 'worker-1'))
  t.notOk(concernsNode(missing, 'worker-2'))
  t.ok(concernsNode({ code: 'drift', message: 'files of logger-1.' }, 'logger-1'))
  const dropped = { code: 'packets_dropped', message: 'worker-1 drops packets', node: 'worker-1', instance: 'sensor-1' }
  t.ok(concernsNode(dropped, 'worker-1'))
  t.notOk(concernsNode(dropped, 'drops'))
  t.ok(concernsInstance(dropped, 'sensor-1'))
  t.notOk(concernsInstance(dropped, 'worker-1'))
  t.notOk(concernsInstance(missing, 'sensor-1'))
})

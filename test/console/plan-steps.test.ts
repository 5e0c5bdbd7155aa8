import t from 'tap'
import { stepsOfPlan, summaryOfPlan, unknownOfPlan } from '../../console/model/plan.js'
import { defined } from '../../src/util.js'
import type { RequestResult } from '../../console/model/types.js'

const planned = (node: string, action: string, reason?: string, lastStart?: number): RequestResult => ({
  reqid: 'r',
  success: true,
  instance: 'a',
  node,
  data: { plan: { action: action as never, ...defined({ reason, last_start_seconds: lastStart }) } }
})
const away = (node: string, instance = 'b'): RequestResult => ({
  reqid: 'r',
  success: false,
  instance,
  node,
  error: `instance ${instance} is not connected`
})
const whole: RequestResult = { reqid: 'r', success: true, data: { id: 'c1' } }

await t.test('nodes to which the same is done are together, what is lost first', async t => {
  const steps = stepsOfPlan([
    planned('manager', 'none'),
    planned('w-3', 'start'),
    planned('w-1', 'restart', 'scripts changed: local.zeek', 3.2),
    planned('w-4', 'drain'),
    planned('w-9', 'stop', 'not in the configuration'),
    planned('w-2', 'restart', 'configuration changed'),
    away('w-5'),
    whole
  ])
  t.same(
    steps.map(({ action, tone, title, nodes }) => [action, tone, title, nodes.map(({ node }) => node)]),
    [
      ['stop', 'bad', 'Stops 1 node', ['w-9']],
      ['restart', 'busy', 'Restarts 2 nodes', ['w-1', 'w-2']],
      ['start', 'good', 'Starts 1 node', ['w-3']],
      ['drain', 'quiet', 'Drain 1 node', ['w-4']],
      ['none', 'quiet', 'Leaves 1 node alone', ['manager']]
    ],
    'an action of a later version, too'
  )
  t.same(steps[1]!.nodes[0], { node: 'w-1', instance: 'a', reason: 'scripts changed: local.zeek', lastStart: 3.2 })
  t.equal(summaryOfPlan(steps), 'It stops 1 node, restarts 2 nodes, starts 1 node, drain 1 node, leaves 1 node alone.')
  t.equal(summaryOfPlan(stepsOfPlan([planned('a', 'none')])), 'Nothing is to be done: it leaves 1 node alone.')
})

await t.test('what is not known is told with the reason, once for all nodes that have it', async t => {
  t.same(unknownOfPlan([planned('manager', 'none'), away('w-1'), away('w-2'), away('x', 'c'), whole]), [
    'instance b is not connected: it is not known what would become of 2 nodes: w-1, w-2',
    'instance c is not connected: it is not known what would become of 1 node: x'
  ])
  t.same(unknownOfPlan([{ reqid: 'r', success: false, error: 'no configuration available to deploy' }]), [])
})

import t from 'tap'
import { answersOf } from '../../console/model/node-answers.js'

const result = (node: string, more: object) => ({ reqid: 'r', success: true, instance: 'sensor-1', node, ...more })

const told = (value: string | undefined) => value ?? 'none'

await t.test('what has failed comes first, and what few say before what many do', async t => {
  const refused = 'not changed: another node refuses the value'
  const answers = answersOf(
    [
      result('worker-10', { success: false, error: refused }),
      result('worker-2', { success: false, error: refused }),
      result('worker-3', { success: false, error: 'Could not convert' }),
      { reqid: 'r', success: false, instance: 'sensor-2', error: 'it is told when it connects' }
    ],
    told
  )
  t.same(
    answers.map(({ node, tone }) => [node, tone]),
    [
      ['worker-3', 'bad'],
      ['worker-2', 'bad'],
      ['worker-10', 'bad']
    ]
  )
  t.same(
    answersOf(
      [
        result('a', { data: { value: '1' } }),
        result('b', { data: { value: '1' } }),
        result('c', {}),
        result('d', { success: false })
      ],
      told
    ).map(({ node, tone, text }) => [node, tone, text]),
    [
      ['d', 'bad', 'failed'],
      ['c', 'quiet', 'none'],
      ['a', 'good', '1'],
      ['b', 'good', '1']
    ]
  )
})

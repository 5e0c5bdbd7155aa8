import t from 'tap'
import { analyse } from '../../console/model/configuration-problems.js'
import { problemOfField, problemOfFile, problemsOfStaging } from '../../console/model/configuration-replies.js'
import { schema } from './configuration-schema.js'

const text = '{"instances": [{"name": "a"}], "nodes": [{"name": "w", "instance": "b", "role": "WORKER"}]}'
const analysis = analyse(text, schema)
const shown = (place: { from: number; to: number } | undefined) => place && text.slice(place.from, place.to)

await t.test('what staging says is told at its places', async t => {
  const { said, failed } = problemsOfStaging(
    {
      results: [
        { reqid: 'r', success: false, error: "node 'w' has undeclared instance name 'b'" },
        { reqid: 'r', success: true, data: { id: 'x' } }
      ],
      warnings: ["worker 'w' has no interface", 'there are workers, but no manager']
    },
    analysis
  )
  t.equal(failed, 1)
  t.same(
    said.map(({ level, place }) => [level, shown(place)]),
    [
      ['error', '"b"'],
      ['warning', '"w"'],
      ['warning', undefined]
    ]
  )
})

await t.test('a field is told by its name', async t => {
  for (const [field, message, expected, place] of [
    ['body/config/nodes/0/role', 'must be one of A', 'role must be one of A', '"WORKER"'],
    ['body/config', 'must be object', 'the configuration must be object', '{'],
    ['body/other', 'is not known', 'other is not known', undefined]
  ] as const) {
    const problem = problemOfField({ field, message }, analysis)
    t.equal(problem.message, expected)
    t.equal(shown(problem.place), place)
  }
})

await t.test('an error of a file is told at its line, which is not said twice', async t => {
  const file = '[manager]\ntype=managr\n'
  t.same(problemOfFile({ field: 'manager.type', message: 'is unknown (line 2)' }, file), {
    level: 'error',
    message: 'manager.type: is unknown',
    place: { from: 10, to: 21 }
  })
  t.match(problemOfFile({ field: 'line 1', message: 'is in no section' }, file), {
    message: 'is in no section',
    place: { from: 0, to: 9 }
  })
  t.match(problemOfFile({ field: 'node.cfg', message: 'holds no manager' }, file), {
    message: 'node.cfg: holds no manager',
    place: undefined
  })
})

import t from 'tap'
import { Problem } from '../../schemas/api.js'
import { checker } from '../../schemas/validator.js'
import { problemOf } from '../../src/server/problem.js'
import { AppError, statusOf, type Code } from '../../src/errors.js'

const check = checker(Problem, errors => new Error(JSON.stringify(errors)))

await t.test('each of our errors becomes a problem of its own status', async t => {
  for (const [code, status] of Object.entries(statusOf)) {
    const { problem, foreseen } = problemOf(new AppError(code as Code, 'what happened'))
    t.match(problem, { type: 'about:blank', status, code, detail: 'what happened' })
    t.ok(foreseen)
    check(problem, 'problem')
  }
})

await t.test('no two codes share a status, but for one that says more than another', async t => {
  const { not_leader: status, ...others } = statusOf
  t.equal(new Set(Object.values(others)).size, Object.keys(others).length)
  t.equal(status, statusOf.unavailable)
})

await t.test('what was not foreseen is hidden', async t => {
  for (const thrown of [
    new Error('a secret'),
    new TypeError('a secret'),
    'a secret',
    Object.assign(new Error('a secret'), { statusCode: 502 })
  ]) {
    const { problem, foreseen } = problemOf(thrown)
    t.same(problem, {
      type: 'about:blank',
      title: 'Internal Server Error',
      status: 500,
      code: 'internal',
      detail: 'internal error'
    })
    t.notOk(foreseen)
  }
})

await t.test('a refusal of the framework keeps its status where we have a code for it', async t => {
  const refusal = (statusCode: number) => problemOf(Object.assign(new Error('no'), { statusCode })).problem
  t.match(refusal(413), { status: 413, code: 'payload_too_large', detail: 'no' })
  t.match(refusal(418), { status: 400, code: 'invalid_request' })
})

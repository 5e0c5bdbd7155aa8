import fc from 'fast-check'
import t from 'tap'
import { pythonDialect, readIni } from '../../../src/formats/ini/ini.js'
import { interpolated } from '../../../src/formats/ini/interpolation.js'
import type { Fault } from '../../../src/formats/refusal.js'

const strict = pythonDialect({ valueless: false })
const lenient = pythonDialect({ valueless: true })

/** Sections with keys and values, references replaced, and the errors. */
function read(text: string, dialect = lenient) {
  const ini = readIni(text, dialect)
  const errors: Fault[] = [...ini.errors]
  const { get } = interpolated(ini, dialect, errors)
  const sections = Object.fromEntries(
    ini.sections.map(section => [
      section.name,
      Object.fromEntries([...section.entries.keys()].map(key => [key, get(section, key)!.value]))
    ])
  )
  return {
    sections,
    errors: errors.map(
      ({ section, key, line, message }) =>
        `${section === undefined ? `line ${line}` : [section, ...(key === undefined ? [] : [key])].join('.')} ${message}`
    ),
    ini,
    get
  }
}

await t.test('keys end at the first of = and :, and are the same in any case', async t => {
  t.same(read('[a]\nOne = 1\ntwo:2\nthree = a = b : c\nfour : x=y\n').sections, {
    a: { one: '1', two: '2', three: 'a = b : c', four: 'x=y' }
  })
})

await t.test('lines of comment are passed over, also within a value; within a line there are none', async t => {
  t.same(read('# x\n; y\n[a]\n  # z\nk = 1 # one ; two\n    ; w\n    2\n').sections, { a: { k: '1 # one ; two\n2' } })
})

await t.test('what is indented more than its key goes on with its value, across empty lines', async t => {
  t.same(read('[a]\n  k = 1\n     2\n\n   3\n\n\n  l = x\n m = y\n').sections, {
    a: { k: '1\n2\n\n3', l: 'x', m: 'y' }
  })
})

await t.test('a key may lack its value where that is allowed', async t => {
  t.same(read('[a]\nk\nl =\n').sections, { a: { k: undefined, l: '' } })
  t.same(read('[a]\nk\nl =\n', strict).errors, ['line 2 is no section, key or comment: k'])
  t.same(read('[a]\nk\n  more\n').errors, ['line 3 continues a value, but there is none: more'])
})

await t.test('ends of lines of all systems are the same, and numbers of lines with them', async t => {
  for (const end of ['\n', '\r\n', '\r']) {
    const { sections, errors } = read(['[a]', 'k = 1', '', '= 2', 'l = 3'].join(end))
    t.same([sections, errors], [{ a: { k: '1', l: '3' } }, ['line 4 has no key']])
  }
})

await t.test('what comes twice is an error that names both lines; the first one counts', async t => {
  const { sections, errors } = read('[a]\nk = 1\nK = 2\n[b]\n[a]\nk = 3\n')
  t.same(sections, { a: { k: '1' }, b: {} })
  t.same(errors, ['a.K is given twice (lines 2 and 3)', 'a is a section twice (lines 1 and 5)'])
})

await t.test('every error is reported, not only the first', async t => {
  t.same(read('k = 1\n[a]\n= x\n: y\n').errors, [
    'line 1 is before the first section: k = 1',
    'line 3 has no key',
    'line 4 has no key'
  ])
})

await t.test('a section can be told apart by the case of its keys', async t => {
  const dialect = pythonDialect({
    valueless: true,
    sameKey: (key, section) => (section === 'b' ? key : key.toLowerCase())
  })
  t.same(read('[b]\nAgent-1\nagent-1\n', dialect).sections, { b: { 'Agent-1': undefined, 'agent-1': undefined } })
})

await t.test('names that JavaScript objects have are names like others', async t => {
  const { ini } = read('[__proto__]\nconstructor = 1\n__proto__ = 2\n')
  t.same([...ini.sections[0]!.entries.keys()], ['constructor', '__proto__'])
  t.equal(ini.sections[0]!.name, '__proto__')
})

await t.test('[DEFAULT] is no section; its keys are in all of them unless they have their own', async t => {
  const { ini, get, sections } = read('[DEFAULT]\nx = 1\ny = %(z)s\n[a]\nx = 2\nz = 3\n[DEFAULT]\nw = 4\n')
  t.same(Object.keys(sections), ['a'])
  t.same(
    ['x', 'y', 'z', 'w', 'v'].map(key => get(ini.sections[0]!, key)?.value),
    ['2', '3', '3', '4', undefined]
  )
})

await t.test('references are replaced, one in the other, and %% is a %', async t => {
  t.same(read('[a]\nx = 1\ny = <%(X)s>\nz = %(y)s%(y)s 100%%\n').sections, {
    a: { x: '1', y: '<1>', z: '<1><1> 100%' }
  })
})

await t.test('a reference that leads nowhere is an error of its key', async t => {
  const cases: [string, string][] = [
    ['k = 5%', 'a.k has a "%" that is followed by neither "%" nor "(": a plain "%" is written "%%"'],
    ['k = %(x)s', 'a.k refers to x, which has no value'],
    ['k = %(l)s\nl', 'a.k refers to l, which has no value'],
    ['k = %(k)s', 'a.k refers to itself, or to others more than ten deep'],
    ['k = %(x', 'a.k has a "%(" that is no "%(name)s"'],
    ['k = %()s', 'a.k has a "%(" that is no "%(name)s"'],
    ['k = %(x)d %(x)s', 'a.k has a "%(" that is no "%(name)s"']
  ]
  for (const [text, error] of cases) t.same(read(`[a]\n${text}\n`).errors, [error], text)
})

await t.test('references ten deep are replaced, eleven deep are not', async t => {
  const chain = (length: number) =>
    read(`[a]\nk0 = x\n${Array.from({ length }, (_, index) => `k${index + 1} = %(k${index})s`).join('\n')}\n`)
  t.same(chain(10).errors, [])
  t.equal(chain(10).sections.a!.k10, 'x')
  t.same(chain(11).errors, ['a.k11 refers to itself, or to others more than ten deep'])
})

await t.test('references cannot grow a file without bounds', async t => {
  const text = `[a]\nk0 = ${'x'.repeat(100)}\n${Array.from({ length: 9 }, (_, index) => `k${index + 1} = ${`%(k${index})s`.repeat(30)}`).join('\n')}\n`
  t.throws(() => read(text), { code: 'invalid_request', message: 'a is too long with references and defaults put in' })
})

await t.test('defaults cannot grow a file without bounds', async t => {
  const { ini, get } = read(
    `[DEFAULT]\nk = ${'x'.repeat(1_000_000)}\n${Array.from({ length: 20 }, (_, index) => `[s${index}]\n`).join('')}`
  )
  t.throws(() => ini.sections.map(section => get(section, 'k')), {
    code: 'invalid_request',
    message: 's8 is too long with references and defaults put in'
  })
})

await t.test('time grows with the length of the text, not with its square', async t => {
  const parts = ['[', ']', ' ', '%(', '%', '=', '\n', '\n ', '[a]\n', 'k\n', '(', 'k', '\n=', '\\']
  /** Microseconds of the processor, which others who use it do not change. */
  const timeOf = (length: number) => {
    const { user } = process.cpuUsage()
    for (const part of parts) {
      const text = part.repeat(length / part.length)
      for (const whole of [text, `[a]\nk = ${text}`, `[a]\nk = ${text}x`, `[a]\n${text}x`]) read(whole)
    }
    return process.cpuUsage().user - user
  }
  timeOf(5_000)
  // What the compiler and the collector do is in some of them.
  const best = (length: number) => Math.min(...[1, 2, 3].map(() => timeOf(length)))
  const times = [best(25_000), best(100_000)] as const
  // Four times as long: with the square it would be sixteen times.
  t.ok(times[1] < 10 * times[0], `${times.join(' and ')} µs`)
})

await t.test('no text makes it throw', async t => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom('[a]', '[DEFAULT]', 'k = %(l)s', 'l = %(k)s', '  more', 'k', '=', '', '%', '[', '# c')
  )
  fc.assert(
    fc.property(fc.array(line), lines => {
      read(lines.join('\n'))
      read(lines.join('\n'), strict)
    })
  )
  t.pass()
})

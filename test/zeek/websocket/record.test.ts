import assert from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import {
  address,
  any,
  bool,
  enumOf,
  int,
  optional,
  port,
  record,
  setOf,
  tableOf,
  text,
  vectorOf,
  type Form
} from '../../../src/zeek/websocket/record.js'
import { count, none, string, vector, type Value } from '../../../src/zeek/websocket/value.js'
import { anyText, anyValue, refusal, refusedAt } from '../../support/arbitraries.js'
import { runs } from '../../support/runs.js'

const value = (type: string, data: unknown) => ({ '@data-type': type, data }) as Value
const set = (...data: Value[]) => value('set', data)
const table = (...entries: [Value, Value][]) =>
  value(
    'table',
    entries.map(([key, value]) => ({ key, value }))
  )

const person = record({
  name: text,
  colour: enumOf('Colour', ['RED', 'BLUE']),
  at: optional(address),
  door: optional(port),
  tags: optional(setOf(text)),
  notes: optional(vectorOf(record({ name: text, value: text }))),
  env: optional(tableOf(text)),
  age: optional(int),
  is_here: optional(bool),
  more: optional(any)
})
const blue = value('enum-value', 'Colour::BLUE')

await t.test('the fields of a record go by their position', async t => {
  const full = {
    name: 'a',
    colour: 'BLUE' as const,
    at: '::1',
    door: 22,
    tags: ['x', 'y'],
    notes: [{ name: 'n', value: 'v' }],
    env: { K: 'V' },
    age: -3,
    is_here: false,
    more: count(7)
  }
  const wire = vector([
    string('a'),
    blue,
    value('address', '::1'),
    value('port', '22/tcp'),
    set(string('x'), string('y')),
    vector([vector([string('n'), string('v')])]),
    table([string('K'), string('V')]),
    value('integer', -3),
    value('boolean', false),
    count(7)
  ])
  t.strictSame(person.encode(full), wire)
  t.strictSame(person.decode(wire, 'p'), full)
})

await t.test('an optional field that is absent is none, and none is absent', async t => {
  const wire = vector([string('a'), blue, ...Array<Value>(8).fill(none)])
  t.strictSame(person.encode({ name: 'a', colour: 'BLUE' }), wire)
  t.strictSame(person.encode({ name: 'a', colour: 'BLUE', at: undefined, env: undefined }), wire)
  t.strictSame(Object.keys(person.decode(wire, 'p')), ['name', 'colour'])
})

await t.test('what is empty is there', async t => {
  const empty = { name: '', colour: 'RED' as const, tags: [], notes: [], env: {}, age: 0, is_here: false }
  const wire = person.encode(empty)
  t.strictSame(wire.data, [
    string(''),
    value('enum-value', 'Colour::RED'),
    none,
    none,
    set(),
    vector([]),
    table(),
    value('integer', 0),
    value('boolean', false),
    none
  ])
  t.strictSame(person.decode(wire, 'p'), empty)
})

await t.test('a record may end early where the rest is optional, and go on where the rest is none', async t => {
  const pair = record({ name: text, door: optional(port), env: optional(tableOf(text)) })
  t.strictSame(pair.decode(vector([string('a')]), 'p'), { name: 'a' })
  t.strictSame(pair.decode(vector([string('a'), none]), 'p'), { name: 'a' })
  t.strictSame(pair.decode(vector([string('a'), value('port', '1/tcp')]), 'p'), { name: 'a', door: 1 })
  t.strictSame(pair.decode(vector([string('a'), none, none, none, none]), 'p'), { name: 'a' })
  t.equal(
    refusal(() => pair.decode(vector([string('a'), none, none, none, string('x')]), 'p'))?.message,
    'p[4] is not known: 3 fields are'
  )
  t.equal(
    refusedAt(() => pair.decode(vector([string('a'), none, none, string('x'), string('y')]), 'p')),
    'p[3]',
    'the first is named'
  )
  t.equal(refusal(() => pair.decode(vector([]), 'p'))?.message, 'p.name must be of type string, not none')
  t.equal(
    refusedAt(() => pair.decode(vector([none, value('port', '1/tcp')]), 'p')),
    'p.name'
  )
  t.strictSame(record({}).decode(vector([]), 'p'), {})
  t.equal(
    refusedAt(() => record({}).decode(vector([count(1)]), 'p')),
    'p[0]'
  )
})

await t.test('every field takes its own type only, and a refusal names the field', async t => {
  const samples: Record<string, Value> = {
    name: string('a'),
    colour: blue,
    at: value('address', '1.2.3.4'),
    door: value('port', '1/tcp'),
    tags: set(),
    notes: vector([]),
    env: table(),
    age: value('integer', 1),
    is_here: value('boolean', true)
  }
  const others = [
    ...Object.values(samples),
    count(1),
    value('real', 1),
    value('subnet', '::/0'),
    value('timespan', '1s'),
    value('timestamp', '2022-04-10T07:00:00')
  ]
  const fields = Object.keys(samples)
  for (const [index, field] of fields.entries()) {
    for (const other of others) {
      const wire = vector([
        ...Object.values(samples).slice(0, index),
        other,
        ...Object.values(samples).slice(index + 1)
      ])
      t.equal(
        refusedAt(() => person.decode(wire, 'p')),
        other['@data-type'] === samples[field]!['@data-type'] ? undefined : `p.${field}`,
        `${field} as ${other['@data-type']}`
      )
    }
  }
  for (const wire of [none, set(), table(), string('a'), count(1)]) {
    t.equal(
      refusedAt(() => person.decode(wire, 'p')),
      'p'
    )
  }
})

await t.test('a refusal names the place inside', async t => {
  const places: [Form<any>, Value, string][] = [
    [setOf(text), set(string('a'), count(1)), 'p[1] must be of type string, not count'],
    [vectorOf(text), vector([none]), 'p[0] must be of type string, not none'],
    [vectorOf(text), set(), 'p must be of type vector, not set'],
    [setOf(text), vector([]), 'p must be of type set, not vector'],
    [tableOf(text), set(), 'p must be of type table, not set'],
    [tableOf(text), table([string('A'), count(1)]), 'p["A"] must be of type string, not count'],
    [tableOf(text), table([string('"]\n'), count(1)]), 'p["\\"]\\n"] must be of type string, not count'],
    [
      tableOf(text),
      table([string('A'), string('B')], [count(1), string('B')]),
      'p[1].key must be of type string, not count'
    ],
    [
      vectorOf(person),
      vector([vector([string('a'), blue, none, none, none, vector([vector([string('n')])])])]),
      'p[0].notes[0].value must be of type string, not none'
    ],
    [
      enumOf('Colour', ['RED', 'BLUE']),
      value('enum-value', 'Colour::GREEN'),
      'p must be one of Colour::RED, Colour::BLUE'
    ],
    [bool, count(1), 'p must be of type boolean, not count'],
    [port, count(22), 'p must be of type port, not count']
  ]
  for (const [form, wire, message] of places) t.equal(refusal(() => form.decode(wire, 'p'))?.message, message)
})

await t.test('an enum is its name in its module, to the letter', async t => {
  const colour = enumOf('Colour', ['RED', 'BLUE'])
  t.equal(colour.decode(blue, 'p'), 'BLUE')
  for (const name of [
    'BLUE',
    'Colour::blue',
    'Colour::',
    '::BLUE',
    'Other::BLUE',
    'A::Colour::BLUE',
    'Colour::BLUE ',
    'Colour::constructor',
    'Colour::__proto__',
    'Colour:BLUE'
  ]) {
    t.equal(
      refusedAt(() => colour.decode(value('enum-value', name), 'p')),
      'p',
      name
    )
  }
})

await t.test('a port is its number', async t => {
  for (const number of [1, 22, 65535]) {
    t.strictSame(port.encode(number), value('port', `${number}/tcp`))
    t.equal(port.decode(port.encode(number), 'p'), number)
  }
  for (const other of ['5000/udp', '0/unknown', '5000/?']) {
    t.throws(() => port.decode(value('port', other), 'p'), { message: 'p must be a TCP port' })
  }
})

await t.test("a table of strings keeps any name, Object's own, too", async t => {
  const names = tableOf(text)
  const wire = table(
    ...['__proto__', 'constructor', 'toString', '', '1', 'a b'].map(
      name => [string(name), string(`${name}!`)] as [Value, Value]
    )
  )
  const decoded = names.decode(wire, 'p')
  t.strictSame(Object.keys(decoded).sort(), ['', '1', '__proto__', 'a b', 'constructor', 'toString'])
  t.equal(Object.getPrototypeOf(decoded), Object.prototype)
  t.equal(Object.getOwnPropertyDescriptor(decoded, '__proto__')?.value, '__proto__!')
  fc.assert(
    fc.property(
      fc.dictionary(fc.oneof(anyText, fc.constant('__proto__')), anyText, { noNullPrototype: true }),
      given => {
        assert.deepStrictEqual(names.decode(names.encode(given), 'p'), given)
      }
    ),
    { numRuns: runs(200) }
  )
})

await t.test('any value passes through any', async t => {
  fc.assert(
    fc.property(anyValue, given => {
      assert.equal(any.decode(any.encode(given), 'p'), given)
      // As an optional field, none is what it always is: absent.
      assert.equal(optional(any).decode(given, 'p'), given['@data-type'] === 'none' ? undefined : given)
    }),
    { numRuns: runs(200) }
  )
  t.pass('200 values did')
})

await t.test('any value is a record or is refused', async t => {
  const samples = [
    string('a'),
    blue,
    value('address', '::1'),
    value('port', '1/tcp'),
    set(string('t')),
    vector([]),
    table(),
    value('integer', 1),
    value('boolean', true),
    count(1)
  ]
  const field = (sample: Value, index: number) =>
    fc.oneof({ weight: 30, arbitrary: index < 2 ? fc.constant(sample) : fc.constantFrom(sample, none) }, anyValue)
  const nearly = fc
    .tuple(fc.tuple(...samples.map(field)), fc.nat(12))
    .map(([fields, length]) => vector([...fields, none, none].slice(0, length)))
  const tried = { understood: 0, refused: 0 }
  fc.assert(
    fc.property(fc.oneof(anyValue, nearly), given => {
      const error = refusal(() => {
        const decoded = person.decode(given, 'p')
        assert.deepStrictEqual(person.decode(person.encode(decoded), 'p'), decoded)
      })
      tried[error ? 'refused' : 'understood']++
      if (error) assert.match(error.errors![0]!.field, /^p/)
    }),
    { numRuns: runs(500) }
  )
  t.ok(tried.understood > 50 && tried.refused > 50, JSON.stringify(tried))
})

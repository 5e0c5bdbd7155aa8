import assert from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import {
  decodeValue,
  encodeMembers,
  encodeValue,
  none,
  string,
  vector,
  type DataType,
  type Value
} from '../../../src/zeek/websocket/value.js'
import { altered, anyValue, nodesOf, refusal, refusedAt } from '../../support/arbitraries.js'
import { dataMessages } from '../../support/recordings.js'
import { runs } from '../../support/runs.js'

const value = (type: string, data: unknown) => ({ '@data-type': type, data })
const decode = (json: unknown) => decodeValue(json, 'x')

/** Of each type: what is of it, as JSON text, and what is not. */
const samples: Record<DataType, { good: string[]; bad: string[] }> = {
  none: { good: ['{}'], bad: [] },
  boolean: { good: ['true', 'false'], bad: ['0', '1', '"true"', 'null', '[]', '{}'] },
  count: {
    good: ['0', '1', '42', '9007199254740991'],
    bad: [
      '-1',
      '1.5',
      '"1"',
      'true',
      'null',
      '[1]',
      '1e999',
      '9007199254740992',
      '9007199254740993',
      '18446744073709551615'
    ]
  },
  integer: {
    good: ['0', '-1', '9007199254740991', '-9007199254740991'],
    bad: ['0.5', '"1"', 'null', '-9007199254740992', '9223372036854775807', '-9223372036854775808']
  },
  real: {
    good: ['0.0', '-0.0', '1.0', '-1.5', '1e+300', '5e-324', '123456789012345680000.0'],
    bad: ['"1.0"', 'null', '1e999', '-1e999', 'true']
  },
  string: {
    good: ['""', '"a"', '"ä€😀"', '"\\u0000\\b\\t\\n\\u000b\\f\\r\\"\\\\/"', '"\\ud800"', '"\u2028\u007f"'],
    bad: ['1', 'null', '["a"]', '{}', 'true']
  },
  'enum-value': { good: ['"Management::RUNNING"', '"GLOBAL"'], bad: ['""', '1', 'null', '[]'] },
  address: {
    good: [
      '"127.0.0.1"',
      '"0.0.0.0"',
      '"::"',
      '"::1"',
      '"2001:db8::8a2e:370:7334"',
      '"2001:db8:0:0:0:0:0:1"',
      '"::ffff:10.0.0.1"'
    ],
    bad: [
      '""',
      '"localhost"',
      '"1.2.3"',
      '"1.2.3.256"',
      '"01.2.3.4"',
      '" 1.2.3.4"',
      '"1.2.3.4\\n"',
      '"[::1]"',
      '"1.2.3.4/8"',
      '":::"',
      '16909060'
    ]
  },
  subnet: {
    good: ['"10.0.0.0/8"', '"0.0.0.0/0"', '"10.1.2.3/32"', '"2001:db8::/32"', '"::/0"', '"::1/128"'],
    bad: [
      '"10.0.0.0"',
      '"10.0.0.0/33"',
      '"::/129"',
      '"10.0.0.0/"',
      '"/8"',
      '"10.0.0.0/-1"',
      '"10.0.0.0/8/8"',
      '"10.0.0.0/8 "',
      '"10.0.0.0/255.0.0.0"',
      '8'
    ]
  },
  port: {
    good: ['"2200/tcp"', '"53/udp"', '"8/icmp"', '"0/unknown"', '"0/?"', '"65535/tcp"'],
    bad: [
      '"2200"',
      '2200',
      '"65536/tcp"',
      '"-1/tcp"',
      '"1e3/tcp"',
      '"/tcp"',
      '"22/TCP"',
      '"22/sctp"',
      '"22/tcp/"',
      '" 22/tcp"',
      '"22/tcp\\n"',
      '"100000/tcp"'
    ]
  },
  timespan: {
    good: ['"5s"', '"0s"', '"-5ns"', '"1.5us"', '"10ms"', '"2min"', '"1h"', '"7d"'],
    bad: ['"5"', '"s"', '"5 s"', '"5.s"', '".5s"', '"5S"', '"5s\\n"', '"--5s"', '"5w"', '5']
  },
  timestamp: {
    good: [
      '"2022-04-10T07:00:00.000"',
      '"2022-04-10T07:00:00"',
      '"2022-04-10T07:00:00.123456789Z"',
      '"2022-04-10T07:00:00+02:00"'
    ],
    bad: [
      '"2022-04-10"',
      '"2022-04-10 07:00:00"',
      '"now"',
      '"2022-4-10T07:00:00"',
      '"2022-04-10T07:00:00.Z"',
      '1649574000'
    ]
  },
  vector: {
    good: ['[]', '[{"@data-type":"string","data":"a"},{"@data-type":"none","data":{}}]'],
    bad: ['{}', 'null', '"[]"', '[1]', '[null]', '[[]]', '{"length":0}']
  },
  set: {
    good: ['[]', '[{"@data-type":"count","data":1},{"@data-type":"count","data":2}]'],
    bad: ['{}', 'null', '[1]']
  },
  table: {
    good: ['[]', '[{"key":{"@data-type":"string","data":"a"},"value":{"@data-type":"vector","data":[]}}]'],
    bad: [
      '{}',
      'null',
      '[1]',
      '[null]',
      '[{}]',
      '[[{"@data-type":"none","data":{}},{"@data-type":"none","data":{}}]]',
      '[{"key":{"@data-type":"string","data":"a"}}]',
      '[{"value":{"@data-type":"string","data":"a"}}]'
    ]
  }
}

for (const [type, { good, bad }] of Object.entries(samples)) {
  await t.test(`type ${type}: what is of it is read and written as it is, anything else is refused`, async t => {
    for (const data of good) {
      const text = `{"@data-type":"${type}","data":${data}}`
      const decoded = decode(JSON.parse(text))
      assert.deepStrictEqual(decoded, JSON.parse(text))
      t.equal(
        encodeValue(decoded),
        `{"@data-type":"${type}","data":${type === 'real' ? data : JSON.stringify(JSON.parse(data))}}`
      )
    }
    for (const data of bad) {
      t.match(
        refusedAt(() => decode(JSON.parse(`{"@data-type":"${type}","data":${data}}`))),
        /^x/,
        `${data} is no ${type}`
      )
    }
  })
}

await t.test('what is no value is refused, and members that are not of the format are left out', async t => {
  for (const json of [
    undefined,
    null,
    5,
    'none',
    true,
    [],
    {},
    { data: {} },
    { '@data-type': null, data: 1 },
    { type: 'count', data: 1 }
  ]) {
    t.equal(
      refusedAt(() => decode(json)),
      'x'
    )
  }
  for (const type of ['', 'Count', 'constructor', '__proto__', 'toString', 'hasOwnProperty', 'nil', 1, {}, ['count']]) {
    t.equal(
      refusedAt(() => decode({ '@data-type': type, data: 1 })),
      'x',
      `${type} is no type`
    )
  }
  t.strictSame(decode({ '@data-type': 'count', data: 1, more: 2 }), value('count', 1))
  t.strictSame(decode({ '@data-type': 'none', data: 'whatever' }), none)
  t.strictSame(decode({ '@data-type': 'none' }), none)
})

await t.test('a real is written so that Broker takes it for one', async t => {
  const writings: [number, string][] = [
    [5, '5.0'],
    [0, '0.0'],
    [-0, '-0.0'],
    [-3, '-3.0'],
    [0.1, '0.1'],
    [1e20, '100000000000000000000.0'],
    [1e21, '1e+21'],
    [1e300, '1e+300'],
    [5e-324, '5e-324'],
    [1e-7, '1e-7']
  ]
  for (const [data, text] of writings) {
    t.equal(encodeValue({ '@data-type': 'real', data }), `{"@data-type":"real","data":${text}}`)
  }
})

await t.test('a number that the format cannot hold is not written', async t => {
  const wrong = [
    ['count', -1],
    ['count', 1.5],
    ['count', 2 ** 53],
    ['count', NaN],
    ['integer', 0.5],
    ['integer', -(2 ** 53)],
    ['integer', Infinity],
    ['real', NaN],
    ['real', Infinity],
    ['real', -Infinity]
  ] as const
  for (const [type, data] of wrong) {
    t.ok(
      refusal(() => encodeValue(vector([{ '@data-type': type, data }]))),
      `${data} is no ${type}`
    )
  }
})

await t.test('any value comes back from its text', async t => {
  fc.assert(
    fc.property(anyValue, given => {
      const text = encodeValue(given)
      assert.deepStrictEqual(decode(JSON.parse(text)), given)
      assert.equal(`{${encodeMembers(given)}}`, text)
      assert.equal(encodeValue(decode(JSON.parse(text))), text)
    }),
    { numRuns: runs(1000) }
  )
  t.pass('1000 values did')
})

await t.test("every value that was recorded comes back, in Broker's own order of members", async t => {
  t.ok(dataMessages.length > 40)
  for (const text of dataMessages) {
    const { '@data-type': type, data } = JSON.parse(text)
    const broker = JSON.stringify({ '@data-type': type, data })
    t.equal(encodeValue(decode(JSON.parse(text))), broker)
  }
})

await t.test('a refusal names the place', async t => {
  const bad = value('count', -1)
  const places: [unknown, string][] = [
    [bad, 'x'],
    [value('vector', [none, bad]), 'x[1]'],
    [value('set', [value('vector', [none, none, bad])]), 'x[0][2]'],
    [value('table', [{ key: bad, value: none }]), 'x[0].key'],
    [
      value('table', [
        { key: none, value: none },
        { key: none, value: value('table', [{ key: none, value: bad }]) }
      ]),
      'x[1].value[0].value'
    ],
    [value('table', [{ key: none }]), 'x[0].value'],
    [value('table', [null]), 'x[0].key'],
    [value('vector', [value('vector', null)]), 'x[0]']
  ]
  for (const [json, place] of places) {
    t.equal(
      refusedAt(() => decode(json)),
      place
    )
  }
  t.match(
    refusal(() => decode(value('vector', [bad]))),
    {
      message: 'x[0] must hold a number of type count',
      errors: [{ field: 'x[0]', message: 'must hold a number of type count' }]
    }
  )
})

await t.test('any JSON is a value or is refused, and what is a value is one when it is written', async t => {
  const types = Object.keys(samples)
  const scalar = fc.constantFrom<unknown>('a', '', '::1', '::/0', '1/tcp', '1s', 0, -1, 0.5, true)
  const nearly = fc.letrec(tie => ({
    item: fc.oneof({ depthSize: 'small' }, fc.jsonValue(), tie('typed')),
    typed: fc.record({
      '@data-type': fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...types) }, fc.jsonValue()),
      data: fc.oneof(
        scalar,
        fc.jsonValue(),
        fc.array(tie('typed'), { maxLength: 3 }),
        fc.array(fc.record({ key: tie('typed'), value: tie('item') }), { maxLength: 2 })
      )
    })
  })).typed
  const anything = fc
    .anything({ withObjectString: true, withNullPrototype: true })
    .map(given => JSON.parse(JSON.stringify(given) ?? 'null'))
  let values = 0
  fc.assert(
    fc.property(fc.oneof(nearly, anything), json => {
      const error = refusal(() => {
        const text = encodeValue(decode(json))
        assert.equal(encodeValue(decode(JSON.parse(text))), text)
        values++
      })
      if (error) assert.match(error.errors![0]!.field, /^x/)
    }),
    { numRuns: runs(2000) }
  )
  t.ok(values > 20, `${values} of 2000 were values`)
})

await t.test('a recorded value with any node gone or replaced is a value or is refused', async t => {
  const replacements = [
    undefined,
    null,
    -1,
    1.5,
    '',
    'count',
    [],
    {},
    value('vector', []),
    JSON.parse('{"__proto__":{"@data-type":"none"},"constructor":1}')
  ]
  let refused = 0
  // Every place of the largest message, with everything.
  const json = JSON.parse(
    dataMessages
      .map(text => ({ text, nodes: nodesOf(JSON.parse(text)) }))
      .reduce((one, other) => (one.nodes > other.nodes ? one : other)).text
  )
  const places = nodesOf(json)
  for (let at = 0; at < places; at++) {
    for (const replacement of replacements) if (refusal(() => decode(altered(json, at, replacement)))) refused++
  }
  t.ok(refused > places, `${refused} of ${places * replacements.length} were refused`)
})

await t.test("names of Object's own are only data", async t => {
  const hostile = JSON.parse(
    '{"@data-type":"table","data":[{"key":{"@data-type":"string","data":"__proto__"},"value":{"@data-type":"string","data":"p","__proto__":{"x":1}}}],"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'
  )
  const decoded = decode(hostile)
  t.strictSame(decoded, value('table', [{ key: string('__proto__'), value: string('p') }]))
  t.equal((decoded as any).polluted, undefined)
  t.equal((decoded as any).data[0].value.x, undefined)
  t.equal(({} as any).polluted, undefined)
  // An inherited type does not count in JSON: "__proto__" is a member like others there.
  t.equal(
    refusedAt(() => decode(JSON.parse('{"__proto__":{"@data-type":"count","data":1}}'))),
    'x'
  )
})

await t.test('nesting has its end long before the stack has', async t => {
  const nested = (depth: number, wrap: (inner: string) => [string, string]) => {
    const [before, after] = wrap('')
    return JSON.parse(before.repeat(depth) + '{"@data-type":"none","data":{}}' + after.repeat(depth))
  }
  const inVector = () => ['{"@data-type":"vector","data":[', ']}'] as [string, string]
  const inTable = () =>
    ['{"@data-type":"table","data":[{"key":{"@data-type":"none"},"value":', '}]}'] as [string, string]
  t.equal(
    refusedAt(() => decode(nested(64, inVector))),
    undefined
  )
  t.equal(
    refusedAt(() => decode(nested(65, inVector))),
    `x${'[0]'.repeat(65)}`
  )
  t.match(
    refusal(() => decode(nested(100_000, inVector))),
    { message: /is nested more than 64 deep$/ }
  )
  t.match(
    refusal(() => decode(nested(100_000, inTable))),
    { message: /is nested more than 64 deep$/ }
  )
  t.equal(
    refusedAt(() => decode(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)))),
    'x'
  )
  t.equal(
    refusedAt(() => decode(value('vector', JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))))),
    'x[0]'
  )
})

await t.test('a text of megabytes is refused, or taken, like a short one', async t => {
  const long = 4_000_000
  const fill = (part: string) => part.repeat(long / part.length)
  const nearly: Partial<Record<DataType, string[]>> = {
    address: [fill('1'), fill('1.'), fill(':'), fill('1:'), fill('0.0.0.0'), '::' + fill('0'), `fe80::1%${fill('a')}`],
    subnet: [fill('1'), fill('/'), fill('1/'), fill(':') + '/1', '10.0.0.0/' + fill('1'), fill('1.')],
    port: [fill('1'), fill('1/'), fill('/tcp'), fill('1') + '/tcp', '1/' + fill('tcp')],
    timespan: [fill('1') + 'x', fill('-'), fill('1.'), '1.' + fill('1') + '!', fill('1s')],
    timestamp: [
      fill('1'),
      fill('-'),
      fill('2022-04-10T'),
      '2022-04-10T07:00:00.' + fill('1') + '!',
      '2022-04-10T07:00:00' + fill('Z')
    ]
  }
  // An expression that tries each way through such a text would not come to its end.
  for (const [type, texts] of Object.entries(nearly)) {
    for (const text of texts) {
      t.equal(
        refusedAt(() => decode(value(type, text))),
        'x',
        `${type} ${text.slice(0, 10)}`
      )
    }
  }
  const taken: [DataType, string][] = [
    ['string', fill('"\\')],
    ['enum-value', fill('::')],
    ['timespan', fill('1') + 's'],
    ['timestamp', '2022-04-10T07:00:00.' + fill('1')]
  ]
  for (const [type, text] of taken) t.equal(decode(value(type, text)).data, text)
})

await t.test('a value may be wide: its last item has its place like the first', async t => {
  const wide = value('vector', [...Array(300_000).fill(none), value('count', -1)])
  t.equal(
    refusedAt(() => decode(wide)),
    'x[300000]'
  )
  t.equal(
    (decode(value('set', Array(300_000).fill(value('count', 1)))) as Extract<Value, { '@data-type': 'set' }>).data
      .length,
    300_000
  )
})

import t from 'tap'
import { analyse, analysisSteps, joined } from '../../console/model/configuration-problems.js'
import { formatConfiguration } from '../../console/model/configuration-form.js'
import { everyError } from '../../schemas/validator.js'
import { ClusterConfigurationInput } from '../../schemas/types.js'
import { schema } from './configuration-schema.js'

const problemsIn = (text: string) =>
  analyse(text, schema).problems.map(({ level, message, place }) => [
    level,
    message,
    place && text.slice(place.from, place.to)
  ])

const withNode = (more: string) =>
  `{"instances": [{"name": "a"}], "nodes": [{"name": "w", "instance": "a", "role": "WORKER", ${more}}]}`

await t.test('a configuration that the controller takes has no problems', async t => {
  const configuration = {
    instances: [{ name: 'a', host: '192.0.2.1', listen_port: 2151 }],
    nodes: [
      {
        name: 'w',
        instance: 'a',
        role: 'WORKER',
        interface: 'af_packet::eth0',
        cpu_affinity: 1,
        scripts: ['local', 'policy/tuning/json-logs'],
        options: { 'AF_Packet::fanout_id': '23', 'X::y': '{"a","b"}' },
        env: { A: 'b' },
        port: null
      }
    ]
  }
  for (const one of [configuration, { config: configuration }]) {
    const { problems, obstacle, nodes, instances } = analyse(formatConfiguration(one), schema)
    t.same([problems, obstacle, nodes, instances], [[], undefined, 1, 1])
  }
})

await t.test('what the schema refuses is told where it is', async t => {
  for (const [more, message, found] of [
    ['"role": "WORKR"', 'role must be one of MANAGER, LOGGER, PROXY, WORKER', '"WORKR"'],
    ['"inteface": "x"', 'inteface is not known; did you mean interface?', '"inteface"'],
    ['"port": "1"', 'port must be a whole number', '"1"'],
    ['"port": 70000', 'port must be 1 to 65535', '70000'],
    ['"interface": "a b"', 'interface has not the form that it must have, as in "af_packet::eth0"', '"a b"'],
    ['"scripts": ["a", 1]', 'scripts[1] must be a text', '1'],
    ['"scripts": "a"', 'scripts must be a list', '"a"'],
    ['"env": {"1A": "b"}', '1A is not a valid name', '"1A"'],
    ['"env": []', 'env must be an object', '['],
    ['"options": {"A": 1}', 'A must be a text', '1']
  ] as const) {
    const found1 = problemsIn(withNode(more)).filter(([, text]) => !String(text).includes('given before'))
    t.same(found1, [['error', message, found]], more)
  }
  t.same(problemsIn('{"nodes": [{"name": "w", "role": null}]}'), [
    ['error', 'instances is required', '{'],
    ['error', 'instance is required', '{'],
    ['error', 'role is required', '{']
  ])
  t.same(problemsIn('{"instances": {}, "nodes": [1]}'), [
    ['error', 'instances must be a list', '{'],
    ['error', 'nodes[0] must be an object', '1']
  ])
})

await t.test('what is refused here the controller refuses, too', async t => {
  for (const more of [
    '"role": "WORKR"',
    '"inteface": "x"',
    '"port": "1"',
    '"port": 70000',
    '"interface": "a b"',
    '"scripts": ["a b"]',
    '"env": {"1A": "b"}',
    '"options": {"A": "\\""}',
    '"cpu_affinity": 1.5',
    '"name": ""'
  ]) {
    const text = withNode(more)
    const theirs = everyError(ClusterConfigurationInput, JSON.parse(text), 'body/config')
    t.ok(theirs.length > 0, more)
    t.ok(analyse(text, schema).problems.length > 0, more)
  }
})

await t.test('a masked value is told before anything else, and cannot be sent', async t => {
  const nodes = Array.from({ length: 200 }, (_, index) => ({ name: `w${index}`, role: 'X' }))
  const masked = { name: 'last', instance: 'a', role: 'WORKER', env: { TOKEN: '********' }, options: { A: '********' } }
  const { problems, obstacle } = analyse(JSON.stringify({ instances: [], nodes: [...nodes, masked] }), schema)
  t.match(obstacle, 'masked')
  t.equal(problems.length, 100)
  t.same(
    problems.flatMap(({ message }) => (message.includes('masked') ? [message] : [])),
    ["node 'last' env TOKEN is masked: its value is needed", "node 'last' options A is masked: its value is needed"]
  )
})

await t.test('a key that is given twice is a warning', async t => {
  t.same(problemsIn(withNode('"port": 1, "port": 2')), [
    ['warning', 'port was given before: only the last one counts', '"port"']
  ])
  t.same(problemsIn('{"instances": [], "nodes": [], "nodes": []}'), [
    ['warning', 'nodes was given before: only the last one counts', '"nodes"']
  ])
})

await t.test('a text that is no JSON cannot be sent', async t => {
  t.match(analyse('  \n', schema), { form: 'empty', obstacle: /no configuration/ })
  t.match(analyse('[manager]\ntype=manager\nhost=a\n', schema), { form: 'node.cfg', obstacle: /no JSON/ })
  t.match(analyse('{"nodes": [', schema), { form: 'json', obstacle: /not yet JSON/, problems: [{ level: 'error' }] })
})

await t.test('a text of a thousand nodes is looked at in many steps', async t => {
  const nodes = Array.from({ length: 1000 }, (_, index) => ({
    name: `worker-${index}`,
    instance: 'a',
    role: 'WORKER',
    interface: 'eth0',
    env: { A: 'b' }
  }))
  const steps = [...analysisSteps(JSON.stringify({ instances: [{ name: 'a' }], nodes }), schema)]
  t.ok(steps.length > 20, `${steps.length} steps`)
})

await t.test("at one place the controller's words count", async t => {
  const at = (from: number) => ({ from, to: from + 1 })
  const said = [
    { level: 'warning', message: 'odd', place: undefined },
    { level: 'error', message: 'theirs', place: at(5) }
  ] as const
  const found = [
    { level: 'error', message: 'ours', place: at(5) },
    { level: 'error', message: 'first', place: at(1) }
  ] as const
  t.same(
    joined(said, found).map(({ message }) => message),
    ['first', 'theirs', 'odd']
  )
})

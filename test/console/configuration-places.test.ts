import t from 'tap'
import { readJson } from '../../console/model/configuration-reader.js'
import { lineOfFileError, namesIn, placeOfField, placeOfSentence } from '../../console/model/configuration-places.js'
import { configurationIn, type Place } from '../../console/model/configuration-text.js'
import { everyError } from '../../schemas/validator.js'
import { ClusterConfigurationInput } from '../../schemas/types.js'

const text = `{
  "instances": [{ "name": "a", "listen_port": 2151 }, { "name": "b" }],
  "nodes": [
    { "name": "manager", "instance": "a", "role": "MANAGR" },
    { "name": "w-1", "instance": "b", "role": "WORKER", "port": 5000, "inteface": "eth0", "cpu_affinity": 1 },
    { "name": "w-2", "instance": "b", "role": "WORKER", "port": 5000, "env": { "A/B": "x", "T": "********" } },
    { "name": "w-2", "instance": "nosuch", "role": "WORKER", "options": { "AF_Packet::fanout_id": "1" } },
    { "name": "b", "instance": "B" }
  ]
}`
const configuration = configurationIn(readJson(text).root)!
const shown = (place: Place | undefined) => {
  if (!place) return undefined
  const line = text.slice(0, place.from).split('\n').length
  return `${line}: ${text.slice(place.from, place.to)}`
}

await t.test('a field of a refused request is found', async t => {
  const wrapped = configurationIn(readJson(`{"config": ${text}}`).root)!
  for (const [field, message, expected] of [
    ['body/config/nodes/0/role', 'must be one of', '4: "MANAGR"'],
    ['body/config/nodes/1/inteface', 'is not known', '5: "inteface"'],
    ['body/config/nodes/2/env/A/B', 'is not a valid name', '6: "A/B"'],
    ['body/config/nodes/2/env/A~1B', 'must be', '6: "x"'],
    // What is missing is told of what should have it.
    ['body/config/nodes/4/role', 'is required', '8: {'],
    ['body/config/nodes/9/role', 'is required', '3: ['],
    ['body/config/nodes', 'must be', '3: ['],
    ['body/config', 'must be', '1: {'],
    ['body/other', 'is not known', undefined],
    ['headers/prefer', 'is too long', undefined]
  ] as const) {
    t.equal(shown(placeOfField(configuration, field, message)), expected, field)
    const place = placeOfField(wrapped, field, message)
    t.equal(place && place.from - '{"config": '.length, placeOfField(configuration, field, message)?.from, field)
  }
})

await t.test('every field that the validator names is found', async t => {
  const errors = everyError(ClusterConfigurationInput, JSON.parse(text), 'body/config')
  t.ok(errors.length >= 3)
  for (const { field, message } of errors) t.ok(placeOfField(configuration, field, message), field)
})

await t.test('a sentence of the controller is found by the names that it quotes', async t => {
  const names = namesIn(configuration)
  for (const [sentence, expected] of [
    ["multiple nodes named 'w-2'", '7: "w-2"'],
    ["node 'w-2' has undeclared instance name 'nosuch'", '7: "nosuch"'],
    ["node 'w-1' port 5000/tcp conflicts with agent port on instance 'b'", '5: 5000'],
    ["multiple nodes on instance 'b' using port 5000/tcp", '6: 5000'],
    ["node 'w-1' metrics port 5000/tcp conflicts with controller port", '5: 5000'],
    ['node and instance names collide: b', '8: "b"'],
    ['Broker port auto-assignment disabled but nodes manager, w-1 lack ports', '4: "manager"'],
    ["worker 'w-1' has no interface", '5: "w-1"'],
    ["instance 'a' has a listen_port but no host: it can only be dialled where it was last seen", '2: 2151'],
    ["instance 'B' is not declared, but 'b' is: the case of letters matters", '8: "B"'],
    ["nodes 'w-1' and 'manager' on instance 'b' are pinned to one CPU, 1", '5: 1'],
    // There are two of them.
    ["node 'w-2' has the name of the controller", undefined],
    ["node 'nosuch' has the name of the controller", undefined],
    ['there are 2 managers', undefined]
  ] as const) {
    t.equal(shown(placeOfSentence(sentence, names)), expected, sentence)
  }
})

await t.test('a name without a kind is found where only one thing has it', async t => {
  const names = namesIn(configuration)
  t.equal(shown(placeOfSentence("'manager' is odd", names)), '4: "manager"')
  t.equal(shown(placeOfSentence("'b' is odd", names)), undefined)
})

await t.test('names that belong to objects are names like others', async t => {
  const names = namesIn(readJson('{"nodes": [{"name": "__proto__"}, {"name": "constructor"}]}').root)
  t.ok(placeOfSentence("node '__proto__' is odd", names))
  t.ok(placeOfSentence("node 'constructor' is odd", names))
  t.equal(placeOfSentence("node 'toString' is odd", names), undefined)
})

await t.test('an error of a conversion names its line', async t => {
  for (const [field, message, line] of [
    ['worker-1.host', 'must be an address (line 12)', 12],
    ['line 3', 'is in no section', 3],
    ['worker-1', 'must have a host', undefined]
  ] as const) {
    t.equal(lineOfFileError({ field, message }), line, field)
  }
})

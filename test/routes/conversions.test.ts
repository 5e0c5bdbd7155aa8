import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import t from 'tap'
import { ConvertedConfiguration, Problem } from '../../schemas/api.js'
import { checker } from '../../schemas/validator.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { fakeAgent } from '../controller/fake-agent.js'
import { nodesOf } from '../formats/nodes-of.js'
import { answerOf, getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { fixture } from '../support/environment.js'

const [checkAnswer, checkProblem] = [ConvertedConfiguration, Problem].map(schema =>
  checker(schema, errors => new Error(JSON.stringify(errors)))
) as [(value: unknown, at: string) => unknown, (value: unknown, at: string) => unknown]

const { url, ask, settings } = await startTestController(t)
const convert = async (
  text: string | undefined,
  query = '',
  headers: Record<string, string> = { 'content-type': 'text/plain' }
) => {
  const { status, json } = await answerOf(
    await fetch(`${url}/v1/conversions${query}`, {
      method: 'POST',
      headers,
      ...(text === undefined ? {} : { body: text })
    })
  )
  t.doesNotThrow(() => (status === 200 ? checkAnswer : checkProblem)(json, 'answer'))
  return { status, json }
}

const clusterCfg = readFileSync(fixture('zeek', 'cluster.cfg'), 'utf8')
const nodeCfg = '[zeek]\ntype=standalone\nhost=localhost\ninterface=eth0\ncolour=red\n'
const zeekConf = 'interface = eth0\nworkers = 2\nmanager = 1\nuser = zeek\n'

await t.test('the file of each tool becomes a configuration that can be staged, and notes', async t => {
  for (const [text, name, nodes, said] of [
    [clusterCfg, 'cluster.cfg', 5, undefined],
    [nodeCfg, 'node.cfg', 2, '[zeek] colour = red: is unknown, and ignored by ZeekControl'],
    [zeekConf, 'zeek.conf', 3, 'user = zeek: nodes run as the user of their agent']
  ] as const) {
    for (const query of ['', `?file=${name}`, '?file=my.txt']) {
      for (const type of ['text/plain', 'text/x-ini; charset=utf-8']) {
        const { status, json } = await convert(text, query, { 'content-type': type })
        t.equal(status, 200, `${name} ${query} ${type}`)
        t.ok(nodesOf(json.configuration).length >= nodes)
        if (said !== undefined) {
          t.ok(
            json.notes.some((note: string) => note.startsWith(said)),
            said
          )
        }
        t.equal((await ask('stage_configuration', { config: json.configuration })).state, 'succeeded')
      }
    }
  }
})

await t.test('the files of ZeekControl come as JSON', async t => {
  const json = { 'content-type': 'application/json' }
  const files = {
    node_cfg: nodeCfg,
    zeekctl_cfg: 'MailTo = a@b\nStopTimeout = 30\n',
    networks_cfg: '10.0.0.0/8 Private\n2001:db8::/32\n'
  }
  const { status, json: answer } = await convert(JSON.stringify(files), '', json)
  t.equal(status, 200)
  for (const { options } of answer.configuration.nodes) {
    t.same(options, { 'Notice::mail_dest': 'a@b', 'Site::local_nets': '{10.0.0.0/8,[2001:db8::]/32}' })
  }
  t.equal(answer.notes[0], 'StopTimeout = 30: set agent_stop_timeout: 30 in the settings of the agents')
  t.equal((await ask('stage_configuration', { config: answer.configuration })).state, 'succeeded')
  t.same(
    (await convert(JSON.stringify({ node_cfg: nodeCfg }), '', json)).json,
    (await convert(nodeCfg, '?file=node.cfg')).json
  )
  t.match(
    await convert(JSON.stringify({ ...files, zeekctl_cfg: 'StopTimeout = 1m', networks_cfg: '10/8' }), '', json),
    {
      status: 400,
      json: {
        errors: [
          { field: 'zeekctl.cfg.StopTimeout', message: "must be a whole number: '1m' (line 1)" },
          { field: 'networks.cfg', message: /^must be a network .* \(line 1\)$/ }
        ]
      }
    }
  )
  t.match((await convert(JSON.stringify({ node_cfg: '' }), '', json)).json.errors, [
    { field: 'node.cfg', message: 'holds no nodes' }
  ])
  for (const [body, field] of [
    [{}, 'body/node_cfg'],
    [{ node_cfg: 5 }, 'body/node_cfg'],
    [{ ...files, zeekctl: '' }, 'body/zeekctl']
  ] as const) {
    t.match(await convert(JSON.stringify(body), '', json), { status: 400, json: { errors: [{ field }] } }, field)
  }
  t.match(await convert('{', '', json), { status: 400 })
  t.match(await convert('null', '', json), { status: 400 })
  t.match(await convert('', '', json), { status: 400 })
  t.equal((await convert(JSON.stringify({ node_cfg: '#'.repeat(262_144) }), '', json)).status, 413)
})

await t.test('it changes nothing, and is kept nowhere', async t => {
  const [before, { requests }] = [await getJson(`${url}/v1/nodes`), await getJson(`${url}/v1/requests`)]
  await convert(nodeCfg)
  await convert('nonsense')
  t.equal((await getJson(`${url}/v1/nodes`)).event_cursor, before.event_cursor)
  t.same((await getJson(`${url}/v1/requests`)).requests, requests)
})

await t.test('all that is wrong is told, with section, key and line', async t => {
  t.match(await convert('[manager]\nrole = boss\nport = 99999\n[w]\nrole = worker\ncolour = red\n'), {
    status: 400,
    json: {
      code: 'invalid_request',
      errors: [
        { field: 'manager.port', message: 'port 99999 outside valid range (line 3)' },
        { field: 'manager.role', message: 'role "boss" is invalid (line 2)' },
        { field: 'w.colour', message: 'is not known (line 6)' }
      ]
    }
  })
  t.match((await convert('[a]\ntype=worker\n', '?file=node.cfg')).json.errors, [
    { field: 'a.host', message: 'is missing (line 1)' },
    { field: 'node.cfg', message: 'holds no manager' },
    { field: 'node.cfg', message: 'holds no proxy' }
  ])
  t.match((await convert('interface = eth0\nworkers = many\n')).json.errors, [
    { field: 'workers', message: "must be a number: 'many' (line 2)" }
  ])
  t.match(
    (await convert('[instances]\na = no-such-host.invalid:2151\n[m]\ninstance = a\nrole = manager\n')).json.errors,
    [{ field: 'instances.a', message: /^has a host without an address, no-such-host.invalid/ }]
  )
})

await t.test('what is no such file is refused, with what there is', async t => {
  for (const text of ['nonsense', '{"instances": [], "nodes": []}', '\u0000\u0001', 'a=b\n'.repeat(1000)]) {
    t.match(await convert(text), { status: 400, json: { detail: /^the file is none of cluster\.cfg / } })
  }
  t.match(await convert('a', '?file=networks.cfg'), { status: 400, json: { detail: /^networks\.cfg is none of / } })
  for (const text of ['', ' \n\t', undefined]) {
    t.match(await convert(text), { status: 400, json: { detail: 'the file is empty' } })
  }
  t.match(await convert(undefined, '', {}), { status: 400, json: { detail: 'the file is empty' } })
})

await t.test('other types, larger bodies and other parameters are refused', async t => {
  t.match(await convert('{}', '', { 'content-type': 'application/xml' }), { status: 415 })
  t.match(await convert('<a/>', '', { 'content-type': 'text/html' }), { status: 415 })
  t.equal((await convert(`${zeekConf}#${'x'.repeat(262_144)}`)).status, 413)
  for (const query of ['file=', 'file=/etc/zeek/node.cfg', 'file=..', 'file=a%0ab', `file=${'a'.repeat(129)}`, 'x=1']) {
    const field = `querystring/${query.split('=')[0]}`
    t.match(await convert(nodeCfg, `?${query}`), { status: 400, json: { errors: [{ field }] } }, query)
  }
  t.match(await convert(nodeCfg, '?file=node.cfg&file=zeek.conf'), { status: 400 })
  t.match(await answerOf(await fetch(`${url}/v1/conversions`)), { status: 405 })
})

await t.test('nodes without a host are on the only instance that is connected, else on this host', async t => {
  const instances = async (text = zeekConf) => (await convert(text)).json.configuration.instances
  const here = [{ name: `agent-${hostname()}` }]
  t.same(await instances(), here, 'none is connected')
  const name = `sensor-${'x'.repeat(57)}`
  const agent = await fakeAgent(t, settings.controller_port, { name })
  t.same(await instances(), [{ name }])
  t.same(await instances('[manager]\nrole = manager\n'), [{ name }])
  t.match(await instances(nodeCfg), [{ name: 'agent-localhost' }], 'a host that is named is that')
  const other = await fakeAgent(t, settings.controller_port, { name: 'sensor-2' })
  t.same(await instances(), here, 'it could be either')
  await other.close()
  await agent.close()
})

await t.test('operators may, viewers may not', async t => {
  const directory = directoryOf(t)
  const flags = { 'management-state-dir': directory, 'controller-authentication': 'token' }
  const tokens = {
    viewer: await tokenCommand(['create'], { role: 'viewer', name: 'v' }, directory),
    operator: await tokenCommand(['create'], { role: 'operator', name: 'o' }, directory)
  }
  const controller = await startTestController(t, flags)
  const status = async (token?: string) =>
    (
      await fetch(`${controller.url}/v1/conversions`, {
        method: 'POST',
        headers: { 'content-type': 'text/plain', ...(token && { authorization: `Bearer ${token}` }) },
        body: zeekConf
      })
    ).status
  t.same([await status(), await status(tokens.viewer), await status(tokens.operator)], [401, 403, 200])
})

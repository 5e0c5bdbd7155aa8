import t from 'tap'
import { ConfigurationDocument, InstanceList, NodeList, Problem } from '../../schemas/api.js'
import { checker } from '../../schemas/validator.js'
import { getJson } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { until } from '../support/until.js'
import { configurationOf, fakeAgent, manager, small, status, worker } from '../controller/fake-agent.js'

const check = (schema: Parameters<typeof checker>[0]) => checker(schema, errors => new Error(JSON.stringify(errors)))
const checks = {
  instances: check(InstanceList),
  nodes: check(NodeList),
  document: check(ConfigurationDocument),
  problem: check(Problem)
}

await t.test('an empty controller has neither instances nor nodes', async t => {
  const { url, controller } = await startTestController(t)
  t.same(await getJson(`${url}/v1/instances`), { instances: [], event_cursor: controller.cursor })
  t.same(await getJson(`${url}/v1/nodes`), { nodes: [], event_cursor: controller.cursor })
})

await t.test('configurations that are not there are not found', async t => {
  const { url } = await startTestController(t)
  for (const state of ['staged', 'ready', 'deployed']) {
    const response = await fetch(`${url}/v1/configurations/${state}`)
    const problem: any = await response.json()
    checks.problem(problem, 'problem')
    t.match(
      { status: response.status, ...problem },
      { status: 404, code: 'not_found', detail: `no ${state === 'ready' ? 'staged' : state} configuration available` }
    )
  }
})

await t.test(
  'a configuration is staged as it was sent, ready with addresses and ports, and deployed as it was sent to the agents',
  async t => {
    const { url, ask, settings } = await startTestController(t)
    const agent = await fakeAgent(t, settings.controller_port)
    await ask('stage_configuration', { config: small('c1') })
    const [staged, ready] = await Promise.all(
      ['staged', 'ready'].map(state => getJson(`${url}/v1/configurations/${state}`))
    )
    t.same(staged.configuration, small('c1'))
    t.match(ready, { state: 'ready', configuration: { id: 'c1', instances: [{ name: 'agent-a', host: '127.0.0.1' }] } })
    const start = settings.controller_auto_assign_metrics_start_port
    t.same(
      ready.configuration.nodes.map((node: any) => [node.name, node.port, node.metrics_port]),
      [
        ['manager', settings.controller_auto_assign_broker_start_port, start],
        ['worker-1', undefined, start + 1]
      ]
    )
    t.equal((await fetch(`${url}/v1/configurations/deployed`)).status, 404)
    await ask('deploy')
    const deployed = await getJson(`${url}/v1/configurations/deployed`)
    t.same(deployed.configuration, ready.configuration)
    t.match((await agent.question('deploy')).share.nodes, deployed.configuration.nodes)
    for (const document of [staged, ready, deployed]) checks.document(document, 'document')
  }
)

await t.test('a configuration without an id gets one', async t => {
  const { url, ask } = await startTestController(t)
  const { results } = await ask('stage_configuration', { config: small() })
  t.equal((await getJson(`${url}/v1/configurations/staged`)).configuration.id, results[0]?.data?.id)
})

await t.test('an instance is listed when it is connected or deployed', async t => {
  const { url, ask, settings, controller } = await startTestController(t, { 'controller-connect-grace': '0.1' })
  const agent = await fakeAgent(t, settings.controller_port, { name: 'agent-b', hello: { zeek_version: '9.0.0' } })
  await fakeAgent(t, settings.controller_port, { name: 'agent-c' })
  await ask('stage_configuration', { config: configurationOf(['agent-b', 'agent-a'], [manager('agent-b')]) })
  await ask('deploy')
  const list = await getJson(`${url}/v1/instances`)
  checks.instances(list, 'list')
  t.match(list.instances, [
    { name: 'agent-a', connected: false, configured: true },
    {
      name: 'agent-b',
      host: '127.0.0.1',
      connected: true,
      configured: true,
      version: '1.0.0',
      zeek_version: '9.0.0',
      connected_at: /Z$/
    },
    { name: 'agent-c', connected: true, configured: false }
  ])
  await agent.close()
  await until(() => !controller.instances()[1]?.connected, 'it is lost')
  t.match((await getJson(`${url}/v1/instances`)).instances[1], {
    name: 'agent-b',
    host: '127.0.0.1',
    connected: false,
    configured: true
  })
})

await t.test('nodes are listed with their states, with agent and controller', async t => {
  const { url, ask, settings } = await startTestController(t, { 'controller-connect-grace': '0.1' })
  const agentItself = { node: 'agent-a', state: 'RUNNING', mgmt_role: 'AGENT', pid: 7 }
  const agent = await fakeAgent(t, settings.controller_port, {
    hello: { nodes: [agentItself, { ...agentItself, node: 'controller', mgmt_role: 'CONTROLLER' }] }
  })
  await ask('stage_configuration', {
    config: configurationOf(['agent-a', 'agent-b'], [worker('w', 'agent-b'), manager()])
  })
  await ask('deploy')
  agent.change('manager', 'PENDING', 'RUNNING')
  agent.link.notify('change', { status: status('old-node', 'STOPPED'), old_state: 'RUNNING', reason: '' })
  const list = await until(async () => {
    const { nodes, event_cursor: cursor } = await getJson(`${url}/v1/nodes`)
    return (
      nodes.some(({ state, node }: any) => node === 'manager' && state === 'RUNNING') && { nodes, event_cursor: cursor }
    )
  }, 'the change is heard')
  checks.nodes(list, 'list')
  t.match(list.nodes, [
    agentItself,
    { node: 'controller', mgmt_role: 'CONTROLLER' },
    { node: 'manager', instance: 'agent-a', state: 'RUNNING' },
    { node: 'w', instance: 'agent-b', state: 'UNKNOWN', mgmt_role: 'NODE', cluster_role: 'WORKER' }
  ])
  t.equal(list.nodes.length, 4, 'one that is not deployed is not there')
})

await t.test('after a restart deployed nodes are UNKNOWN until their agents are heard', async t => {
  const { url, ask, settings } = await startTestController(t)
  const agent = await fakeAgent(t, settings.controller_port)
  await ask('stage_configuration', { config: small() })
  await ask('deploy')
  await agent.close()
  t.match(
    (await getJson(`${url}/v1/nodes`)).nodes.map(({ node, state }: any) => [node, state]),
    [
      ['manager', 'UNKNOWN'],
      ['worker-1', 'UNKNOWN']
    ]
  )
})

await t.test('nodes are listed by instance, role and state, in pages where a limit is given', async t => {
  const { url, ask, settings, controller } = await startTestController(t, { 'controller-connect-grace': '0.1' })
  const names = async (query: string) => (await getJson(`${url}/v1/nodes?${query}`)).nodes?.map(({ node }: any) => node)
  await ask('stage_configuration', {
    config: configurationOf(
      ['agent-a', 'agent-b'],
      [manager(), worker('w1'), worker('w2', 'agent-b'), worker('w3', 'agent-b')]
    )
  })
  await fakeAgent(t, settings.controller_port, {
    hello: {
      nodes: [
        { node: 'agent-a', state: 'RUNNING', mgmt_role: 'AGENT' },
        status('w1', 'RUNNING', {
          since: '2026-11-22T09:00:00.000Z',
          reason: 'joined the cluster',
          responding: true,
          restarts: 2
        })
      ]
    }
  })
  await ask('deploy')
  t.match(await getJson(`${url}/v1/nodes?role=WORKER&state=RUNNING`), {
    nodes: [
      { node: 'w1', since: '2026-11-22T09:00:00.000Z', reason: 'joined the cluster', responding: true, restarts: 2 }
    ],
    event_cursor: /[.]/
  })
  t.same(await names('instance=agent-b'), ['w2', 'w3'])
  t.same(await names('role=WORKER'), ['w1', 'w2', 'w3'])
  for (const query of [
    'role=MANAGER,WORKER&state=UNKNOWN',
    'role=MANAGER&role=WORKER&state=UNKNOWN',
    'role=MANAGER,%20WORKER&state=UNKNOWN,CRASHED'
  ]) {
    t.same(await names(query), ['manager', 'w2', 'w3'], query)
  }
  t.same(await names('instance=ghost'), [])
  t.same(await names(''), ['agent-a', 'manager', 'w1', 'w2', 'w3'])
  const first = await getJson(`${url}/v1/nodes?limit=3`)
  checks.nodes(first, 'page')
  t.match(first, { nodes: [{ node: 'agent-a' }, { node: 'manager' }, { node: 'w1' }], next: 'agent-a/w1' })
  const last = await getJson(`${url}/v1/nodes?limit=3&after=${first.next}`)
  t.match(
    last.nodes.map(({ node }: any) => node),
    ['w2', 'w3']
  )
  t.notOk('next' in last)
  t.equal(last.event_cursor, controller.cursor)
})

await t.test('a filter that means nothing is refused by name', async t => {
  const { url } = await startTestController(t)
  const refused = {
    'role=WIZARD': 'querystring/role',
    'state=RUNNING,running': 'querystring/state',
    'limit=0': 'querystring/limit',
    'limit=1001': 'querystring/limit',
    'after=x': 'querystring/after',
    'after=a%20b': 'querystring/after',
    'rolle=WORKER': 'querystring/rolle'
  }
  for (const [query, field] of Object.entries(refused)) {
    const response = await fetch(`${url}/v1/nodes?${query}`)
    const problem: any = await response.json()
    checks.problem(problem, 'problem')
    t.match(
      { status: response.status, ...problem },
      { status: 400, code: 'invalid_request', errors: [{ field }] },
      query
    )
  }
  t.match(await getJson(`${url}/v1/nodes?role=WORKER,WIZARD`), {
    detail: 'querystring/role must be names of roles, of MANAGER, LOGGER, PROXY, WORKER, with commas between them'
  })
  t.equal((await fetch(`${url}/v1/events?types=notify_change&types=wizard`)).status, 400)
})

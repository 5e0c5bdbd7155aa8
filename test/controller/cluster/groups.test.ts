import t from 'tap'
import { startTestController } from '../../support/controller.js'
import { getJson } from '../../support/client.js'
import { cpusOf } from '../../support/machine.js'
import { fakeAgent, manager } from '../fake-agent.js'

const topology = {
  cpus: cpusOf({ sockets: 2, cores: 4, threads: 2 }),
  interfaces: [{ name: 'eth1', numa: 1, queues: 8 }]
}
const config = {
  instances: [
    { name: 'agent-a', labels: { tap: 'uplink' } },
    { name: 'agent-b', labels: { tap: 'uplink', site: 'berlin' } },
    { name: 'agent-c' }
  ],
  nodes: [manager()],
  groups: [
    {
      name: 'uplink',
      labels: { tap: 'uplink' },
      interface: 'af_packet::eth1',
      workers: 'auto',
      cpus: 'auto',
      env: { API_TOKEN: 'swordfish' }
    },
    { name: 'lab', instance: 'agent-c', interface: 'eth0', workers: 2 }
  ]
}

await t.test('groups of workers become nodes', async t => {
  const { url, settings, ask, controller } = await startTestController(t)
  const agent = async (name: string) =>
    await fakeAgent(t, settings.controller_port, { name, ...(name === 'agent-c' ? {} : { hello: { topology } }) })
  const [a] = await Promise.all(['agent-a', 'agent-b', 'agent-c'].map(agent))
  const staged = await ask('stage_configuration', { config })
  t.match([staged.state, staged.warnings], ['succeeded', []], JSON.stringify(staged.results))

  await t.test('what was sent is staged, with its groups; what would run is ready, without', async t => {
    const get = async (state: string) => await getJson(`${url}/v1/configurations/${state}`)
    t.same((await get('staged')).configuration.groups, config.groups)
    const { configuration, placements } = await get('ready')
    t.notOk(configuration.groups)
    t.same(
      configuration.nodes.map(({ name, cpu_affinity: cpu }: any) => [name, cpu]),
      [
        ['manager', undefined],
        ...['agent-a', 'agent-b'].flatMap(name => [4, 5, 6, 7].map((cpu, n) => [`uplink-${name}-${n + 1}`, cpu])),
        ['lab-1', undefined],
        ['lab-2', undefined]
      ]
    )
    t.match(configuration.instances[1].labels, { site: 'berlin' })
    t.match(placements, [
      { node: 'uplink-agent-a-1', reason: 'CPU 4: physical core 4 of NUMA node 1, where eth1 is' },
      ...Array.from({ length: 7 }, () => ({ reason: /^CPU/ })),
      { node: 'lab-1', reason: 'not pinned' },
      {}
    ])
    const text = await (await fetch(`${url}/v1/configurations/staged`, { headers: { accept: 'text/x-ini' } })).text()
    t.match(text, /^\[uplink-agent-b-4\]$/m, 'zeek-client gets nodes')
    const { results } = await ask('get_configuration')
    t.equal(results[0]?.data?.configuration?.nodes.length, 11)
    t.notMatch(JSON.stringify(controller.listRequests({ limit: 10 })), 'swordfish')
  })

  await t.test('they are deployed as nodes, and what is deployed can be staged again', async t => {
    t.equal((await ask('deploy')).state, 'succeeded')
    const { share } = await a!.question('deploy')
    t.same(
      share.nodes.map(({ name }: any) => name),
      ['manager', ...[1, 2, 3, 4].map(n => `uplink-agent-a-${n}`)]
    )
    const { configuration } = await getJson(`${url}/v1/configurations/deployed`)
    t.notOk(configuration.groups)
    t.equal((await ask('stage_configuration', { config: configuration })).state, 'succeeded')
  })

  await t.test('what is wrong with them is told when they are staged', async t => {
    const errorsOf = async (groups: object[], nodes: object[] = [manager()]) =>
      (await ask('stage_configuration', { config: { ...config, nodes, groups } })).results.map(({ error }) => error)
    const [, lab] = config.groups
    t.match(await errorsOf([{ ...lab, labels: {} }]), [/group 'lab'/])
    t.match(await errorsOf([{ ...lab, instance: 'agent-z' }]), [/agent-z/])
    t.match(await errorsOf([lab!], [manager(), { ...manager('agent-c'), name: 'lab-2', role: 'PROXY' }]), [/'lab-2'/])
    t.match(await errorsOf([{ ...lab, env: { API_TOKEN: '********' } }]), [
      "group 'lab' env API_TOKEN is masked: its value is needed"
    ])
  })

  await t.test('an instance that does not tell of its CPUs is no reason to refuse them, but to warn', async t => {
    const groups = [{ name: 'lab', instance: 'agent-c', interface: 'eth0', workers: 'auto' }]
    const { state, warnings } = await ask('stage_configuration', { config: { ...config, groups } })
    t.equal(state, 'succeeded')
    t.match(warnings, [
      /^it could not be deployed now: group 'lab': workers: auto needs the CPUs of instance 'agent-c'/
    ])
    t.match(await ask('deploy'), { state: 'failed', results: [{ error: /needs the CPUs of instance 'agent-c'/ }] })
  })
})

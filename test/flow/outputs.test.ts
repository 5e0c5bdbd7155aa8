import t from 'tap'
import { getJson, openStream } from '../support/client.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const two = ['sensor-1', 'sensor-2'] as const
const chatter = Array.from({ length: 300 }, (_, n) => `chatty line ${n + 1}`)
const chattyOnly = (lines: string[]) => lines.filter(line => line.startsWith('chatty'))

await t.test('what nodes write, and why they end', { timeout: 120_000 }, async t => {
  const cluster = new Cluster(t)
  await cluster.start(two)
  const config = configurationOf(two, [
    { name: 'worker-1', env: { STAND_IN: 'chatty=300', API_TOKEN: 'swordfish' } },
    { name: 'logger-1', env: { STAND_IN: 'exit=3' } }
  ])
  t.equal((await cluster.deploy(config)).state, 'partial')
  await cluster.reaches('worker-1', 'RUNNING')

  await t.test('the last lines come from the instance that has the node', async t => {
    const {
      state,
      results: [result]
    } = await cluster.ask('get_node_output', { nodes: ['worker-1'], stream: 'stdout', lines: 3 })
    t.equal(state, 'succeeded')
    t.match(result, {
      instance: 'sensor-2',
      node: 'worker-1',
      data: { stdout: chatter.slice(-3).join('\n'), stderr: undefined }
    })
    t.match(await cluster.ask('get_node_output', { nodes: ['ghost', 'worker-1'] }), { state: 'partial' })
    t.match(await cluster.ask('get_node_output', { nodes: ['worker-1'], incarnation: 7 }), {
      state: 'failed',
      results: [{ error: 'there is no output of incarnation 7 of node worker-1: 0 are kept' }]
    })
  })

  await t.test('a node is followed through a restart, line by line, as events before the response', async t => {
    const response = await fetch(`${cluster.url}/v1/requests/get_node_output`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        nodes: ['worker-1'],
        stream: 'stdout',
        lines: 1000,
        follow: true,
        duration: 30,
        max_lines: 300
      })
    })
    t.equal(response.status, 202)
    const { reqid } = (await response.json()) as { reqid: string }
    const stream = await openStream(t, `${cluster.url}/v1/requests/${reqid}/events`)
    t.equal((await cluster.ask('restart', { nodes: ['worker-1'] })).state, 'succeeded')
    const events = (await stream.collect()).map(({ json }) => json)
    const told = events.filter(({ type }) => type === 'node_output')
    t.ok(
      told.every(
        event =>
          event.reqid === reqid &&
          event.instance === 'sensor-2' &&
          event.node === 'worker-1' &&
          event.stream === 'stdout'
      )
    )
    t.match(events.at(-1), { type: 'goodbye', reason: 'terminal' })
    const answer = events.at(-2)
    t.match(answer, { type: 'get_node_output_response', state: 'succeeded' })
    t.same(
      chattyOnly([...answer.results[0].data.stdout.split('\n'), ...told.flatMap(({ lines }) => lines)]).slice(-300),
      chatter
    )
    t.ok(told.length > 0)

    const ndjson = await (
      await fetch(`${cluster.url}/v1/requests/${reqid}/events?from=earliest`, {
        headers: { accept: 'application/x-ndjson' }
      })
    ).text()
    const again = ndjson
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    t.same(
      again.filter(({ type }) => type === 'node_output'),
      told
    )
    t.match(await cluster.ask('get_node_output', { nodes: ['worker-1'], stream: 'stdout', incarnation: 1, lines: 1 }), {
      results: [{ data: { stdout: chatter.at(-1) } }]
    })
  })

  await t.test('a diagnosis tells how the processes of a node have ended, and what it runs', async t => {
    const diagnosis = async (node: string) => (await cluster.ask('diagnose', { nodes: [node] })).results[0]!.data!
    const failing = await until(async () => {
      const data = await diagnosis('logger-1')
      return data.diagnosis!.runs.filter(({ ended_at: end }) => end !== undefined).length > 1 && data
    }, 'it has exited twice')
    t.match(failing.diagnosis!.runs.at(-1), {
      pid: Number,
      started_at: String,
      ended_at: String,
      reason: 'exited with code 3'
    })
    t.match(await cluster.ask('get_node_output', { nodes: ['logger-1'], incarnation: 1 }), {
      results: [{ data: { stdout: 'last words', stderr: /told to exit/ } }]
    })
    const running = await diagnosis('worker-1')
    t.match(running.diagnosis, {
      state: 'RUNNING',
      directory: `${cluster.stateDir('sensor-2')}/nodes/worker-1`,
      runs: [{ pid: (await cluster.node('worker-1'))!.pid!, ended_at: undefined }, { reason: 'stopped' }]
    })
    t.ok(running.diagnosis!.command.some(argument => argument.endsWith('zeek')))
    t.same(running.stdout!.split('\n'), chatter.slice(-100))
    t.notMatch(JSON.stringify(running), 'swordfish')
  })

  await t.test('a process that outlives its supervisor goes on with its run', async t => {
    const { pid } = (await cluster.node('worker-1'))!
    await cluster.hosts.get('sensor-2')!.stop('SIGKILL')
    await cluster.startHost('sensor-2', false)
    await cluster.connected('sensor-2')
    await cluster.reaches('worker-1', 'RUNNING')
    const {
      results: [result]
    } = await cluster.ask('diagnose', { nodes: ['worker-1'] })
    t.match(result!.data!.diagnosis!.runs, [{ pid, ended_at: undefined }, { reason: 'stopped' }])
    t.equal(result!.data!.diagnosis!.runs.length, 2)
    process.kill(pid!, 'SIGSEGV')
    await cluster.reaches('worker-1', 'RUNNING', pid!)
    const after = (await cluster.ask('diagnose', { nodes: ['worker-1'] })).results[0]!.data!.diagnosis!
    t.match(
      after.runs.map(({ reason }) => reason),
      [undefined, 'exited', 'stopped']
    )
  })

  await t.test('a follower whose agent ends gets its answer all the same', async t => {
    const response = await fetch(`${cluster.url}/v1/requests/get_node_output`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=0' },
      body: JSON.stringify({ nodes: ['worker-1'], follow: true, duration: 600 })
    })
    const { reqid } = (await response.json()) as { reqid: string }
    await cluster.hosts.get('sensor-2')!.stop('SIGUSR2')
    const request = await until(async () => {
      const request = await getJson(`${cluster.url}/v1/requests/${reqid}`)
      return request.state !== 'pending' && request
    }, 'it is answered')
    t.match(request, { results: [{ node: 'worker-1', instance: 'sensor-2' }] })
    await cluster.startHost('sensor-2', false)
    await cluster.connected('sensor-2')
  })
})

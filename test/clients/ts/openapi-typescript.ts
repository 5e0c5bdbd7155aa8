import createClient from 'openapi-fetch'
import type { components, paths } from './zeek-cluster.js'

const client = createClient<paths>({ baseUrl: 'http://127.0.0.1:2149' })
const wait = { header: { Prefer: 'wait=30' } }

const nodes: components['schemas']['ClusterConfigurationInput']['nodes'] = [
  { name: 'manager', instance: 'agent-1', role: 'MANAGER' },
  { name: 'logger-1', instance: 'agent-1', role: 'LOGGER' },
  { name: 'worker-1', instance: 'agent-1', role: 'WORKER', interface: 'lo' }
]
const staged = await client.POST('/v1/requests/stage_configuration', {
  body: { config: { instances: [{ name: 'agent-1' }], nodes } },
  params: wait
})
console.log(staged.data?.type, staged.data?.state)
const deployed = await client.POST('/v1/requests/deploy', { params: wait })
console.log(deployed.data?.type, deployed.data?.state)

const list = await client.GET('/v1/nodes', { params: { query: { role: ['MANAGER', 'LOGGER', 'WORKER'] } } })
for (const { node, state } of list.data?.nodes ?? []) console.log(node, state)

const restart = await client.POST('/v1/requests/restart', { body: { nodes: ['worker-1'] } })
const reqid = restart.data!.reqid
const stream = await client.GET('/v1/requests/{reqid}/events', {
  params: { path: { reqid } },
  headers: { Accept: 'application/x-ndjson' },
  parseAs: 'stream'
})
let line = ''
for await (const chunk of stream.data!.pipeThrough(new TextDecoderStream())) {
  const lines = (line + chunk).split('\n')
  line = lines.pop()!
  for (const event of lines.map(line => JSON.parse(line) as components['schemas']['ClusterEvent'])) {
    if (event.type === 'restart_request' || event.type === 'restart_response')
      console.log(event.type, event.reqid === reqid)
  }
}
const finished = await client.GET('/v1/requests/{reqid}', { params: { path: { reqid }, query: { wait: 30 } } })
console.log(finished.data?.type, finished.data?.state)

const { error: missing } = await client.GET('/v1/requests/{reqid}', { params: { path: { reqid: 'nope' } } })
console.log(missing?.status, missing?.code)
const { error: wrong } = await client.GET('/v1/requests', { params: { query: { after: 'nope' } } })
console.log(wrong?.status, wrong?.code, wrong?.errors?.[0]?.field)

let after: string | undefined
for (let pages = 0; pages < 3; pages++) {
  const page = await client.GET('/v1/requests', { params: { query: { limit: 1, after } } })
  for (const { type } of page.data?.requests ?? []) console.log('page', type)
  after = page.data?.next
}

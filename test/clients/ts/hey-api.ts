import {
  getRequest,
  listNodes,
  listRequests,
  requestDeploy,
  requestRestart,
  requestStageConfiguration,
  streamRequestEvents
} from './zeek-cluster'
import { client } from './zeek-cluster/client.gen'

client.setConfig({ baseUrl: 'http://127.0.0.1:2149' })
const headers = { Prefer: 'wait=30' }

const staged = await requestStageConfiguration({
  body: {
    config: {
      instances: [{ name: 'agent-1' }],
      nodes: [
        { name: 'manager', instance: 'agent-1', role: 'MANAGER' },
        { name: 'logger-1', instance: 'agent-1', role: 'LOGGER' },
        { name: 'worker-1', instance: 'agent-1', role: 'WORKER', interface: 'lo' }
      ]
    }
  },
  headers
})
console.log(staged.data?.type, staged.data?.state)
const deployed = await requestDeploy({ headers })
console.log(deployed.data?.type, deployed.data?.state)

const list = await listNodes({ query: { role: ['MANAGER', 'LOGGER', 'WORKER'] } })
for (const { node, state } of list.data?.nodes ?? []) console.log(node, state)

const restart = await requestRestart({ body: { nodes: ['worker-1'] } })
const reqid = restart.data!.reqid
const { stream } = await streamRequestEvents({ path: { reqid } })
for await (const event of stream) {
  if (!event) continue
  if (event.type === 'restart_request' || event.type === 'restart_response') {
    console.log(event.type, 'reqid' in event && event.reqid === reqid)
  }
}
const finished = await getRequest({ path: { reqid }, query: { wait: 30 } })
console.log(finished.data?.type, finished.data?.state)

const { error: missing } = await getRequest({ path: { reqid: 'nope' } })
console.log(missing?.status, missing?.code)
const { error: wrong } = await listRequests({ query: { after: 'nope' } })
console.log(wrong?.status, wrong?.code, wrong?.errors?.[0]?.field)

let after: string | undefined
for (let pages = 0; pages < 3; pages++) {
  const page: Awaited<ReturnType<typeof listRequests>> = await listRequests({ query: { limit: 1, after } })
  for (const { type } of page.data?.requests ?? []) console.log('page', type)
  after = page.data?.next
}

import {
  getRequest,
  getStreamRequestEventsUrl,
  listNodes,
  listRequests,
  requestDeploy,
  requestRestart,
  requestStageConfiguration,
  type ClusterEvent
} from './zeek-cluster'

const wait = { headers: { Prefer: 'wait=30' } }

const staged = await requestStageConfiguration(
  {
    config: {
      instances: [{ name: 'agent-1' }],
      nodes: [
        { name: 'manager', instance: 'agent-1', role: 'MANAGER' },
        { name: 'logger-1', instance: 'agent-1', role: 'LOGGER' },
        { name: 'worker-1', instance: 'agent-1', role: 'WORKER', interface: 'lo' }
      ]
    }
  },
  {},
  // Of a body that may be of several types it does not say which it is.
  { headers: { ...wait.headers, 'Content-Type': 'application/json' } }
)
if (staged.status === 200) console.log(staged.data.type, staged.data.state)
const deployed = await requestDeploy({}, {}, wait)
if (deployed.status === 200) console.log(deployed.data.type, deployed.data.state)

const list = await listNodes({ role: ['MANAGER', 'LOGGER', 'WORKER'] })
if (list.status === 200) for (const { node, state } of list.data.nodes) console.log(node, state)

const restart = await requestRestart({ nodes: ['worker-1'] })
if (restart.status !== 202) throw new Error(`status ${restart.status}`)
const { reqid } = restart.data
const stream = await fetch(getStreamRequestEventsUrl(reqid), { headers: { Accept: 'application/x-ndjson' } })
let rest = ''
for await (const text of stream.body!.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split('\n')
  rest = lines.pop()!
  for (const event of lines.map(line => JSON.parse(line) as ClusterEvent)) {
    if (event.type === 'restart_request' || event.type === 'restart_response') {
      console.log(event.type, 'reqid' in event && event.reqid === reqid)
    }
  }
}
const finished = await getRequest(reqid, { wait: 30 })
if (finished.status === 200) console.log(finished.data.type, finished.data.state)

const missing = await getRequest('nope')
if (missing.status === 404) console.log(missing.data.status, missing.data.code)
const wrong = await listRequests({ after: 'nope' })
if (wrong.status === 400) console.log(wrong.data.status, wrong.data.code, wrong.data.errors?.[0]?.field)

let after: string | undefined
for (let pages = 0; pages < 3; pages++) {
  const page = await listRequests({ limit: 1, after })
  if (page.status !== 200) throw new Error(`status ${page.status}`)
  for (const { type } of page.data.requests) console.log('page', type)
  after = page.data.next
}

import {
  ClusterEventFromJSON,
  ClusterRole,
  Configuration,
  ProblemFromJSON,
  RequestsApi,
  ResponseError,
  StateApi
} from './zeek-cluster'

const configuration = new Configuration({ basePath: 'http://127.0.0.1:2149' })
const requests = new RequestsApi(configuration)
const prefer = 'wait=30'

const staged = await requests.requestStageConfiguration({
  prefer,
  stageConfigurationArguments: {
    config: {
      instances: [{ name: 'agent-1' }],
      nodes: [
        { name: 'manager', instance: 'agent-1', role: ClusterRole.Manager },
        { name: 'logger-1', instance: 'agent-1', role: ClusterRole.Logger },
        { name: 'worker-1', instance: 'agent-1', role: ClusterRole.Worker, _interface: 'lo' }
      ]
    }
  }
})
console.log(staged.type, staged.state)
const deployed = await requests.requestDeploy({ prefer })
console.log(deployed.type, deployed.state)

const role = [ClusterRole.Manager, ClusterRole.Logger, ClusterRole.Worker]
const list = await new StateApi(configuration).listNodes({ role })
for (const { node, state } of list.nodes) console.log(node, state)

const { reqid } = await requests.requestRestart({ restartArguments: { nodes: ['worker-1'] } })
const { raw } = await requests.streamRequestEventsRaw({ reqid }, { headers: { Accept: 'application/x-ndjson' } })
let rest = ''
for await (const text of raw.body!.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split('\n')
  rest = lines.pop()!
  for (const line of lines) {
    const event = ClusterEventFromJSON(JSON.parse(line))
    if (event.type === 'restart_request' || event.type === 'restart_response') {
      console.log(event.type, 'reqid' in event && event.reqid === reqid)
    }
  }
}
const finished = await requests.getRequest({ reqid, wait: 30 })
console.log(finished.type, finished.state)

/** What a call is refused with. */
async function problemOf(call: Promise<unknown>) {
  const error = await call.catch((error: unknown) => error)
  if (!(error instanceof ResponseError)) throw error
  return ProblemFromJSON(await error.response.json())
}
const missing = await problemOf(requests.getRequest({ reqid: 'nope' }))
console.log(missing.status, missing.code)
const wrong = await problemOf(requests.listRequests({ after: 'nope' }))
console.log(wrong.status, wrong.code, wrong.errors?.[0]?.field)

let after: string | undefined
for (let pages = 0; pages < 3; pages++) {
  const page = await requests.listRequests({ limit: 1, after })
  for (const { type } of page.requests) console.log('page', type)
  after = page.next
}

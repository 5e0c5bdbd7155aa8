/** The events of Zeek's module Management::Controller::API (`policy/frameworks/management/controller/api.zeek`). */
import type { RequestArguments, RequestType } from '../../../schemas/api.js'
import type { ResultWithoutReqid } from '../../../schemas/types.js'
import type { ZeekEvent } from './message.js'
import { configuration, encodeResultData, result, type ResultRecord } from './management.js'
import { bool, record, setOf, text, vectorOf, type Form } from './record.js'
import { excerpt, FormatError } from './value.js'
import { requestTimedOut } from '../../errors.js'

/** Requests and responses both go over this topic. */
export const controllerTopic = 'zeek/management/controller'

const prefix = 'Management::Controller::API::'

type RequestRecord = { reqid: string } & RequestArguments

/** The arguments of each request event that Zeek has. What it does not know (`force`, selectors) stays behind. */
const requestForms = {
  get_instances: record({ reqid: text }),
  stage_configuration: record({ reqid: text, config: configuration }),
  get_configuration: record({ reqid: text, deployed: bool }),
  deploy: record({ reqid: text }),
  get_nodes: record({ reqid: text }),
  get_id_value: record({ reqid: text, id: text, nodes: setOf(text) }),
  restart: record({ reqid: text, nodes: setOf(text) }),
  test_timeout: record({ reqid: text, with_state: bool })
} satisfies Partial<Record<RequestType, Form<unknown>>>

/** The request types that Zeek has. */
export type ZeekRequestType = keyof typeof requestForms
export const zeekRequestTypes = Object.keys(requestForms) as ZeekRequestType[]
export function isZeeks(type: RequestType): type is ZeekRequestType {
  return Object.hasOwn(requestForms, type)
}

/** What an argument is that was not given. */
const defaults = { deployed: false, nodes: [], with_state: false }

const single = record({ reqid: text, result })
const several = record({ reqid: text, results: vectorOf(result) })
const withOneResult: ReadonlySet<ZeekRequestType> = new Set<ZeekRequestType>([
  'get_instances',
  'get_configuration',
  'test_timeout'
])

const typeOf = new Map(zeekRequestTypes.map(type => [`${prefix}${type}_request`, type]))

export interface ZeekRequest {
  type: ZeekRequestType
  reqid: string
  /** Of Zeek's types; our schemas may want more of them. */
  arguments: RequestArguments
}

/** The request that an event makes. Throws a FormatError when it makes none. */
export function decodeRequest({ name, args }: ZeekEvent): ZeekRequest {
  const type = typeOf.get(name)
  if (!type) throw new FormatError('event', `${excerpt(name)} is not a request`)
  const { reqid, ...rest } = (requestForms[type] as Form<RequestRecord>).decode(args, type)
  return { type, reqid, arguments: rest }
}

export function encodeRequest({ type, reqid, arguments: args }: ZeekRequest): ZeekEvent {
  return {
    name: `${prefix}${type}_request`,
    args: (requestForms[type] as Form<RequestRecord>).encode({ ...defaults, ...args, reqid })
  }
}

/** The response event of a request. Its results carry the same ID, whoever they are from. */
export function encodeResponse(
  type: ZeekRequestType,
  reqid: string,
  results: readonly ResultWithoutReqid[]
): ZeekEvent {
  const records = forZeekClient(type, results).map((outcome): ResultRecord => ({
    ...outcome,
    reqid,
    data: outcome.data && encodeResultData(outcome.data)
  }))
  const args = withOneResult.has(type)
    ? single.encode({ reqid, result: records[0] ?? { reqid, success: true } })
    : several.encode({ reqid, results: records })
  return { name: `${prefix}${type}_response`, args }
}

const hasOutputs = ({ data }: ResultWithoutReqid) => data?.stdout !== undefined || data?.stderr !== undefined
/** Its time is over, and it is in the middle of something. */
const isUnfinished = ({ error = '' }: ResultWithoutReqid) => error.startsWith('still ')

/** Why a node was not deployed, to one who is not told of which node that is said. */
function reasonOf(outcome: ResultWithoutReqid): string {
  const { instance = '', node = '', error = '', data } = outcome
  if (isUnfinished(outcome)) return `${requestTimedOut}: ${node} ${error}`
  if (error.startsWith(requestTimedOut) || error.includes(instance)) return error
  return data ? `${node}: ${error}` : `instance ${instance}: ${error}`
}

/**
 * zeek-client shows the error of a node only where the result names no instance (restart), or no node (deploy): an
 * instance that is not connected would go unmentioned. The outputs of a node that has ended do speak for it: as Zeek
 * has
 * it, it has no error beside them.
 */
function forZeekClient(type: ZeekRequestType, results: readonly ResultWithoutReqid[]): readonly ResultWithoutReqid[] {
  if (type === 'restart') return results.map(({ instance, ...rest }) => (rest.success ? { instance, ...rest } : rest))
  if (type !== 'deploy') return results
  const silent = results.filter(
    outcome => !outcome.success && outcome.node !== undefined && (!hasOutputs(outcome) || isUnfinished(outcome))
  )
  const reasons = new Map(
    silent.map(outcome => {
      const { instance } = outcome
      const error = reasonOf(outcome)
      return [`${instance} ${error}`, { success: false, instance, error }]
    })
  )
  return [
    ...reasons.values(),
    ...results.map(outcome => {
      const { error: _, ...rest } = outcome
      return hasOutputs(outcome) ? rest : outcome
    })
  ]
}

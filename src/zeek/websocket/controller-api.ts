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

/**
 * The arguments of each request event that Zeek has. Arguments that Zeek does not know (`force`, selectors) are not
 * sent.
 */
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

/** Values of arguments that were not given. */
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
  /** Arguments with Zeek's types; our schemas may require more of them. */
  arguments: RequestArguments
}

/** Parses the request in an event. Throws a FormatError when there is none. */
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

/** Returns the response event of a request. All its results carry the same ID, whatever instance they are from. */
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
/** Returns whether a node was in the middle of something when the time was over. */
const isUnfinished = ({ error = '' }: ResultWithoutReqid) => error.startsWith('still ')

/** Returns why a node was not deployed, for a reader who does not see which node the result is about. */
function reasonOf(outcome: ResultWithoutReqid): string {
  const { instance = '', node = '', error = '', data } = outcome
  if (isUnfinished(outcome)) return `${requestTimedOut}: ${node} ${error}`
  if (error.startsWith(requestTimedOut) || error.includes(instance)) return error
  return data ? `${node}: ${error}` : `instance ${instance}: ${error}`
}

/**
 * Adapts results to zeek-client: it shows the error of a node only where the result names no instance (restart), or no
 * node (deploy), so that an instance that is not connected would go unmentioned. The outputs of a node that has ended
 * suffice: as in Zeek, it then has no error beside them.
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

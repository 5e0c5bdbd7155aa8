import { useRef, useState } from 'preact/hooks'
import { uniqueId, type Refusal } from '../api.js'
import { api } from '../context.js'
import type { ClusterRequest, Schema } from '../model/types.js'

export interface Submission {
  /** The request that was accepted. */
  request: ClusterRequest | undefined
  isBusy: boolean
  /** Why it was refused, or did not arrive. */
  failure: Error | Refusal | undefined
  submit: (args: object) => Promise<ClusterRequest | undefined>
  reset: () => void
}

/**
 * Returns what submits requests of a type. The same intention has the same key, however often its button is pressed or
 * its answer is lost: it is done once. It is another one after `reset`, and once it was accepted.
 */
export function useSubmit(type: Schema['RequestType']): Submission {
  const key = useRef(uniqueId())
  const [request, setRequest] = useState<ClusterRequest>()
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Error>()
  const submit = async (args: object) => {
    setBusy(true)
    setFailure(undefined)
    try {
      const accepted = await post(type, args, key.current)
      key.current = uniqueId()
      setRequest(accepted)
      return accepted
    } catch (error) {
      // What is said of other arguments is another intention.
      if ('status' in (error as Error)) key.current = uniqueId()
      setFailure(error as Error)
      return undefined
    } finally {
      setBusy(false)
    }
  }
  const reset = () => {
    key.current = uniqueId()
    setRequest(undefined)
    setFailure(undefined)
  }
  return { request, isBusy, failure, submit, reset }
}

/** Submits a request. Throws a Refusal, or an Error when the controller was not reached. */
export async function post(
  type: string,
  args: object,
  key: string,
  { wait, signal }: { wait?: number; signal?: AbortSignal } = {}
): Promise<ClusterRequest> {
  const { data } = await (api.POST as PostAny)(`/v1/requests/${type}`, {
    params: { header: { 'Idempotency-Key': key, ...(wait === undefined ? {} : { Prefer: `wait=${wait}` }) } },
    body: args,
    ...(signal ? { signal } : {})
  })
  return data
}

type PostAny = (path: string, init: object) => Promise<{ data: ClusterRequest }>

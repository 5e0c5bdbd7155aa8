import { useRef, useState } from 'preact/hooks'
import { submit, type ClusterRequest, type RequestType } from '../../src/client/requests.js'
import { uniqueId, type Refusal } from '../api.js'
import { api } from '../context.js'

/** A change that is submitted as a request. */
export interface Submission<Args = object> {
  /** The request that was accepted. */
  request: ClusterRequest | undefined
  isBusy: boolean
  /** Why it was refused, or did not arrive. */
  failure: Error | Refusal | undefined
  submit: (args: Args) => Promise<ClusterRequest | undefined>
  reset: () => void
}

/** Returns what submits requests of a type. */
export const useSubmit = (type: RequestType): Submission =>
  useSubmission((args, key) => submit(api, type, args, { key }))

/**
 * Returns what submits requests, by `send`. The same intention has the same key, however often its button is pressed or
 * its answer is lost: it is done once. It is another one after `reset`, and once it was accepted.
 */
export function useSubmission<Args>(send: (args: Args, key: string) => Promise<ClusterRequest>): Submission<Args> {
  const key = useRef(uniqueId())
  const [request, setRequest] = useState<ClusterRequest>()
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Error>()
  const submitOnce = async (args: Args) => {
    setBusy(true)
    setFailure(undefined)
    try {
      const accepted = await send(args, key.current)
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
  return { request, isBusy, failure, submit: submitOnce, reset }
}

/** Returns what a refusal says of single fields. */
export const faultsIn = (failure: Submission['failure']): Refusal['errors'] =>
  failure && 'errors' in failure ? failure.errors : []

const waitSeconds = 30

/**
 * Asks what changes nothing. Returns the request once it is finished, or after 30 s. Throws a Refusal, or an Error when
 * the controller was not reached.
 */
export async function answerTo(type: RequestType, args: object, signal?: AbortSignal): Promise<ClusterRequest> {
  return await submit(api, type, args, { key: uniqueId(), wait: waitSeconds, signal })
}

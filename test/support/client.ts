import { EventSourceParserStream, type EventSourceMessage } from 'eventsource-parser/stream'
import type { Test } from 'tap'
import type { ClusterRequest, RequestType } from '../../schemas/api.js'

/** POSTs a request and returns it finished. */
export async function ask(url: string, type: RequestType, args: object = {}, query = ''): Promise<ClusterRequest> {
  const response = await fetch(`${url}/v1/requests/${type}${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: JSON.stringify(args)
  })
  const body = (await response.json()) as ClusterRequest
  if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(body)}`)
  return body
}

/** POSTs a request, and returns its id: its response is not waited for. */
export async function begin(url: string, type: RequestType, args: object = {}, query = ''): Promise<string> {
  const response = await fetch(`${url}/v1/requests/${type}${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(args)
  })
  return ((await response.json()) as ClusterRequest).reqid
}

export async function getJson(url: string, headers: Record<string, string> = {}): Promise<any> {
  return await (await fetch(url, { headers })).json()
}

/** The status and the JSON of an answer. */
export async function answerOf(response: Response): Promise<{ status: number; json: any }> {
  return { status: response.status, json: await response.json() }
}

export interface Stream {
  response: Response
  /** The next event, of the given name (or type of a domain event) where one is given. Undefined at the end. */
  next(name?: string): Promise<(EventSourceMessage & { json: any }) | undefined>
  /** Every event until the stream ends, or until (and with) the first that fits. */
  collect(last?: (json: any) => boolean): Promise<(EventSourceMessage & { json: any })[]>
  close(): void
}

/** Follows a stream of Server-Sent Events over a real socket. */
export async function openStream(t: Test, url: string, headers: Record<string, string> = {}): Promise<Stream> {
  const abort = new AbortController()
  const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: abort.signal })
  const close = () => abort.abort()
  t.teardown(close)
  const messages = response.body
    ?.pipeThrough(new TextDecoderStream() as any)
    .pipeThrough(new EventSourceParserStream())
    .getReader() as ReadableStreamDefaultReader<EventSourceMessage> | undefined
  const read = async () => {
    const { value } = (await messages?.read().catch(() => ({ value: undefined }))) ?? { value: undefined }
    return value && { ...value, json: JSON.parse(value.data) }
  }
  return {
    response,
    close,
    next: async name => {
      for (;;) {
        const event = await read()
        if (!event || name === undefined || event.event === name || event.json.type === name) return event
      }
    },
    collect: async last => {
      const events = []
      for (;;) {
        const event = await read()
        if (!event) return events
        events.push(event)
        if (last?.(event.json)) return events
      }
    }
  }
}

import { once } from 'node:events'
import { WebSocket } from 'ws'

/** What zeek-client subscribes to. */
const topic = 'zeek/management/controller'

/** Returns the text with which zeek-client asks what needs no arguments. */
export function requestOf(type: string, reqid: string): string {
  const of = (type: string, data: unknown) => ({ '@data-type': type, data })
  const name = `Management::Controller::API::${type}_request`
  return JSON.stringify({
    type: 'data-message',
    topic,
    ...of('vector', [
      of('count', 1),
      of('count', 1),
      of('vector', [of('string', name), of('vector', [of('string', reqid)])])
    ])
  })
}

/** Connects to the WebSocket API of a controller. Resolves once it has acknowledged that. */
export async function connect(port: number): Promise<{ socket: WebSocket; ack: string }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/messages/json`, { perMessageDeflate: false })
  await once(socket, 'open')
  socket.send(JSON.stringify([topic]))
  const [ack] = await once(socket, 'message')
  return { socket, ack: String(ack) }
}

/**
 * Returns the ID of the request that a message answers; undefined for another message. As every client reads it:
 * parsed. Throws for an answer that is no success.
 */
export function answered(text: string): string | undefined {
  const [name, args] = JSON.parse(text).data[2].data
  if (!name.data.endsWith('_response')) return undefined
  // One result, or one of each that was asked.
  const [result] = [args.data[1].data].flat()
  const { data: isSuccess } = result['@data-type'] === 'vector' ? result.data[1] : args.data[1].data[1]
  if (isSuccess !== true) throw new Error(`it has failed: ${text}`)
  return args.data[0].data
}

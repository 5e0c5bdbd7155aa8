import { get } from 'node:http'
import type { Share } from '../../../schemas/agent.js'
import { AppError, messageOf } from '../../errors.js'
import { hostPort } from '../../util.js'
import { metricsHostOf } from '../../zeek/layout.js'

const maxBytes = 4 * 1024 * 1024

/** What a metrics endpoint serves. */
export interface MetricsText {
  text: string
  content_type: string
}

/** Returns where a node of the share serves its metrics, as host:port; undefined when it does not. */
export function endpointOf({ layout }: Share, name: string): string | undefined {
  const node = layout.nodes.find(node => node.name === name)
  return node?.metrics_port === undefined ? undefined : hostPort(metricsHostOf(layout, node.host), node.metrics_port)
}

/** Reads a metrics endpoint, at most 4 MiB, within `timeoutMs`. Throws `unavailable`. */
export async function readEndpoint(endpoint: string, timeoutMs: number): Promise<MetricsText> {
  const url = `http://${endpoint}/metrics`
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    return await new Promise((resolve, reject) => {
      // A connection of its own: Zeek's server has a thread or two, and one that is kept open holds one of them.
      get(url, { agent: false, signal, headers: { accept: 'text/plain', 'accept-encoding': 'identity' } }, response => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          if ((length += chunk.length) > maxBytes) response.destroy(new Error(`it is larger than ${maxBytes} bytes`))
        })
        response.once('error', reject)
        response.once('end', () =>
          response.statusCode === 200
            ? resolve({
                text: Buffer.concat(chunks).toString(),
                content_type: response.headers['content-type'] ?? 'text/plain'
              })
            : reject(new Error(`it answers ${response.statusCode}`))
        )
      }).once('error', reject)
    })
  } catch (error) {
    throw new AppError(
      'unavailable',
      `${url} cannot be read: ${signal.aborted ? `no answer within ${timeoutMs / 1000} s` : messageOf(error)}`,
      { cause: error }
    )
  }
}

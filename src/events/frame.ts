import type { ControlEvent, LoggedEvent } from '../../schemas/events.js'
import { formatCursor } from './cursor.js'

/**
 * How events look on the wire. Data is always one line of JSON and ids are ours alone, so that nothing that anyone
 * names can forge a frame.
 */
export interface Format {
  name: string
  event (event: LoggedEvent, epoch: string): string
  control (event: ControlEvent): string
}

function withPlace ({ body, seq, time }: LoggedEvent, epoch: string): string {
  return `${body.slice(0, -1)},"cursor":"${formatCursor(epoch, seq)}","time":"${new Date(time).toISOString()}"}`
}

/** Server-Sent Events. Domain events have no name, so that `onmessage` sees exactly them. */
export const sse: Format = {
  name: 'sse',
  event: (event, epoch) => `id: ${formatCursor(epoch, event.seq)}\ndata: ${withPlace(event, epoch)}\n\n`,
  control: event => {
    // Only a heartbeat moves the cursor of a client: by then all before it was delivered.
    const id = event.type === 'heartbeat' ? `id: ${event.cursor}\n` : ''
    return `event: ${event.type}\n${id}data: ${JSON.stringify(event)}\n\n`
  }
}

/** One JSON object a line, control events among them. */
export const ndjson: Format = {
  name: 'ndjson',
  event: (event, epoch) => `${withPlace(event, epoch)}\n`,
  control: event => `${JSON.stringify(event)}\n`
}

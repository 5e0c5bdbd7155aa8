import type { ControlEvent, LoggedEvent } from '../../schemas/events.js'

/**
 * How events look on the wire. Data is always one line of JSON and ids are created only here, so that no name chosen by
 * others can forge a frame.
 */
export interface Format {
  name: string
  event(event: LoggedEvent, cursor: string): string
  control(event: ControlEvent): string
}

/** Returns an event with its place in the log, as a JSON text. */
export function withPlace({ body, time }: Pick<LoggedEvent, 'body' | 'time'>, cursor: string): string {
  return `${body.slice(0, -1)},"cursor":"${cursor}","time":"${new Date(time).toISOString()}"}`
}

/** Server-Sent Events. Domain events have no name, so that `onmessage` sees exactly them. */
export const sse: Format = {
  name: 'sse',
  event: (event, cursor) => `id: ${cursor}\ndata: ${withPlace(event, cursor)}\n\n`,
  control: event => {
    const { type } = event
    // Only a heartbeat advances the cursor of a client: by then everything before it was delivered.
    const id = type === 'heartbeat' ? `id: ${event.cursor}\n` : ''
    // Clients reconnect after different pauses, so that they do not all reconnect at once. Some take a block of its
    // own for an event.
    const retry = type === 'hello' ? `retry: ${2000 + Math.floor(Math.random() * 3000)}\n` : ''
    return `event: ${type}\n${retry}${id}data: ${JSON.stringify(event)}\n\n`
  }
}

/** One JSON object per line, including control events. */
export const ndjson: Format = {
  name: 'ndjson',
  event: (event, cursor) => `${withPlace(event, cursor)}\n`,
  control: event => `${JSON.stringify(event)}\n`
}

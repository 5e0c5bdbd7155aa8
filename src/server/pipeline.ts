import type { Server } from 'node:http'

/**
 * Has every response emit `close`. When a connection ends, Node drops queued responses, those that wait because an
 * earlier request on the same connection is not answered yet, without emitting it.
 */
export function emitCloseOfQueuedResponses(server: Server): void {
  server.on('request', ({ socket }, response) => {
    if (response.socket) return
    const end = () => {
      if (!response.socket) response.emit('close')
    }
    socket.setMaxListeners(0).once('close', end)
    response.once('close', () => socket.off('close', end))
  })
}

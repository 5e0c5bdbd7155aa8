import type { Server } from 'node:http'

/**
 * Has every response tell of its end. Node has one whose turn has not come, because an earlier request on the same
 * connection is not answered yet, forgotten without a word when the connection ends.
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

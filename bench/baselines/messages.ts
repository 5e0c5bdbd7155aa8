/**
 * The yardstick of the WebSocket API: a server that does nothing. It acknowledges the first message of a client, and
 * sends for each other one the frames that a controller would, from a constant: the response to all, the request to the
 * others. Its arguments are the texts of the frames.
 */
import { once } from 'node:events'
import { WebSocket, WebSocketServer } from 'ws'

const [ack = '', response = ''] = process.argv.slice(2)

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
const clients = new Set<WebSocket>()
server.on('connection', socket => {
  const answers = new Map<string, string>()
  socket.once('message', () => {
    socket.send(ack)
    clients.add(socket)
    socket.on('message', (data: Buffer) => {
      const request = data.toString()
      const [reqid] = /bench-\d+-\d+/.exec(request)!
      // A client uses a few, again and again.
      const answer = answers.get(reqid) ?? response.replaceAll('REQID', reqid)
      answers.set(reqid, answer)
      for (const client of clients) {
        if (client !== socket) client.send(request)
        client.send(answer)
      }
    })
  })
  socket.on('close', () => clients.delete(socket))
})
await once(server, 'listening')
process.send!((server.address() as { port: number }).port)
process.on('disconnect', () => process.exit())

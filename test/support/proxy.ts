import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A network between clients and a server, that can fail. */
export interface Proxy {
  port: number
  /** How many connections there have been. */
  connections: number
  /** Cuts all connections. */
  cut(): void
  /** Lets no byte through any more in the connections that there are; new ones are as good as ever. */
  swallow(): void
  /** Called with what the server sends, before it is passed on. */
  onData: (chunk: Buffer) => void
}

/** Starts a proxy in front of a port of this host. */
export async function startProxy(t: Test, target: number): Promise<Proxy> {
  const pairs = new Set<{ client: Socket; server: Socket; isMute: boolean }>()
  const proxy: Proxy = {
    port: 0,
    connections: 0,
    onData: () => {},
    cut: () => {
      for (const { client, server } of pairs) {
        client.resetAndDestroy()
        server.destroy()
      }
      pairs.clear()
    },
    swallow: () => {
      for (const pair of pairs) pair.isMute = true
    }
  }
  const listener = createServer(client => {
    proxy.connections++
    const pair = { client, server: connect(target, '127.0.0.1'), isMute: false }
    pairs.add(pair)
    const { server } = pair
    client.on('data', chunk => {
      if (!pair.isMute) server.write(chunk)
    })
    server.on('data', chunk => {
      proxy.onData(chunk)
      if (!pair.isMute && !client.destroyed) client.write(chunk)
    })
    for (const [one, other] of [
      [client, server],
      [server, client]
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => {
        if (!pair.isMute) other.destroy()
        pairs.delete(pair)
      })
    }
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  proxy.port = (listener.address() as AddressInfo).port
  t.teardown(() => {
    proxy.cut()
    listener.close()
  })
  return proxy
}

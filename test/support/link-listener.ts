import type { Test } from 'tap'
import { agentPath } from '../../schemas/agent.js'
import { listen } from '../../src/link/websocket.js'
import type { Transport } from '../../src/link/transport.js'
import { freePorts } from './ports.js'

/**
 * Listens for links, as an agent or a controller does, and asks nobody who it is. On a free port, unless one is given;
 * until the end of the test, unless it is closed before.
 */
export async function listenForLinks(t: Test, onTransport: (transport: Transport) => void, given?: number) {
  const port = given ?? (await freePorts(1))[0]!
  const listener = await listen({ host: '127.0.0.1', port, path: agentPath, admit: () => {}, onTransport })
  t.teardown(() => listener.close())
  return { port, address: `127.0.0.1:${port}`, close: () => listener.close() }
}

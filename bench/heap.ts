import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

/** Where Node opens its inspector when it gets SIGUSR1. */
const inspector = 'http://127.0.0.1:9229/json/list'

/** What is left on the heap of another Node process and beside it after a full collection, in bytes. */
export async function liveOf(pid: number): Promise<number> {
  process.kill(pid, 'SIGUSR1')
  let found: { webSocketDebuggerUrl: string }[] | undefined
  for (let n = 0; n < 50 && !found; n++) {
    await sleep(50)
    found = await fetch(inspector).then(
      async response => (await response.json()) as typeof found,
      () => undefined
    )
  }
  if (!found) throw new Error(`there is no inspector at ${inspector}`)
  const socket = new WebSocket(found[0]!.webSocketDebuggerUrl)
  await once(socket, 'open')
  let id = 0
  const ask = async (method: string, params: object = {}): Promise<any> => {
    socket.send(JSON.stringify({ id: ++id, method, params }))
    for (;;) {
      const answer = JSON.parse(String((await once(socket, 'message'))[0]))
      if (answer.id === id) return answer.result
    }
  }
  try {
    // What one collection finds to be unused may let go of more.
    for (let n = 0; n < 3; n++) await ask('HeapProfiler.collectGarbage')
    const expression = '(({ heapUsed, external }) => [process.pid, heapUsed + external])(process.memoryUsage())'
    const [of, bytes] = (await ask('Runtime.evaluate', { expression, returnByValue: true })).result.value
    if (of !== pid) throw new Error('another process has its inspector open')
    return bytes
  } finally {
    socket.terminate()
  }
}

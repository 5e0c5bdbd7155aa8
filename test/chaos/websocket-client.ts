import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { encodeRequest } from '../../src/zeek/websocket/controller-api.js'
import { encodeEvent } from '../../src/zeek/websocket/message.js'
import { openClient, read, topic } from '../support/zeek-websocket.js'
import { errand, type Config } from './errands.js'
import type { Dice, Run } from './run.js'

/** One connection as zeek-client has it, until it is lost: asks now and then, and hears of everyone's requests. */
export async function chat(
  t: Pick<Test, 'teardown'>,
  run: Run,
  port: number,
  name: string,
  dice: Dice,
  config: Config
): Promise<void> {
  const client = await openClient(t, port, undefined, { headers: run.headers('operator') }).catch(() => undefined)
  if (!client) return
  const connection = run.name(name)
  const heard = (async () => {
    for (let message = await client.next(); message !== undefined; message = await client.next()) {
      if (message.type !== 'data-message') {
        run.faults.push(`${connection} was sent ${JSON.stringify(message)}`)
        continue
      }
      const [event, reqid, ...rest] = read(message)
      run.add({
        kind: 'frame',
        client: connection,
        name: event,
        reqid,
        ...(event.endsWith('_response') ? { texts: textsOf(rest) } : {})
      })
    }
  })()
  while (client.socket.readyState === client.socket.OPEN && run.isOn && !dice.chance(0.002)) {
    const { type, args, mark } = errand(run, dice, config)
    const id = run.name(connection)
    run.add({ kind: 'ask', client: connection, id, type, ...(mark === undefined ? {} : { mark }) })
    client.send(encodeEvent(topic, encodeRequest({ type, reqid: id, arguments: args })))
    await sleep(dice.between(50, 300))
  }
  client.socket.close()
  await heard
}

/** Short ones only: what is said of what went wrong. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return value.length < 100 ? [value] : []
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

import { Gathered, type Notification } from '../../src/notify/group.js'
import type { Occurrence } from '../../src/notify/occurrence.js'

export const occurrence = (seq: number, more: Partial<Occurrence> = {}): Occurrence => ({
  seq,
  time: seq * 1000,
  type: 'notify_change',
  severity: 'error',
  text: `thing ${seq}`,
  ...more
})

/** A notification of these. */
export function notificationOf(...occurrences: readonly Occurrence[]): Notification {
  const gathered = new Gathered({ rule: 'r', sink: 's' })
  for (const one of occurrences) gathered.add(one)
  return gathered.notification
}

export const teller = { source: 'controller', cursorOf: (seq: number) => `k.${seq}` }

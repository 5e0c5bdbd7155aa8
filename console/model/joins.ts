import { plain } from './format.js'
import type { Schema } from './types.js'

export type Join = Schema['Join']
export type JoinVerb = 'accept' | 'deny'

/** Returns the hosts that wait for an operator. */
export const waitingOf = (joins: readonly Join[]): Join[] => joins.filter(({ status }) => status === 'pending')

/** Returns what it means to accept or deny a host, in lines. */
export function effectsOfJoin(verb: JoinVerb, { name, address }: Join): string[] {
  if (verb === 'deny') {
    return [`The host at ${plain(address)} gets no certificate. To ask again it needs another key.`]
  }
  return [
    `The host at ${plain(address)} becomes agent ${plain(name)}: it may run what is deployed to that, and tell of it.`,
    'Compare the fingerprint with that which the host shows: another one is not this host.'
  ]
}

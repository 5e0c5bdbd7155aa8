import { maskedIdValue } from '../../security/secrets.js'
import { hide, hideHalves, secretsOf } from '../../security/secret-values.js'
import type { ManagedNode } from './managed-node.js'

type Keeper = Pick<ManagedNode, 'node' | 'program' | 'isSecret' | 'runtimeOptions'>

/** Returns the options of a node, and all of its environment: what it inherits may be secret, too. */
const belongings = ({ node: { env, options }, program, runtimeOptions }: Keeper) => ({
  env: { ...program.env, ...env },
  options: { ...options, ...Object.fromEntries(runtimeOptions.map(({ name, value }) => [name, value])) }
})

/** Returns what is secret of a node. */
export function secretsIn(node: Keeper): string[] {
  return secretsOf(belongings(node), node.isSecret)
}

/** Returns a text with the secrets of a node masked. */
export function hidden(node: Keeper, text: string): string {
  return hide(text, secretsIn(node))
}

/** Returns a text that was cut, or what is left of it, with the secrets of a node masked. */
export function hiddenCut(node: Keeper, text: string): string {
  return hideHalves(text, secretsIn(node))
}

/** Returns the value of an identifier, a JSON text, with its secrets and those of its node masked. */
export function hiddenValue(node: Keeper, id: string, value: string): string {
  return maskedIdValue(id, value, belongings(node), node.isSecret)
}

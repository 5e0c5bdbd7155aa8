import type { ClusterNode } from '../../schemas/types.js'
import { looksSecret, type IsSecret } from './secret-names.js'

/** What is shown in place of a secret. */
export const mask = '********'

/** Whoever has secrets: a node, or what stands for it. */
export type Keeper = Pick<ClusterNode, 'env' | 'options'>

/** Shorter secrets cannot be distinguished from other words. */
const secretLength = 6
/** Shorter halves of a secret neither; longer ones are not looked for. */
const halfLength = { min: 3, max: 16_384 }

/**
 * Returns the texts that are secret of a node, the longest first: the values, their lines, the strings in them, and
 * each as it is written on a command line or in JSON.
 */
export function secretsOf({ env = {}, options = {} }: Keeper, isSecret: IsSecret = looksSecret): string[] {
  const forms = [...Object.entries(env), ...Object.entries(options)]
    .filter(([name]) => isSecret(name))
    .flatMap(([, value]) => [value, ...[...value.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, text]) => text!)])
    .flatMap(text => [text, text.replace(/\\(.)/gs, '$1')])
    // What is printed may be cut between two lines.
    .flatMap(text => [text, ...text.split(/\r?\n/)])
    .flatMap(text => [
      text,
      JSON.stringify(text).slice(1, -1),
      text.replace(/[;#@]/g, mark => `\\x${mark.charCodeAt(0).toString(16)}`)
    ])
  return [...new Set(forms)].filter(text => text.length >= secretLength).sort((a, b) => b.length - a.length)
}

/** Returns a text with these secrets masked, wherever they appear. */
export function hide(text: string, secrets: readonly string[]): string {
  return secrets.reduce((masked, secret) => masked.replaceAll(secret, mask), text)
}

/** Returns a text that was cut with these secrets masked, also where half of one is left at an end. */
export function hideHalves(text: string, secrets: readonly string[]): string {
  const whole = hide(text, secrets)
  // A character that was cut has become U+FFFD.
  let [start, end] = [0, whole.length]
  while (whole[start] === '\ufffd') start++
  while (end > start && whole[end - 1] === '\ufffd') end--
  let masked = whole.slice(start, end)
  for (const secret of secrets) {
    const longest = Math.min(secret.length - 1, masked.length, halfLength.max)
    for (let length = longest; length >= halfLength.min; length--) {
      if (masked.endsWith(secret.slice(0, length))) masked = masked.slice(0, -length) + mask
      if (masked.startsWith(secret.slice(-length))) masked = mask + masked.slice(length)
    }
  }
  return whole.slice(0, start) + masked + whole.slice(end)
}

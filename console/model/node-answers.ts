import { compareNames } from './cluster.js'
import type { RequestResult } from './types.js'
import type { Tone } from './states.js'

/** What a node has answered to a change. */
export interface NodeAnswer {
  node: string
  instance: string
  tone: Tone
  /** What it has now, or why it has not changed. */
  text: string
}

/**
 * Returns what nodes have answered: first what has failed, and what few say before what many do. `told`: says what a
 * value means, and what it means that a node has none.
 */
export function answersOf(
  results: readonly RequestResult[],
  told: (value: string | undefined) => string
): NodeAnswer[] {
  const answers = results.flatMap(({ success, node, instance = '', error = 'failed', data }): NodeAnswer[] => {
    if (node === undefined) return []
    if (!success) return [{ node, instance, tone: 'bad', text: error }]
    return [{ node, instance, tone: data?.value === undefined ? 'quiet' : 'good', text: told(data?.value) }]
  })
  const counts = new Map<string, number>()
  for (const { text } of answers) counts.set(text, (counts.get(text) ?? 0) + 1)
  const rank = ({ tone, text }: NodeAnswer) => (tone === 'bad' ? 0 : results.length) + counts.get(text)!
  return answers.sort((a, b) => rank(a) - rank(b) || compareNames(a.node, b.node))
}

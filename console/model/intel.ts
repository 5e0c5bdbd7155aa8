import { bytes, counted, plain } from './format.js'
import type { Node, Schema } from './types.js'

export type Feed = Schema['IntelFeed']

/** A change of a feed of intelligence, as it is asked for. */
export interface FeedChange {
  type: 'set_intel' | 'unset_intel'
  name: string
}

/** Returns what a feed holds, as `1312 indicators, 79.4 KiB`. */
export const amountOf = ({ indicators, size }: Pick<Feed, 'indicators' | 'size'>): string =>
  `${counted(indicators, 'indicator')}, ${bytes(size)}`

/** Returns what a manager has answered to a change: how many indicators it has read, or that it has none. */
export const toldOfFeed = (value: string | undefined): string =>
  value === undefined ? 'none of it' : counted(Number(value), 'indicator')

/** Returns what a change is called, as `Set feed tor-exits`. */
export const titleOfFeedChange = ({ type, name }: FeedChange): string => {
  const verb = type === 'set_intel' ? 'Set' : 'Unset'
  return name === '' ? `${verb} a feed` : `${verb} feed ${plain(name)}`
}

/**
 * Returns a name for the feed of a file, as `tor-exits` of `tor exits.intel`; empty where the file's has nothing for
 * it.
 */
export const nameOfFile = (file: string): string =>
  file
    .replace(/\.[^.]*$/, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[.-]+|-+$/g, '')
    .slice(0, 64)

/** Returns what a change would do, line by line. `feeds`: those that are set; `nodes`: all that there are. */
export function effectsOfFeed(
  { type, name }: FeedChange,
  feeds: readonly Feed[],
  nodes: Iterable<readonly Node[]>
): string[] {
  const before = feeds.find(feed => feed.name === name)
  const now = before === undefined ? [] : [`It has ${amountOf(before)} now.`]
  const runs = [...nodes].flat().some(({ cluster_role: role, state }) => role === 'MANAGER' && state === 'RUNNING')
  if (type === 'unset_intel') {
    return [
      ...now,
      runs
        ? 'The manager removes its indicators at once, without a restart, unless another feed has them, too.'
        : 'No manager runs: one that is started does not read it.'
    ]
  }
  return [
    ...now,
    ...(before ? ['What the new file has no more is removed, unless another feed has it, too.'] : []),
    runs
      ? 'The manager reads it at once, without a restart, and tells the workers; when it refuses it, nothing is changed.'
      : 'No manager runs: without one that reads it this fails.',
    'It is kept until it is unset, whatever is deployed or restarted.'
  ]
}

import type { Notification } from './group.js'

/** What is not the notification's own: who tells, and how a place in the log is written. */
export interface Teller {
  /** The name of the controller. */
  source: string
  cursorOf: (seq: number) => string
}

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`

/** Returns a notification in one line. */
export function titleOf({ count, counts, occurrences, missed, test }: Notification): string {
  if (missed !== undefined) return `${plural(missed, 'event')} of the log were gone before they could be told`
  if (test || count === 1) return occurrences[0]!.text
  const { error = 0, warning = 0, info = 0, over = 0 } = counts
  const parts = [
    error > 0 && plural(error, 'error'),
    warning > 0 && plural(warning, 'warning'),
    info > 0 && `${info} of information`,
    over > 0 && `${over} over`
  ]
  return parts.filter(part => part !== false).join(', ')
}

/** Returns what has happened, a line for each, with its time. */
export function linesOf({ count, occurrences, missed }: Notification): string[] {
  const rest = count - occurrences.length
  return [
    ...(missed === undefined
      ? []
      : ['They were older than what the controller keeps. What they were, nobody was told: look at the cluster.']),
    ...occurrences.map(({ time, severity, over, text }) => {
      const clock = new Date(time)
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z')
      return `${clock} ${over ? 'over' : severity}: ${text}`
    }),
    ...(rest > 0 ? [`and ${rest} more`] : [])
  ]
}

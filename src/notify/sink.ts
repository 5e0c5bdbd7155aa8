import type { NotificationSink } from '../../schemas/notifications.js'
import type { Notification } from './group.js'
import { oneLine } from './one-line.js'

/** What has come of an attempt to tell a sink. */
export interface Outcome {
  /**
   * taken: it is told. failed: it may be tried again. refused: the sink says that it will never take this one.
   */
  state: 'taken' | 'failed' | 'refused'
  /** What the sink has said, or why there is no answer of it: one line. */
  detail: string
  /** In how many milliseconds it may be tried again at the earliest, as the sink has said. */
  retryAfterMs?: number
}

/** Where notifications go. */
export interface Sink {
  /** What is shown of it: nothing that may be secret. */
  readonly shown: Pick<NotificationSink, 'name' | 'kind' | 'target' | 'template' | 'signed' | 'headers'>
  /** Tells it once. Never rejects, and ends in a bounded time. */
  deliver(notification: Notification, signal: AbortSignal): Promise<Outcome>
}

/** The longest that is kept of what a sink says. */
export const answerLength = 300

/** Returns what a sink has said as one line, without control characters. */
export const asLine = (text: string): string => oneLine(text).slice(0, answerLength)

import type { Template } from '../../schemas/notifications.js'
import { cut } from '../../schemas/cut.js'
import { defined } from '../util.js'
import type { Notification } from './group.js'
import { linesOf, titleOf, type Teller } from './words.js'

/** Returns the body that a webhook is sent. */
export function bodyOf(template: Template, notification: Notification, teller: Teller): string {
  return JSON.stringify(forms[template](notification, teller))
}

const forms: Record<Template, (notification: Notification, teller: Teller) => object> = { json, slack, teams }

/** As JSON for programs, which commands get, too. */
export function json(notification: Notification, { source, cursorOf }: Teller): object {
  const { id, rule, sink, severity, count, counts, from, until, occurrences, missed, test } = notification
  return {
    type: test ? 'notification.test' : 'notification',
    timestamp: iso(until),
    data: {
      id,
      source,
      rule,
      sink,
      severity,
      title: titleOf(notification),
      count,
      counts,
      from: iso(from),
      until: iso(until),
      occurrences: occurrences.map(({ seq, time, ...rest }) => ({
        time: iso(time),
        ...(test ? {} : { cursor: cursorOf(seq) }),
        ...rest
      })),
      ...defined({ missed })
    }
  }
}

const iso = (time: number) => new Date(time).toISOString()

const marks = { error: '\u{1F534}', warning: '\u{1F7E0}', info: '\u{1F535}', over: '\u{1F7E2}' } as const

/** Returns the mark of how bad a notification is: whether all that it tells of is over. */
function markOf({ severity, count, counts }: Notification): string {
  return count > 0 && counts.over === count ? marks.over : marks[severity]
}

/** For Slack: texts of others are plain there, so that nothing in them is a link, or addresses anybody. */
function slack(notification: Notification, { source }: Teller): object {
  const title = `${markOf(notification)} ${titleOf(notification)}`
  const escaped = title.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const plain = (text: string, max: number) => ({ type: 'plain_text', text: cut(text, max), emoji: false })
  return {
    text: cut(escaped, 3000),
    blocks: [
      { type: 'header', text: plain(title, 150) },
      ...chunksOf(linesOf(notification), 2900).map(text => ({ type: 'section', text: plain(text, 2950) })),
      { type: 'context', elements: [plain(`${source}, rule ${notification.rule}`, 300)] }
    ]
  }
}

/** How many bytes of lines a card has: with all that is around them it must not have more than 28 KB. */
const teamsBytes = 20_000

/** For a workflow of Teams: an adaptive card. Its texts are Markdown, so that what others have written is escaped. */
function teams(notification: Notification, { source }: Teller): object {
  const block = (text: string, more: object = {}) => ({ type: 'TextBlock', text: markdown(text), wrap: true, ...more })
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [
            block(`${markOf(notification)} ${cut(titleOf(notification), 300)}`, { weight: 'bolder', size: 'medium' }),
            ...fitting(linesOf(notification)).map(line => block(line, { spacing: 'small' })),
            block(`${source}, rule ${notification.rule}`, { isSubtle: true, size: 'small' })
          ]
        }
      }
    ]
  }
}

/** Returns the lines for which there is room in a card, and how many are left out. */
function fitting(lines: readonly string[]): string[] {
  let left = teamsBytes
  const fit = lines.filter(line => (left -= Buffer.byteLength(JSON.stringify(markdown(line)))) > 0)
  return fit.length === lines.length ? fit : [...fit, `and ${lines.length - fit.length} lines more, which are too long`]
}

const markdown = (text: string) => text.replace(/[\\`*_{}[\]()#+!|<>~-]/g, '\\$&')

/** Returns lines joined to texts that are no longer than that. */
function chunksOf(lines: readonly string[], max: number): string[] {
  const chunks: string[] = []
  for (const line of lines) {
    const last = chunks.at(-1)
    if (last !== undefined && last.length + line.length < max) chunks[chunks.length - 1] = `${last}\n${line}`
    else chunks.push(cut(line, max))
  }
  return chunks
}

import type { Notification } from './group.js'
import { oneLine } from './one-line.js'
import { linesOf, titleOf, type Teller } from './words.js'

/** The longest line of a header, and of a body in base64. */
const lineLength = 76
/** How many bytes an encoded word of a subject has at most: with what is around it, it fits a line. */
const wordBytes = 42

/**
 * Returns a notification as a mail, as sendmail takes it on its standard input. What others have written is encoded, so
 * that none of it ends a header or the mail.
 */
export function mailOf(
  notification: Notification,
  { from, to }: { from: string; to: readonly string[] },
  { source }: Teller,
  now: number
): string {
  const { id, rule, severity } = notification
  const domain = from.includes('@') ? from.slice(from.indexOf('@') + 1) : 'localhost'
  const text = [titleOf(notification), '', ...linesOf(notification), '', `${source}, rule ${rule}`, ''].join('\n')
  return [
    `From: ${from}`,
    ...to.map((address, at) => `${at === 0 ? 'To: ' : '    '}${address}${at < to.length - 1 ? ',' : ''}`),
    `Subject: ${subjectOf(`[zeek] ${severity}: ${titleOf(notification)}`)}`,
    `Date: ${new Date(now).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${id}@${domain}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    ...(Buffer.from(text)
      .toString('base64')
      .match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? []),
    ''
  ].join('\n')
}

/** Returns a text as a header has it: as encoded words, one a line, unless it is short and plain. */
function subjectOf(text: string): string {
  const line = [...oneLine(text)].slice(0, 200).join('')
  if (line.length < 60 && /^[ -~]*$/.test(line) && !line.includes('=?')) return line
  const words: string[] = ['']
  for (const character of line) {
    if (Buffer.byteLength(words.at(-1)! + character) > wordBytes) words.push('')
    words[words.length - 1] += character
  }
  return words.map(word => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join('\n ')
}

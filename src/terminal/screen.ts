import pc from 'picocolors'
import stringWidth from 'string-width'

/** Where a command writes: what there is to know of the terminal, if it is one. */
export interface Screen {
  /** Columns of the terminal; undefined where the output is no terminal, and lines may be as long as they are. */
  columns: number | undefined
  rows: number
  /** Whether lines can be drawn anew. */
  isLive: boolean
  style: Style
  symbols: typeof unicode
}

export type Tone = 'good' | 'bad' | 'warning' | 'quiet' | 'strong'
export type Style = (tone: Tone, text: string) => string

const unicode = {
  done: '✔',
  failed: '✖',
  waiting: '·',
  ellipsis: '…',
  bar: ['█', '░'] as readonly [string, string],
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as readonly string[]
}
const ascii: typeof unicode = {
  done: '+',
  failed: 'x',
  waiting: '.',
  ellipsis: '~',
  bar: ['#', '-'],
  spinner: ['|', '/', '-', '\\']
}

/** The parts of a stream that are looked at. */
interface Output {
  isTTY?: boolean
  columns?: number
  rows?: number
}

/** Returns what can be shown on an output. Colours are only for terminals, and never where `NO_COLOR` is set. */
export function screenOf({ isTTY = false, columns, rows }: Output, env: NodeJS.ProcessEnv): Screen {
  const isLive = isTTY && env['TERM'] !== 'dumb'
  const isUtf8 = /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '')
  return {
    // A terminal that nobody has given a size says 0.
    columns: isTTY ? columns || 80 : undefined,
    rows: rows || 24,
    isLive,
    style: styleOf(isLive && !env['NO_COLOR']),
    symbols: isUtf8 ? unicode : ascii
  }
}

function styleOf(hasColours: boolean): Style {
  const colours = pc.createColors(hasColours)
  const tones: Record<Tone, (text: string) => string> = {
    good: colours.green,
    bad: colours.red,
    warning: colours.yellow,
    quiet: colours.dim,
    strong: colours.bold
  }
  return (tone, text) => tones[tone](text)
}

/**
 * What would move the cursor, change colours, or turn the direction of a text: C0 without tab and line feed, DEL, C1,
 * and what the Unicode Bidirectional Algorithm (section 2) takes for directions.
 */
const hostile =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Returns a text from elsewhere as it can be shown: with what is hostile to a terminal written out. Line ends stay. */
export function printable(text: string): string {
  return text.replace(hostile, character => (character === '\r' ? '' : escaped(character)))
}

/** Returns a value as JSON that can be shown, too: what is hostile to a terminal is escaped, as JSON allows. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(hostile, escaped)
}

/** As `printable`, in one line. */
export const printableLine = (text: string): string => printable(text).replace(/\s+/g, ' ').trim()

/** Returns a text of at most so many columns: of a longer one its beginning, and a sign that there is more. */
export function cutTo(text: string, width: number, { symbols: { ellipsis } }: Pick<Screen, 'symbols'>): string {
  if (stringWidth(text) <= width) return text
  let cut = ''
  let room = width - stringWidth(ellipsis)
  for (const { segment } of graphemes.segment(text)) {
    room -= stringWidth(segment)
    if (room < 0) break
    cut += segment
  }
  return `${cut}${ellipsis}`
}

const graphemes = new Intl.Segmenter()

import pc from 'picocolors'

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
export function screenOf({ isTTY = false, columns = 80, rows = 24 }: Output, env: NodeJS.ProcessEnv): Screen {
  const isLive = isTTY && env['TERM'] !== 'dumb'
  const isUtf8 = /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '')
  return {
    columns: isTTY ? columns : undefined,
    rows,
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
 * Returns a text from elsewhere as it can be shown: with what would move the cursor, change colours, or turn the
 * direction of the text written out. Line ends stay.
 */
export function printable(text: string): string {
  return text.replace(
    // C0 without tab and line feed, DEL, C1; and what changes the direction (Unicode Bidirectional Algorithm, 2).
    // eslint-disable-next-line no-control-regex
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    character => (character === '\r' ? '' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  )
}

/** As `printable`, in one line. */
export const printableLine = (text: string): string => printable(text).replace(/\s+/g, ' ').trim()

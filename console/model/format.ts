/** Texts for numbers and times. */

const two = (value: number) => String(value).padStart(2, '0')

/** Returns the offset of the viewer's zone at a time, as `UTC+01:00`. */
export function offsetAt(date: Date): string {
  const minutes = -date.getTimezoneOffset()
  const size = Math.abs(minutes)
  return `UTC${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`
}

/** Returns a time of day in the viewer's zone, as `14:48:56`. */
export function clock(time: string | number): string {
  const date = new Date(time)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** Returns a day and time in the viewer's zone, as `2026-11-22 14:48:56`. */
export function dayAndClock(time: string | number): string {
  const date = new Date(time)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(time)}`
}

/** Returns a time of today as its clock, another one with its day. */
export function clockOrDay(time: string | number, now: number): string {
  const isToday = new Date(time).toDateString() === new Date(now).toDateString()
  return isToday ? clock(time) : dayAndClock(time)
}

/** Returns a time exactly, as `2026-11-22 14:48:56.123 UTC+01:00`. */
export function exact(time: string | number): string {
  const date = new Date(time)
  return `${dayAndClock(time)}.${String(date.getMilliseconds()).padStart(3, '0')} ${offsetAt(date)}`
}

/** Returns how long something is, from seconds, as `45 s`, `12 min`, `3 h 20 min`, `5 d 2 h`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return hours % 24 === 0 ? `${Math.floor(hours / 24)} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** Returns how long ago a time was, as `12 s ago`. */
export const ago = (time: string | number, now: number): string =>
  `${span((now - new Date(time).getTime()) / 1000)} ago`

/** Returns a count that may be large, as `61.0k`. */
export function count(value: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3]
  ] as const) {
    if (Math.abs(value) >= size) return `${(value / size).toFixed(1)}${unit}`
  }
  return String(Math.round(value))
}

/** Returns an amount of memory, as `260 MiB`. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let size = value
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`
}

/** Returns how much of a file is sent, as `12 MiB of 40 MiB, 30%`. Both in bytes. */
export function sentText(sent: number, size: number): string {
  if (sent >= size) return 'All of it is sent: the controller reads the rest.'
  return `${bytes(sent)} of ${bytes(size)}, ${Math.floor((sent / size) * 100)}%`
}

/** Returns a share, as `0.5%`; 0 only for none. */
export function percent(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.1) return '<0.1%'
  return `${value >= 100 ? Math.round(value) : value.toFixed(value % 1 === 0 ? 0 : 1)}%`
}

/** Returns a number of things, as `1 node`, `3 nodes`. */
export const counted = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

/** Returns a duration below a second or so, from seconds, as `12 ms`. */
export const lag = (seconds: number): string =>
  seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`

/** Controls but tab and newline; and what is invisible, or changes the direction of the text around it. */
const invisible = /(?![\t\n])[\p{Cc}\p{Cf}\u2028\u2029]/gu

/** Returns a text of others as it may be shown: what would hide, or reorder the text around it, becomes visible. */
export const plain = (text: string): string =>
  text.replace(invisible, char => `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`)

const escape = '\u001b'
/** What terminals take for colours, titles, and moves of the cursor. */
const sequences = new RegExp(
  `${escape}(?:\\[[0-?]*[ -/]*[@-~]|\\][^\u0007${escape}]*(?:\u0007|${escape}\\\\)?|[@-Z\\\\-_])`,
  'g'
)

/** Returns a line of an output as it may be shown: colours of terminals are left out, the rest is as `plain` has it. */
export const plainOutput = (line: string): string => plain(line.replace(sequences, ''))

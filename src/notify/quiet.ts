import {
  weekdays,
  type QuietSettings,
  type QuietStatus,
  type Severity,
  type Weekday
} from '../../schemas/notifications.js'
import { AppError } from '../errors.js'

const minuteMs = 60_000
const dayMinutes = 1440
/** A clock is put on or back by so many minutes at most: more than any zone ever has. */
const shiftMax = 180
/** What is quiet for longer than a week never ends. */
const weekMs = 7 * dayMinutes * minuteMs

/** Hours, in minutes of the day on which they begin; those that end on the day after end beyond its last minute. */
interface Hours {
  days: ReadonlySet<Weekday>
  from: number
  to: number
}

/** Hours of which only what is bad enough is told, by the clock of a time zone. Pure: it gets the time. */
export class Quiet {
  /** The least that is told even so. */
  readonly severity: Severity
  /** As it is shown: with what the settings leave out. */
  readonly settings: QuietStatus
  #hours: Hours[]
  #format: Intl.DateTimeFormat

  /** `field`: where the settings are, for errors. Throws an AppError that names the field. */
  constructor(settings: QuietSettings, field: string) {
    const hours = settings.hours.map(({ days = [...weekdays], ...rest }) => ({ days: [...days], ...rest }))
    this.severity = settings.severity ?? 'error'
    this.settings = { ...settings, hours, severity: this.severity }
    this.#hours = hours.map(({ days, from, to }, at) => {
      const [begin, end] = [minutesIn(from), minutesIn(to)]
      if (begin === end || begin === dayMinutes) {
        throw new AppError('invalid_request', `${field}/hours/${at} must begin and end at different times of day`)
      }
      return { days: new Set(days), from: begin, to: end > begin ? end : end + dayMinutes }
    })
    try {
      this.#format = new Intl.DateTimeFormat('en-US', {
        timeZone: settings.time_zone,
        weekday: 'short',
        hour: '2-digit',
        minute: '2-digit',
        hourCycle: 'h23'
      })
    } catch {
      throw new AppError('invalid_request', `${field}/time_zone must be a time zone, such as Europe/Vienna or UTC`)
    }
    if (this.endAfter(0) === undefined) throw new AppError('invalid_request', `${field}/hours never end`)
  }

  /** Returns whether it is quiet at a time, in milliseconds since 1970. */
  isAt(time: number): boolean {
    return this.#leftAt(time) > 0
  }

  /** Returns the first time, not before this one, at which it is not quiet: it ends at a full minute. */
  endOf(time: number): number {
    return this.endAfter(time) ?? time
  }

  /** Returns the same; undefined when it never ends. */
  endAfter(time: number): number | undefined {
    let at = time
    for (let left = this.#leftAt(at); left > 0; left = this.#leftAt(at)) {
      at = Math.floor(at / minuteMs) * minuteMs + left * minuteMs
      if (at - time > weekMs + minuteMs * dayMinutes) return undefined
    }
    if (at === time) return time
    // The clock may have been put on meanwhile: then it ends earlier than it has seemed.
    for (let back = 0; back < shiftMax && at - minuteMs > time && !this.isAt(at - minuteMs); back++) at -= minuteMs
    return at
  }

  /** Returns for how many minutes of the local clock it is quiet from the minute of a time on; 0 when it is not. */
  #leftAt(time: number): number {
    const { day, minute } = this.#localOf(time)
    const before = weekdays[(weekdays.indexOf(day) + 6) % 7]!
    const left = this.#hours.map(({ days, from, to }) => {
      if (days.has(day) && minute >= from && minute < to) return to - minute
      if (days.has(before) && minute + dayMinutes < to) return to - minute - dayMinutes
      return 0
    })
    return Math.max(0, ...left)
  }

  #localOf(time: number): { day: Weekday; minute: number } {
    const parts = Object.fromEntries(this.#format.formatToParts(time).map(({ type, value }) => [type, value]))
    return {
      day: parts.weekday!.toLowerCase() as Weekday,
      minute: Number(parts.hour) * 60 + Number(parts.minute)
    }
  }
}

function minutesIn(text: string): number {
  const [hours, minutes] = text.split(':').map(Number)
  return hours! * 60 + minutes!
}

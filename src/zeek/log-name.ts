/** The place of a rotated log in the archive, as zeek-archiver defines it. */
export interface ArchivePlace {
  /** The day on which it was opened: "2026-11-22". */
  directory: string
  /** "conn.14:48:56-14:49:00.log", or "conn.14:48:56-14:49:00-logger-1.log"; a compressed log gets ".gz". */
  file: string
  /** Whether the log is already compressed: it is then archived unchanged. */
  compressed: boolean
}

/** What the name of an archived log says. */
export interface ArchivedName {
  /** When the log was closed, in milliseconds. Names have the local time of the node, which is taken as ours. */
  closed: number
}

const time = /^(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))-([01]\d|2[0-3])-([0-5]\d)-([0-5]\d|60)$/
const zipped = /(gz|bz2|lz|lz4)$/

/** The name of the directory of a day. */
export const dayPattern = /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/

/**
 * Returns the place of a log in the queue: `<path>__<opened>__<closed>__.log`, or with metadata before the extension,
 * of which only log_suffix is used. Undefined for any other name.
 */
export function archivePlace(name: string): ArchivePlace | undefined {
  const parts = name.split('__')
  if (name.startsWith('.') || parts[0] === '' || (parts.length !== 4 && parts.length !== 5)) return undefined
  const [opened, closed] = [time.exec(parts[1]!), time.exec(parts[2]!)]
  const suffix = parts.length === 5 ? suffixOf(parts[3]!) : ''
  if (!opened || !closed || suffix === undefined) return undefined
  const extension = parts.at(-1)!
  const span = [opened, closed].map(([, , ...clock]) => clock.join(':')).join('-')
  return {
    directory: opened[1]!,
    file: `${parts[0]}.${span}${suffix && `-${suffix}`}${extension}`,
    compressed: zipped.test(extension)
  }
}

function suffixOf(metadata: string): string | undefined {
  const entries = (metadata === '' ? [] : metadata.split(',')).map(entry => entry.split('=').map(word => word.trim()))
  if (entries.some(entry => entry.length !== 2 || entry.includes(''))) return undefined
  return entries.findLast(([key]) => key === 'log_suffix')?.[1] ?? ''
}

/** Parses the name of an archived log in the directory of that day. Undefined for any other name. */
export function archivedName(day: string, name: string): ArchivedName | undefined {
  const date = dayPattern.exec(day)
  const clock = /^[^.].*?\.(\d\d):(\d\d):(\d\d)-(\d\d):(\d\d):(\d\d)[-.]/.exec(name)
  if (!date || !clock) return undefined
  const [year, month, ofMonth] = date.slice(1).map(Number) as [number, number, number]
  const [h1, m1, s1, h2, m2, s2] = clock.slice(1).map(Number) as [number, number, number, number, number, number]
  const at = (days: number, h: number, m: number, s: number) =>
    new Date(year, month - 1, ofMonth + days, h, m, s).getTime()
  const opened = at(0, h1, m1, s1)
  const closed = at(0, h2, m2, s2)
  // Closed after midnight; or a whole day later, which the name does not distinguish from at once.
  return { closed: closed <= opened ? at(1, h2, m2, s2) : closed }
}

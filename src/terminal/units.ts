/** Returns a duration in its two largest units: "3d 4h", "12m 5s", "8s". */
export function duration(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1]
  ] as const
  let rest = Math.max(0, Math.floor(seconds))
  const largest = units.findIndex(([, size]) => rest >= size)
  if (largest < 0) return '0s'
  return units
    .slice(largest, largest + 2)
    .map(([unit, size]) => {
      const count = Math.floor(rest / size)
      rest -= count * size
      return count > 0 ? `${count}${unit}` : ''
    })
    .filter(part => part !== '')
    .join(' ')
}

/** Returns bytes with a binary unit: "260 MiB". */
export const bytes = (count: number): string => scaled(count, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'])

/** Returns a count with a decimal unit: "61k". */
export const amount = (count: number): string => scaled(count, 1000, ['', 'k', 'M', 'G', 'T']).replace(' ', '')

function scaled(count: number, base: number, units: readonly string[]): string {
  let value = count
  let at = 0
  // By what is shown: 1023.9 KiB are 1.0 MiB.
  while (Math.round(value) >= base && at < units.length - 1) {
    value /= base
    at++
  }
  return `${at > 0 ? short(value) : value.toFixed(0)} ${units[at]}`.trim()
}

/** Returns a number with two digits at least, where there are some. */
const short = (value: number): string => (value < 9.95 ? value.toFixed(1) : value.toFixed(0))

export const percent = (value: number): string => `${value === 0 ? '0' : short(value)}%`

import { AppError } from '../errors.js'

const unitSeconds = { m: 60, h: 3_600, d: 86_400 }

/** Returns the seconds of a lifetime: "90m", "12h", "30d". Throws `invalid_request`. */
export function expirySeconds(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,4})([mhd])$/.exec(text) ?? []
  if (count !== undefined) return Number(count) * unitSeconds[unit as keyof typeof unitSeconds]
  throw new AppError('invalid_request', '--expires must be a number of minutes, hours or days: 90m, 12h, 30d')
}

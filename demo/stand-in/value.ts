/** A value in Zeek's script syntax as JSON, like Zeek's own to_json() has it. */
export function toJson(text: string): unknown {
  if (text === 'T') return true
  if (text === 'F') return false
  if (/^[-+]?\d+(?:\.\d+)?$/.test(text)) return Number(text)
  const port = /^(\d+)\/(tcp|udp|icmp|unknown)$/.exec(text)
  if (port !== null) return { port: Number(port[1]), proto: port[2] }
  const seconds = toSeconds(text)
  if (seconds !== undefined) return describeInterval(seconds)
  const items = /^(?:set|vector)?\s*(?:\{(.*)\}|\((.*)\)|\[(.*)\])$/s.exec(text)
  if (items !== null) return elements(items[1] ?? items[2] ?? items[3] ?? '').map(toJson)
  return unquote(text) ?? text
}

/** What a string literal means, or undefined for any other text. */
export function unquote(text: string): string | undefined {
  if (!/^"(?:\\.|[^"\\])*"$/s.test(text)) return undefined
  return text
    .slice(1, -1)
    .replace(/\\(?:x([0-9a-f]{1,2})|(.))/gis, (_, code?: string, other?: string) =>
      code === undefined ? other! : String.fromCharCode(parseInt(code, 16))
    )
}

const SECONDS: Record<string, number> = { day: 86400, hr: 3600, min: 60, sec: 1, msec: 1e-3, usec: 1e-6 }

/** The seconds of an interval, or undefined for any other text. */
export function toSeconds(text: string): number | undefined {
  const interval = /^(-?\d+(?:\.\d+)?) ?(usec|msec|sec|min|hr|day)s?$/.exec(text)
  return interval === null ? undefined : Number(interval[1]) * SECONDS[interval[2]!]!
}

/** "90min" is "1.0 hr 30.0 mins". */
function describeInterval(seconds: number): string {
  const parts: string[] = []
  let rest = Math.round(seconds * 1e6)
  for (const [unit, length] of Object.entries(SECONDS)) {
    const count = Math.trunc(rest / Math.round(length * 1e6))
    if (count === 0) continue
    rest -= count * Math.round(length * 1e6)
    parts.push(`${count}.0 ${unit}${Math.abs(count) === 1 ? '' : 's'}`)
  }
  return parts.join(' ') || '0 secs'
}

/** Splits at the commas that are not inside of a string. */
function elements(text: string): string[] {
  return (text.match(/(?:"(?:\\.|[^"\\])*"|[^",])+/gs) ?? []).map(item => item.trim()).filter(item => item !== '')
}

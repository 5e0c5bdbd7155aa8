import { setStatus } from './status.js'

let live = false
let errors = 0

/** Only a node that reads packets puts the time before its messages. */
export function reportTime(): void {
  live = true
}

export function info(text: string): void {
  const time = live ? `${(Date.now() / 1000).toFixed(6)} ` : ''
  process.stderr.write(`${time}${text}\n`)
}

/** `where` is the script that the real Zeek names, as in "/a/b.zeek, line 5". */
export function warning(text: string, where?: string): void {
  info(prefixed('warning', text, where))
}

export function error(text: string, where?: string): void {
  errors++
  info(prefixed('error', text, where))
}

export function fatal(text: string, where?: string): never {
  info(prefixed('fatal error', text, where))
  setStatus('TERMINATED', 'fatal_error')
  process.removeAllListeners('exit')
  process.exit(1)
}

/** Several errors may be told before Zeek gives up. */
export function failed(): boolean {
  return errors > 0
}

function prefixed(prefix: string, text: string, where?: string): string {
  return where === undefined ? `${prefix}: ${text}` : `${prefix} in ${where}: ${text}`
}

import { existsSync, readFileSync } from 'node:fs'
import { fatal, info } from './report.js'

/** What the stand-in is told to do wrong. */
export interface Misbehaviour {
  exit?: number
  crash?: number
  /** Milliseconds until it takes part in its cluster, as one that has much to load. */
  slow?: number
  chatty?: number
  /** Of its packets, in percent. */
  drop?: number
  /** Errors that it reports at its start. */
  errors?: number
  /** How many times its share of the packets it gets. */
  heavy?: number
  deaf: boolean
  /** It sees the same packets as others who do. */
  duplicate: boolean
  /** It never does. */
  hang: boolean
  /** It answers no question. */
  mute: boolean
  stallLogs: boolean
  ignoreTerm: boolean
}

type Amount = 'exit' | 'crash' | 'slow' | 'chatty' | 'drop' | 'errors' | 'heavy'

/** From STAND_IN, and from a file of the working directory: that one can change between two starts. */
export function readMisbehaviour(): Misbehaviour {
  const told = [process.env['STAND_IN'] ?? '', existsSync('stand-in') ? readFileSync('stand-in', 'utf8') : '']
  const result: Misbehaviour = {
    deaf: false,
    duplicate: false,
    hang: false,
    mute: false,
    stallLogs: false,
    ignoreTerm: false
  }
  for (const word of told
    .join(',')
    .split(/[\s,]+/)
    .filter(word => word !== '')) {
    const [, name, number] = /^(exit|crash|slow|chatty|drop|errors|heavy)=(\d+)$/.exec(word) ?? []
    if (name !== undefined) result[name as Amount] = Number(number)
    else if (word === 'deaf') result.deaf = true
    else if (word === 'duplicate') result.duplicate = true
    else if (word === 'hang') result.hang = true
    else if (word === 'mute') result.mute = true
    else if (word === 'stall-logs') result.stallLogs = true
    else if (word === 'ignore-term') result.ignoreTerm = true
    else fatal(`STAND_IN: cannot do '${word}'`)
  }
  return result
}

/** Does what is due at the start. */
export function misbehave({ exit, crash, chatty = 0 }: Misbehaviour): void {
  for (let line = 1; line <= chatty; line++) {
    process.stdout.write(`chatty line ${line}\n`)
    process.stderr.write(`chatty line ${line} (stderr)\n`)
  }
  if (exit !== undefined) {
    process.stdout.write('last words\n')
    info('fatal error: told to exit')
    process.exit(exit)
  }
  if (crash !== undefined) setTimeout(() => process.kill(process.pid, 'SIGSEGV'), crash)
}

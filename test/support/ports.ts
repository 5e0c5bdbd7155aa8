import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseTable } from '../../src/agent/check/listeners.js'
import { isRunning } from './running.js'

/** Whether a range is ours from now on, until this process ends: its file says whose it is. */
function claim(base: number): boolean {
  const file = join(tmpdir(), `zeek-cluster-test-ports-${base}`)
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
  } catch {
    // Whoever had it may have been killed.
    const owner = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
    // Of a test before: this process has gone through all of them once.
    if (owner === process.pid) return true
    if (owner === 0 || isRunning(owner)) return false
    rmSync(file, { force: true })
    return claim(base)
  }
  claims.push(file)
  return true
}

const claims: string[] = []
process.once('exit', () => {
  for (const file of claims) rmSync(file, { force: true })
})

/** Whether someone listens in a range: nodes outlive a test that was killed. */
function isHeld(base: number): boolean {
  return ['tcp', 'tcp6']
    .flatMap(name => parseTable(readFileSync(`/proc/net/${name}`, 'utf8')))
    .some(({ port }) => port >= base && port < base + 100)
}

const [firstBase, lastBase] = [10_100, 32_600]
let nextBase = firstBase

/**
 * A range of ports for the nodes of one test: away from the ephemeral ones, and from those of other tests, also in
 * other processes.
 */
export function portBase(): number {
  for (let tries = firstBase; tries <= lastBase; tries += 100) {
    const base = nextBase
    nextBase = base < lastBase ? base + 100 : firstBase
    // The file first: it is cheaper than to read all sockets of the machine.
    if (claim(base) && !isHeld(base)) return base
  }
  throw new Error('every range of ports is taken')
}

let portsLeft: number[] = []

/**
 * Ports that nobody listens on, each given once. Not ephemeral ones: those any connection can take before a server
 * does.
 */
export async function freePorts(count: number): Promise<number[]> {
  return Array.from({ length: count }, () => {
    if (portsLeft.length === 0) {
      const base = portBase()
      portsLeft = Array.from({ length: 100 }, (_, n) => base + n)
    }
    return portsLeft.shift()!
  })
}

/** Starts of all the ranges that a controller assigns from. */
export function portFlags(base = portBase()): Record<string, string> {
  return {
    'controller-auto-assign-broker-start-port': String(base),
    'controller-auto-assign-metrics-start-port': String(base + 25),
    'controller-auto-assign-zeromq-start-port': String(base + 50)
  }
}

import { readFileSync } from 'node:fs'
import { arch, cpus, release, totalmem } from 'node:os'
import { packageVersion } from '../src/util.js'

/** What figures are to be read with. */
export function machine(): Record<string, unknown> {
  return {
    version: packageVersion,
    node: process.version,
    v8: process.versions.v8,
    kernel: `${release()} ${arch()}`,
    system: /^PRETTY_NAME="(.*)"$/m.exec(read('/etc/os-release'))?.[1],
    cpus: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    // Of other guests of the same host: figures of a run with much of it are worth less.
    load: read('/proc/loadavg').trim(),
    steal_ticks: Number(/^cpu +(?:\d+ ){7}(\d+)/m.exec(read('/proc/stat'))?.[1] ?? NaN)
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

import { execFile } from 'node:child_process'
import { readFile, stat, statfs } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Limits } from '../../../schemas/supervisor.js'
import { isElf } from '../outputs/core-files.js'
import { listenersOn, type Listener } from './listeners.js'

const run = promisify(execFile)
const limits = { timeout: 10_000, maxBuffer: 65_536 }
const capNetRaw = 1n << 13n
const iffUp = 1

/** Facts that only the host knows. No probe throws: what cannot be determined is undefined. */
export interface HostProbes {
  interface: (device: string) => Promise<'up' | 'down' | 'no carrier' | 'missing'>
  /** Returns the listeners on these ports, or on all ports when none are given. */
  listeners: (ports?: ReadonlySet<number>) => Promise<Listener[]>
  /** Returns why nothing can run on this processor; undefined when something can. */
  unpinnable: (cpu: number, env: NodeJS.ProcessEnv) => Promise<string | undefined>
  /** Returns why a node would not be held to these limits, each with its name. */
  obstacles: (limits: Limits) => Promise<string[]>
  /** Whether this executable may read packets when we start it. */
  maySniff: (executable: string) => Promise<boolean | undefined>
  /** Returns how much of the directory's file system is free for this process, in percent. */
  free: (directory: string) => Promise<number | undefined>
}

/** Probes of the host that this process runs on, but for what its supervisor knows. */
export const hostProbes: Omit<HostProbes, 'obstacles'> = {
  async interface(device) {
    const read = (what: string) =>
      readFile(`/sys/class/net/${device}/${what}`, 'utf8').then(
        text => text.trim(),
        () => undefined
      )
    const flags = await read('flags')
    if (flags === undefined) return 'missing'
    if ((Number(flags) & iffUp) === 0) return 'down'
    return (await read('carrier')) === '0' ? 'no carrier' : 'up'
  },

  listeners: listenersOn,

  // Found out by trying: taskset knows best which processors the cgroup has.
  async unpinnable(cpu, env) {
    const online = await readFile('/sys/devices/system/cpu/online', 'utf8').then(
      text => ` (online: ${text.trim()})`,
      () => ''
    )
    return await run('taskset', ['-c', String(cpu), 'true'], { env, ...limits }).then(
      () => undefined,
      ({ code, stderr, message }) =>
        code === 'ENOENT'
          ? 'taskset is not installed'
          : `CPU ${cpu} cannot be used${online}: ${String(stderr || message).trim()}`
    )
  },

  async maySniff(executable) {
    const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
    const has = (set: string) =>
      (BigInt(`0x${new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`) & capNetRaw) !== 0n
    // What root starts gets every capability that is not forbidden (the bounding set); what others start gets only
    // ambient capabilities, or those of the file.
    if (has(process.getuid?.() === 0 ? 'CapBnd' : 'CapAmb')) return true
    // A script may get the capability in other ways, such as sudo.
    if (!(await isElf(executable, 'executable'))) return undefined
    if (process.getuid?.() === 0) return false
    const { uid, mode } = await stat(executable)
    if (/^NoNewPrivs:\s*1$/m.test(status)) return false
    if (uid === 0 && (mode & 0o4000) !== 0) return true
    for (const getcap of ['getcap', '/usr/sbin/getcap', '/sbin/getcap']) {
      const text = await run(getcap, [executable], limits).then(
        ({ stdout }) => stdout,
        () => undefined
      )
      if (text !== undefined) return /cap_net_raw[^ ]*[+=][a-z]*e/.test(text)
    }
    return undefined
  },

  async free(directory) {
    return await statfs(directory).then(
      ({ bavail, blocks }) => (blocks === 0 ? undefined : (100 * bavail) / blocks),
      () => undefined
    )
  }
}

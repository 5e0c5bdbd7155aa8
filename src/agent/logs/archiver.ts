import { chmod, mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { ArchiveStatus } from '../../../schemas/operations.js'
import { AppError, messageOf } from '../../errors.js'
import type { ParamsOf } from '../../protocol/methods.js'
import { umaskLine } from '../../supervisor/process.js'
import { defined, packageRoot } from '../../util.js'
import { inheritedOf } from '../../zeek/command.js'
import { findExecutable } from '../../zeek/executable.js'
import { readQueue, type QueuedLog } from './archive.js'
import { archiveMax, type AgentContext, type AgentSettings } from '../config.js'
import type { ControllerMethods } from '../session.js'
import { directories } from '../nodes/zeek-program.js'
import { runGroup } from '../../run-group.js'
import { retain } from './retention.js'

/** How much of an archiver's output is kept: the end, in characters. */
const outputMax = 4096
const listed = 3

/**
 * Runs the archiver in a group of its own, which ends when this process ends, however that happens: the watcher's read
 * ends when our end of descriptor 3 is closed.
 */
const launcher = (umask: number | undefined) => `
{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 &
exec 3<&-
${umaskLine(umask)}
"$@"`

export interface ArchiverOptions extends AgentContext {
  log: Logger
  /** Notifies the controller. */
  notify: (method: 'log' | 'error', params: ParamsOf<ControllerMethods['log' | 'error']>) => void
}

/**
 * Has rotated logs archived, and deletes what the archive has too much of. Reports failures: the first, the 10th, the
 * 100th and so on in a row, and the end of the row.
 */
export class Archiver {
  #options: ArchiverOptions
  #queue: string
  #archive: string
  #waiting: QueuedLog[] = []
  #others = 0
  #retainedAt = -Infinity
  #archived = 0
  #deleted = 0
  #failures = 0
  #error: string | undefined

  constructor(options: ArchiverOptions) {
    this.#options = options
    const { queue, archive } = directories(options.settings)
    this.#queue = queue
    this.#archive = archive
  }

  /** Returns the status as of the last look at the queue. */
  status(): ArchiveStatus {
    const since = Math.min(...this.#waiting.map(log => log.since))
    return defined({
      queue: this.#queue,
      directory: this.#archive,
      files: this.#waiting.length,
      bytes: this.#waiting.reduce((sum, { bytes }) => sum + bytes, 0),
      oldest: this.#waiting.length > 0 ? Math.max(0, Date.now() - since) / 1000 : undefined,
      archived: this.#archived,
      deleted: this.#deleted,
      failures: this.#failures,
      error: this.#error
    })
  }

  /** Archives at the interval until the signal aborts; an archiver that runs then is killed. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { agent_archive_interval: interval, agent_rotation_interval: rotation } = this.#options.settings
    while (!signal.aborted) {
      await this.pass(signal)
      await sleep(Math.min(interval || rotation || archiveMax, archiveMax) * 1000, undefined, { signal }).catch(
        () => {}
      )
    }
  }

  /** Archives what waits, then deletes what the archive has too much of. Never rejects. */
  async pass(signal: AbortSignal): Promise<void> {
    const errors: string[] = []
    const attempt = async (job: () => Promise<void>) => {
      await job().catch((error: unknown) => {
        errors.push(messageOf(error))
      })
    }
    const before = this.#archived
    await attempt(() => this.#work(signal))
    if (signal.aborted) return
    if (this.#archived > before || performance.now() - this.#retainedAt >= archiveMax * 1000) {
      await attempt(() => this.#retain())
    }
    if (errors.length > 0) this.#failed(errors.join('; '))
    else this.#succeeded()
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { logs, others } = await readQueue(this.#queue)
    this.#waiting = logs
    if (others.length > this.#others) {
      this.#tell(
        'warn',
        `${others.length} files in ${this.#queue} are no rotated logs, and stay there: ${some(others)}`
      )
    }
    this.#others = others.length
    if (logs.length === 0) return
    const started = performance.now()
    const { ending, said } = await this.#runArchiver(signal)
    // The queue is read again: whatever the archiver says, what it has taken is gone.
    this.#waiting = (await readQueue(this.#queue)).logs
    const still = new Set(this.#waiting.map(({ name }) => name))
    const left = logs.filter(({ name }) => still.has(name))
    this.#archived += logs.length - left.length
    // zeek-archiver prints what it could not do, and exits with 0.
    const trouble =
      ending ??
      (left.length > 0
        ? `has left ${left.length} of ${logs.length} logs in the queue (${some(left.map(({ name }) => name))})`
        : undefined)
    if (trouble !== undefined) throw new Error(`the archiver ${trouble}${said && `: ${said}`}`)
    this.#options.log.info(`archived ${logs.length} logs in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  }

  /** Runs the archiver. Returns how it has ended (undefined if well) and the end of its output. */
  async #runArchiver(signal: AbortSignal): Promise<{ ending: string | undefined; said: string }> {
    const {
      settings: { agent_archive_timeout: seconds },
      env,
      umask
    } = this.#options
    const command = [...(await this.#command()), '-1', this.#queue, this.#archive]
    await makeArchive(this.#archive, umask)
    const { code, by, givenUp, output } = await runGroup(['/bin/sh', '-c', launcher(umask), 'archiver', ...command], {
      cwd: this.#queue,
      env: inheritedOf(env),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      timeoutMs: seconds * 1000,
      signal,
      maxOutput: outputMax,
      // The watcher outlives the leader.
      killRest: true
    })
    const ending = givenUp
      ? `was killed after ${seconds} s`
      : by
        ? `was killed by ${by}`
        : code === 0
          ? undefined
          : `exited with code ${code}`
    return { ending, said: output.trim() }
  }

  async #command(): Promise<string[]> {
    const {
      settings: { agent_archive_cmd: told, bin },
      env
    } = this.#options
    // A command for the shell, as in Zeek.
    if (told !== undefined) return ['/bin/sh', '-c', `${told} "$@"`, 'archiver']
    const zeek = await findExecutable(bin, env.PATH ?? '')
    const found =
      (zeek && (await findExecutable(join(dirname(zeek), 'zeek-archiver'), ''))) ??
      (await findExecutable('zeek-archiver', env.PATH ?? ''))
    return found === undefined ? [process.execPath, join(packageRoot, 'dist', 'src', 'main.js'), 'archive'] : [found]
  }

  async #retain(): Promise<void> {
    this.#retainedAt = performance.now()
    const { count, bytes, reasons, error } = await retain(this.#archive, this.#options.settings, Date.now())
    this.#deleted += count
    if (count > 0) {
      this.#tell(
        'info',
        `deleted ${count} archived logs, ${bytes} bytes: ${[...reasons].map(([reason, number]) => `${number} ${reason}`).join(', ')}`
      )
    }
    if (error !== undefined) throw new Error(`archived logs cannot be deleted: ${error}`)
  }

  #failed(error: string): void {
    this.#failures++
    this.#error = error
    const message = `logs cannot be archived: ${error}`
    if (!Number.isInteger(Math.log10(this.#failures))) return this.#options.log.debug(message)
    const times = this.#failures === 1 ? '' : ` (${this.#failures} times in a row)`
    this.#options.log.info(message + times)
    this.#options.notify('error', { message: message + times })
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#tell('info', `logs are archived again, after ${this.#failures} failures in a row`)
    this.#failures = 0
    this.#error = undefined
  }

  /** Logs a message and notifies the controller; warnings reach the controller without that. */
  #tell(level: 'info' | 'warn', message: string): void {
    this.#options.log[level](message)
    if (level === 'info') this.#options.notify('log', { level: 'INFO', message })
  }
}

/** Makes the directory of archived logs, if it is missing, and those above it, with the modes that a umask gives. */
async function makeArchive(path: string, umask: number | undefined): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined || umask === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made)) await chmod(made, 0o777 & ~umask)
}

function some(names: readonly string[]): string {
  return names.slice(0, listed).join(', ') + (names.length > listed ? ' and others' : '')
}

/**
 * Makes sure that nodes can move their logs into the queue: Zeek renames them, which fails when the queue is on another
 * file system. Throws an AppError that names the setting.
 */
export async function prepareQueue(settings: AgentSettings): Promise<void> {
  const { queue, archive, spool } = directories(settings)
  if (archive === queue) throw new AppError('invalid_request', `agent_archive_dir: ${archive} is the queue`)
  const probe = join(settings.management_state_dir, `.rotate-${process.pid}`)
  try {
    await mkdir(queue, { recursive: true })
    await open(probe, 'w').then(file => file.close())
    await rename(probe, join(queue, `.rotate-${process.pid}`))
    await unlink(join(queue, `.rotate-${process.pid}`))
  } catch (error) {
    await unlink(probe).catch(() => {})
    const { code } = error as NodeJS.ErrnoException
    // A full disk does not show whether nodes can move their logs.
    if (code === 'ENOSPC' || code === 'EDQUOT') return
    throw new AppError(
      'invalid_request',
      `management_spool_dir: ${code === 'EXDEV' ? `${spool} is on another file system than the state directory, so that nodes cannot move their logs there` : messageOf(error)}`,
      { cause: error }
    )
  }
}

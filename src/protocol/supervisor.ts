import { supervisorApiVersion, supervisorMethods, supervises } from '../../schemas/supervisor.js'
import { AppError } from '../errors.js'
import type { Link } from '../link/link.js'
import { maxTimerMs } from '../util.js'
import { asking } from './methods.js'

const ask = asking(supervisorMethods)

/** Timeout for a supervisor that hangs, in milliseconds. */
const timeoutMs = 60_000

/**
 * Resolves when it is this role's turn to begin: roles are loaded side by side. Throws `unavailable` when the
 * supervisor at the other end speaks a version that is not understood here.
 */
export async function agreeWithSupervisor(link: Link): Promise<void> {
  const version = await ask(link, 'version', {}, { timeoutMs }).then(
    answer => answer.version,
    (error: unknown) => {
      if (error instanceof AppError && error.code === 'not_found') return 0
      throw error
    }
  )
  if (supervises(version)) return await untilTurn(link)
  const versions = `its supervisor speaks version ${version}, this process ${supervisorApiVersion}`
  throw new AppError('unavailable', `zeek-cluster must be restarted on this host: ${versions}`)
}

async function untilTurn(link: Link): Promise<void> {
  // A controller may have a database to bring up to date before it is ready, which takes as long as it takes.
  await ask(link, 'turn', {}, { timeoutMs: maxTimerMs }).catch((error: unknown) => {
    if (!(error instanceof AppError && error.code === 'not_found')) throw error
  })
}

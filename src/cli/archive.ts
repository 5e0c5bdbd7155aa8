import { archive } from '../agent/logs/archive.js'
import { AppError } from '../errors.js'

/** Takes the arguments that agents give zeek-archiver, so that either can replace the other. Returns the exit code. */
export async function runArchive([once, queue, directory, ...rest]: readonly string[]): Promise<number> {
  if (once !== '-1' || !queue || !directory || rest.length > 0) {
    throw new AppError('invalid_request', 'archive needs -1 and two directories')
  }
  const { archived, errors } = await archive(queue, directory)
  if (archived > 0) console.log(`archived ${archived} logs`)
  for (const error of errors) console.error(error)
  return errors.length > 0 ? 1 : 0
}

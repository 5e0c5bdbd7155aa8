import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { text } from 'node:stream/consumers'
import { AppError, messageOf } from '../errors.js'
import { convert } from '../formats/convert.js'

/** Prints a file as the body of a request, and on stderr what was not converted. Returns the exit code. */
export async function convertFile(files: readonly string[]): Promise<number> {
  const [file] = files
  if (file === undefined || files.length > 1) {
    throw new AppError('invalid_request', 'convert needs one file, or - for standard input')
  }
  const input = await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')).catch((error: unknown) => {
    throw new AppError('invalid_request', messageOf(error), { cause: error })
  })
  const { configuration, notes } = await convert(file, input, {
    resolve: async host => (await lookup(host)).address,
    defaultInstance: `agent-${hostname()}`
  })
  for (const note of notes) console.error(note)
  console.log(JSON.stringify({ config: configuration }, undefined, 2))
  return 0
}

import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { captureLogsMax, type Replay } from '../../../schemas/captures.js'
import { AppError } from '../../errors.js'
import { compare } from '../../util.js'

/** What ends the name of a log. */
export const logSuffix = 'log'

const [lineFeed, hash] = [0x0a, 0x23]

/**
 * Returns how many lines each log in a directory has, sorted by name, without those of its header. Throws an AppError
 * when there are more than can be told: one that is left out would look lost.
 */
export async function logLines(directory: string, signal: AbortSignal): Promise<Replay['logs']> {
  // A script can name a log after what is in packets: it need not be text.
  const files = (await readdir(directory, { withFileTypes: true, encoding: 'buffer' })).filter(entry => entry.isFile())
  const named = files
    .map(({ name }) => ({ name, text: name.toString() }))
    .filter(({ text }) => text.endsWith(`.${logSuffix}`) && !text.startsWith('.'))
    .sort((a, b) => compare(a.text, b.text))
  if (named.length > captureLogsMax) {
    throw new AppError('invalid_request', `zeek has written ${named.length} logs: ${captureLogsMax} can be compared`)
  }
  const logs: Replay['logs'] = []
  for (const { name, text } of named) {
    const path = Buffer.concat([Buffer.from(`${directory}/`), name])
    logs.push({ log: text.slice(0, -logSuffix.length - 1), lines: await countLines(path, signal) })
  }
  return logs
}

/**
 * Counts the lines of a file that neither are empty nor begin with "#": in a value at the beginning, Zeek escapes it.
 */
async function countLines(path: Buffer, signal: AbortSignal): Promise<number> {
  let count = 0
  let begins = true
  for await (const chunk of createReadStream(path, { signal }) as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length;) {
      if (begins && chunk[at] !== hash && chunk[at] !== lineFeed) count++
      const end = chunk.indexOf(lineFeed, at)
      begins = end >= 0
      at = end < 0 ? chunk.length : end + 1
    }
  }
  return count
}

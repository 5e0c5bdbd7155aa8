import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { captureLogsMax, type Replay } from '../../../schemas/captures.js'
import { compare } from '../../util.js'

/** What ends the name of a log. */
export const logSuffix = 'log'

const [lineFeed, hash] = [0x0a, 0x23]

/** Returns how many lines each log in a directory has, sorted by name, without those of its header. */
export async function logLines(directory: string): Promise<Replay['logs']> {
  const names = (await readdir(directory)).filter(name => name.endsWith(`.${logSuffix}`) && !name.startsWith('.'))
  const logs: Replay['logs'] = []
  for (const name of names.sort(compare).slice(0, captureLogsMax)) {
    logs.push({ log: name.slice(0, -logSuffix.length - 1), lines: await countLines(join(directory, name)) })
  }
  return logs
}

/** Counts the lines of a file that neither are empty nor begin with "#": in a value at the beginning, Zeek escapes it. */
async function countLines(path: string): Promise<number> {
  let count = 0
  let begins = true
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length;) {
      if (begins && chunk[at] !== hash && chunk[at] !== lineFeed) count++
      const end = chunk.indexOf(lineFeed, at)
      begins = end >= 0
      at = end < 0 ? chunk.length : end + 1
    }
  }
  return count
}

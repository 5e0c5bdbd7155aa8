import { isUtf8 } from 'node:buffer'
import { createTwoFilesPatch, FILE_HEADERS_ONLY, formatPatch } from 'diff'
import type { BundleChange, BundleFile } from '../../schemas/bundles.js'

/** The largest file whose difference is shown, and how much all those have together that are shown, in bytes. */
export const textLimits = { file: 65_536, all: 1_048_576 }
/** Lines that may differ until the shortest difference is no longer looked for: that takes their square. */
const editsMax = 500
const context = 3

/** What is shown of a file that has changed. */
export type TextDifference = Pick<BundleChange, 'diff' | 'diff_omitted'>

/**
 * Returns what is different in the texts of files that have changed: of each in their order, as long as there is room.
 * `read` returns a file's content in the earlier or the later bundle; undefined where that is gone.
 */
export async function textDifferences<F extends BundleFile>(
  changed: readonly { before: F; after: F }[],
  read: (side: 'before' | 'after', file: F) => Promise<Buffer | undefined>
): Promise<TextDifference[]> {
  let left = textLimits.all
  const differences: (TextDifference | Promise<TextDifference>)[] = []
  for (const { before, after } of changed) {
    const size = before.size + after.size
    if (before.sha256 === after.sha256) differences.push({})
    else if (Math.max(before.size, after.size) > textLimits.file || size > left) {
      differences.push({ diff_omitted: 'too_large' })
    } else {
      left -= size
      const [old, now] = [await read('before', before), await read('after', after)]
      // The next ones are read meanwhile.
      differences.push(old && now ? textDifference(after.path, old, now) : { diff_omitted: 'unavailable' })
    }
  }
  return await Promise.all(differences)
}

/**
 * Returns what is different in the text of a file: a unified diff, as `patch -p1` takes it. Where too many lines
 * differ, it has all lines of the one, then all of the other.
 */
async function textDifference(path: string, before: Buffer, after: Buffer): Promise<TextDifference> {
  if (!isText(before) || !isText(after)) return { diff_omitted: 'binary' }
  const [old, now] = [before.toString(), after.toString()]
  return { diff: (await shortest(path, old, now)) ?? replacement(path, old, now) }
}

const isText = (content: Buffer) => !content.includes(0) && isUtf8(content)

/** Returns the shortest difference; undefined where that takes too long. Others have their turn meanwhile. */
async function shortest(path: string, before: string, after: string): Promise<string | undefined> {
  return await new Promise(resolve => {
    createTwoFilesPatch(`a/${path}`, `b/${path}`, before, after, undefined, undefined, {
      context,
      maxEditLength: editsMax,
      headerOptions: FILE_HEADERS_ONLY,
      callback: resolve
    })
  })
}

function replacement(path: string, before: string, after: string): string {
  const [removed, added] = [linesOf(before, '-'), linesOf(after, '+')]
  const hunk = {
    oldStart: 1,
    oldLines: removed.count,
    newStart: 1,
    newLines: added.count,
    lines: [...removed.lines, ...added.lines]
  }
  const headers = { oldHeader: undefined, newHeader: undefined }
  return formatPatch(
    { oldFileName: `a/${path}`, newFileName: `b/${path}`, ...headers, hunks: [hunk] },
    FILE_HEADERS_ONLY
  )
}

function linesOf(text: string, mark: string): { count: number; lines: string[] } {
  const lines = text.split('\n')
  const isWhole = lines.at(-1) === ''
  if (isWhole) lines.pop()
  const marked = lines.map(line => `${mark}${line}`)
  return { count: lines.length, lines: isWhole ? marked : [...marked, '\\ No newline at end of file'] }
}

/**
 * Runs compiled test files one after the other, for run.ts: `files.js NAME FILE ...`. The directories of their tests
 * have that name, too, since tap makes theirs of the arguments.
 */
import { relative } from 'node:path'
import { packageRoot } from '../src/util.js'

const files = process.argv.splice(3)
const { default: t } = await import('tap')
// tap would end here when one file has ended and the next is still being loaded.
t.removeAllListeners('idle')
for (const file of files) {
  // Each has its own time.
  t.setTimeout(Number(process.env['TAP_TIMEOUT'] ?? 30) * 1000)
  // Says which of them it is that fails.
  t.comment(relative(packageRoot, file))
  await import(file)
}
t.end()

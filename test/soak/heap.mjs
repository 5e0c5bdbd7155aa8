// Loaded before the programs that are watched: what is left on the heap after a full collection, and what holds the process
// open, every ten seconds as a line in a file of its own. Only so can a leak be told from what is not yet collected. Machine
// code and bytecode are told apart: V8 compiles for an hour what is run seldom, and stops when all of it is compiled.
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { getHeapCodeStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
const file = join(process.env.SOAK_HEAP, String(process.pid))

setInterval(() => {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  const { code_and_metadata_size: code, bytecode_and_metadata_size: bytecode } = getHeapCodeStatistics()
  const handles = {}
  for (const name of process.getActiveResourcesInfo()) handles[name] = (handles[name] ?? 0) + 1
  appendFileSync(file, `${JSON.stringify({ at: Date.now(), heapMb: (heapUsed + external - code - bytecode) / 2 ** 20, codeMb: (code + bytecode) / 2 ** 20, handles })}\n`)
}, 10_000).unref()

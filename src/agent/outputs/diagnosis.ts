import type { Diagnosis, NodeRun } from '../../../schemas/operations.js'
import type { Outcome, RequestResultData } from '../../../schemas/types.js'
import { AppError, messageOf } from '../../errors.js'
import { maskedValues } from '../../security/secrets.js'
import { readHistory } from '../../supervisor/history.js'
import { streams, tailBytes, tailLines } from '../../supervisor/output.js'
import { defined, Sequence } from '../../util.js'
import { backtrace, type Backtrace } from './backtrace.js'
import { coreLimitNote, newestCore, readCorePattern } from './core-files.js'
import { hidden, hiddenCut } from '../nodes/hidden.js'
import type { ManagedNode } from '../nodes/managed-node.js'
import type { NodeTable } from '../nodes/node-table.js'
import { lastOutput } from './outputs.js'

type BacktraceOf = (executable: string, core: string) => Promise<Backtrace>

/** Returns what is known about nodes that misbehave. One outcome per node; what cannot be found out is a note in it. */
export async function diagnose(
  table: NodeTable,
  names: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal
): Promise<Outcome[]> {
  // gdb takes as much memory as the program had.
  const oneAtATime = new Sequence()
  return await table.each(names, async node => {
    const diagnosis = await diagnosisOf(node, (executable, core) =>
      oneAtATime.run(() => backtrace(executable, core, env.PATH, signal))
    )
    return { ...outputsOf(node, diagnosis.notes), diagnosis }
  })
}

async function diagnosisOf(node: ManagedNode, backtraceOf: BacktraceOf): Promise<Diagnosis> {
  const { program, status } = node
  const { runs, trouble } = readHistory(program.cwd)
  const cores = await readCorePattern()
  const { core, notes } = await newestCore(
    cores,
    program.cwd,
    runs.flatMap(({ pid }) => pid ?? [])
  )
  if (trouble !== undefined) notes.push(`the history of its processes is missing: ${trouble}`)
  notes.push(...(await coreLimitNote(cores, status.pid)))
  const isOfRun = (time: number, { started_at: from, ended_at: to }: NodeRun) =>
    time >= Date.parse(from) - coarseMs && (to === undefined || time <= Date.parse(to) + coarseMs)
  if (core && !runs.some(run => isOfRun(core.time.getTime(), run))) {
    notes.push(`the core file is of ${core.time.toISOString()}: of none of these processes`)
  }
  const trace = core && (await backtraceOf(executableOf(program.command), core.path))
  return {
    state: status.state,
    command: program.command,
    directory: program.cwd,
    runs,
    ...defined({
      options: node.node.options && maskedValues(node.node.options, node.isSecret),
      core: core?.path,
      backtrace: trace?.text && hiddenCut(node, trace.text)
    }),
    notes: [...notes, ...(trace?.notes ?? [])].map(note => hidden(node, note))
  }
}

/** The kernel writes a core file while the process is there, but its clock for files is coarse. */
const coarseMs = 1000

/** Returns the executable of a command line, also after `taskset -c <cpu>`. */
function executableOf(command: readonly string[]): string {
  return command[command[0] === 'taskset' ? 3 : 0]!
}

/**
 * Returns the last output of a node; nothing for one that has not run, or whose outputs cannot be read, which is noted.
 */
function outputsOf(node: ManagedNode, notes: string[]): RequestResultData {
  try {
    return lastOutput(node, { streams, lines: tailLines, bytes: tailBytes })
  } catch (error) {
    if (!(error instanceof AppError)) notes.push(`its outputs are missing: ${messageOf(error)}`)
    return {}
  }
}

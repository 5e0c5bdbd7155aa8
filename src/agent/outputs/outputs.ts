import { setTimeout as sleep } from 'node:timers/promises'
import type { agentMethods } from '../../../schemas/agent.js'
import type { NodeOutputStream } from '../../../schemas/requests.js'
import type { Outcome, RequestResultData } from '../../../schemas/types.js'
import { AppError } from '../../errors.js'
import type { ContextOf, ParamsOf, PartOf } from '../../protocol/methods.js'
import { hideHalves } from '../../security/secret-values.js'
import { fileOf, isThere, lastLines, readEnd, readLatest, runsBefore, streams } from '../../supervisor/output.js'
import { hiddenCut, secretsIn } from '../nodes/hidden.js'
import type { ManagedNode } from '../nodes/managed-node.js'
import type { NodeTable } from '../nodes/node-table.js'
import { OutputFollower } from './output-follower.js'

/** Most bytes that are shown of one output at once, and of all outputs in one answer. */
const outputBytes = 256 * 1024
const answerBytes = 8 * 1024 * 1024
/** Time between two looks at a followed output, in milliseconds. */
const pollMs = 200
const readsPerLook = 8
/** Most bytes that are sent of a followed node; then following it ends. */
const followBytes = 4 * 1024 * 1024
const partBytes = 64 * 1024
const partLines = 500

type Method = typeof agentMethods.get_node_output

/** Which outputs to read, and how much of each. */
interface Wanted {
  streams: readonly NodeOutputStream[]
  lines: number
  bytes: number
}

/**
 * Returns what nodes have written, one outcome per node. With `follow` it also sends what they write from then on, as
 * parts.
 */
export async function getNodeOutput(
  table: NodeTable,
  { nodes, stream, lines, incarnation, follow, max_bytes: maxBytes = answerBytes }: ParamsOf<Method>,
  { signal, part }: Pick<ContextOf<Method>, 'signal' | 'part'>
): Promise<Outcome[]> {
  const chosen = stream === undefined ? streams : [stream]
  const wanted = {
    streams: chosen,
    lines,
    bytes: Math.min(
      outputBytes,
      Math.floor(Math.min(answerBytes, maxBytes) / Math.max(1, nodes.length * chosen.length))
    )
  }
  return await table.each(nodes, async node => {
    if (!follow) return lastOutput(node, wanted, incarnation)
    if (incarnation !== 0) {
      throw new AppError('invalid_request', 'incarnation must be 0 with follow: an earlier one has ended')
    }
    return await followNode(node, wanted, {
      ...follow,
      isOurs: () => table.get(node.node.name) !== undefined,
      signal,
      part
    })
  })
}

/** Returns the last lines of a run of a node. Throws `not_found` when none of it is kept. */
export function lastOutput(
  node: ManagedNode,
  { streams: wanted, lines, bytes }: Wanted,
  incarnation = 0
): RequestResultData {
  const directory = node.program.cwd
  const kept = Array.from({ length: runsBefore + 1 }, (_, n) => n).filter(n =>
    streams.some(stream => isThere(fileOf(directory, stream, n)))
  )
  if (!kept.includes(incarnation)) {
    throw new AppError(
      'not_found',
      kept.length === 0
        ? `node ${node.node.name} has not run yet`
        : `there is no output of incarnation ${incarnation} of node ${node.node.name}: ${kept.join(', ')} are kept`
    )
  }
  const data: RequestResultData = {}
  for (const stream of wanted) {
    const end =
      incarnation === 0 ? readLatest(directory, stream, bytes) : readEnd(fileOf(directory, stream, incarnation), bytes)
    const isCut = end.length === bytes
    const text = lastLines(end, lines, isCut)
    if (isCut && text.split('\n').length < lines) data.truncated = true
    data[stream] = hiddenCut(node, text)
  }
  return data
}

interface FollowOptions {
  /** In seconds. */
  duration: number
  max_lines: number
  /** Whether the node is still one of this instance. */
  isOurs: () => boolean
  signal: AbortSignal
  part: (value: PartOf<Method>) => void
}

/**
 * Sends the last lines that are there, then what the node writes, until one of the limits is reached; resolves with
 * what was there at the start.
 */
async function followNode(
  node: ManagedNode,
  { streams: wanted, lines, bytes }: Wanted,
  { duration, max_lines: maxLines, isOurs, signal, part }: FollowOptions
): Promise<RequestResultData> {
  const { name } = node.node
  const secrets = secretsIn(node)
  const followers = wanted.map(stream => new OutputFollower(node.program.cwd, stream, secrets))
  const end = performance.now() + duration * 1000
  const left = { lines: maxLines, bytes: followBytes }
  const isOver = () => signal.aborted || left.lines <= 0 || left.bytes <= 0
  const tell = ({ stream }: OutputFollower, told: readonly string[]) => {
    for (const lines of inParts(told)) part({ node: name, stream, lines })
  }
  try {
    const data: RequestResultData = {}
    for (const follower of followers) {
      const there = hideHalves(await follower.begin(lines, bytes), secrets)
      data[follower.stream] = there
      // Whoever follows sees them at once, in order with what comes; they are none of what may still come.
      tell(follower, there === '' ? [] : there.split('\n'))
    }
    // The last look comes after the end, so that nothing that was written before it is missing.
    for (let isLast = false; !isLast && !isOver();) {
      await sleep(Math.max(0, Math.min(pollMs, end - performance.now())), undefined, { signal }).catch(() => {})
      isLast = performance.now() >= end || !isOurs()
      for (const follower of followers) {
        // The other output gets its turn, however much there is of this one.
        for (let reads = 0; reads < readsPerLook && !isOver(); reads++) {
          const news = await follower.next()
          if (!news) break
          // An empty list has no text.
          const told = news.length === 0 ? [] : hideHalves(news.slice(0, left.lines).join('\n'), secrets).split('\n')
          left.lines -= told.length
          left.bytes -= bytesOf(told)
          tell(follower, told)
        }
      }
    }
    return isOver() ? { ...data, truncated: true } : data
  } finally {
    for (const follower of followers) await follower.end()
  }
}

function bytesOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
}

/**
 * Splits lines into portions, each of some hundred lines (`partLines`) and, unless it is a single line, of at most
 * `partBytes`.
 */
function inParts(lines: readonly string[]): string[][] {
  const parts: string[][] = []
  let bytes = 0
  for (const line of lines) {
    bytes += bytesOf([line])
    const last = parts.at(-1)
    if (last && last.length < partLines && bytes <= partBytes) last.push(line)
    else {
      parts.push([line])
      bytes = bytesOf([line])
    }
  }
  return parts
}

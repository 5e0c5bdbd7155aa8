import { useEffect, useReducer, useState } from 'preact/hooks'
import { useShared } from '../context.js'
import { noLines, textsOf, withLines, type Lines } from '../model/lines.js'
import { sessionStore } from '../parts/session-store.js'
import { answerTo } from '../parts/submit.js'
import { OutputFollow, type Following } from './follow.js'

const useFollows = sessionStore(() => new Map<string, OutputFollow>())

/** Returns the outputs of the process of a node that is the latest, as they are written. */
export function useFollowed(node: string): { lines: Lines; following: Following; again: () => void } {
  const { stream } = useShared()
  const follows = useFollows()
  const [, draw] = useReducer((count: number) => count + 1, 0)
  const [follow] = useState(() => {
    const known = follows.get(node)
    if (known) return known
    const made: OutputFollow = new OutputFollow(stream, node, () => {
      if (follows.get(node) === made) follows.delete(node)
    })
    follows.set(node, made)
    return made
  })
  useEffect(() => {
    let frame = 0
    const stop = follow.look(() => {
      frame ||= requestAnimationFrame(() => {
        frame = 0
        draw(undefined)
      })
    })
    draw(undefined)
    return () => {
      cancelAnimationFrame(frame)
      stop()
    }
  }, [follow])
  return { lines: follow.lines, following: follow.following, again: () => follow.again() }
}

export interface Read {
  lines: Lines
  /** When they were read, in milliseconds since 1970; undefined while they are not. */
  at: number | undefined
  failure: string | undefined
}

const readLines = 5_000

/** Returns the outputs of an earlier process of a node: 1 is the one before the latest. */
export function useEarlier(node: string, incarnation: number): Read & { again: () => void } {
  const [tries, again] = useReducer((count: number) => count + 1, 0)
  const [read, setRead] = useState<Read>({ lines: noLines, at: undefined, failure: undefined })
  useEffect(() => {
    setRead({ lines: noLines, at: undefined, failure: undefined })
    const closing = new AbortController()
    readEarlier(node, incarnation, closing.signal).then(
      lines => setRead({ lines, at: Date.now(), failure: undefined }),
      error => {
        if (!closing.signal.aborted) setRead({ lines: noLines, at: undefined, failure: (error as Error).message })
      }
    )
    return () => closing.abort()
  }, [node, incarnation, tries])
  return { ...read, again: () => again(undefined) }
}

async function readEarlier(node: string, incarnation: number, signal: AbortSignal): Promise<Lines> {
  const args = { nodes: [node], incarnation, lines: readLines }
  const { results } = await answerTo('get_node_output', args, signal)
  const { success, error = 'no answer has come', data } = results[0] ?? { success: false }
  if (!success) throw new Error(error)
  let lines = noLines
  if (data?.truncated === true) lines = withLines(lines, 'note', ['more was written before: this is the end of it'])
  lines = withLines(lines, 'stdout', textsOf(data?.stdout ?? ''))
  const stderr = textsOf(data?.stderr ?? '')
  // Files do not tell when a line was written.
  if (lines.list.some(({ from }) => from === 'stdout') && stderr.length > 0) {
    lines = withLines(lines, 'note', ['what was written to stderr, maybe at the same time'])
  }
  return withLines(lines, 'stderr', stderr)
}

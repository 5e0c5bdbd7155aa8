import { createContext } from 'preact'
import { useContext, useEffect, useReducer, useRef, type MutableRef } from 'preact/hooks'
import type { Problem } from '../model/configuration-problems.js'
import type { Difference, Configuration } from '../model/configuration-difference.js'
import type { ClusterRequest, Schema } from '../model/types.js'
import { Draft } from './draft.js'

/** A configuration that is staged. */
export interface Staged {
  /** The request that has staged it. */
  request: ClusterRequest
  /** The text as it was then. */
  text: string
}

/** What would be deployed, and how it differs from what is. */
export interface Intent {
  staged: Staged
  configuration: Configuration
  before: Configuration | undefined
  difference: Difference
}

/** A request that was accepted, and the nodes that it is about. */
export interface Accepted {
  request: ClusterRequest
  nodes: readonly string[]
}

/** What the page shows besides the text. */
export interface DeskState {
  /** What the controller has said of the text, where it is now. */
  said: readonly Problem[]
  /** What a conversion could not take over. */
  notes: readonly string[]
  /** What is being done, as `Staging…`. */
  busy: string | undefined
  /** What was done last. */
  news: string | undefined
  failure: string | undefined
  /** What the controller has said of single fields, where it has refused what was sent. */
  faults: readonly Schema['FieldError'][]
  staged: Staged | undefined
  /** What the viewer is asked before it is deployed. */
  asked: Intent | undefined
  check: Accepted | undefined
  /** The request that has asked what deploying what is staged would do. */
  plan: ClusterRequest | undefined
  deployment: Accepted | undefined
  /** The request that was just accepted: what comes of it is looked at next. */
  fresh: string | undefined
}

const empty: DeskState = {
  said: [],
  notes: [],
  busy: undefined,
  news: undefined,
  failure: undefined,
  faults: [],
  staged: undefined,
  asked: undefined,
  check: undefined,
  plan: undefined,
  deployment: undefined,
  fresh: undefined
}

/** The text that is edited, and what was done with it: it outlives the page, and the people who come back to it. */
export class Desk {
  readonly draft: Draft
  #state = empty
  #listeners = new Set<() => void>()

  constructor() {
    this.draft = new Draft(
      () => this.#tell(),
      // What was done last was not done with what is written now.
      moved => this.set({ said: this.#state.said.flatMap(moved), news: undefined, failure: undefined })
    )
  }

  get state(): DeskState {
    return this.#state
  }

  set(change: Partial<DeskState>): void {
    this.#state = { ...this.#state, ...change }
    this.#tell()
  }

  /** Notes that a deployment was accepted: what was asked before it, and planned, is done with. */
  deployed(deployment: Accepted): void {
    this.set({ asked: undefined, plan: undefined, deployment, fresh: deployment.request.reqid, news: undefined })
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

let kept: { owner: string; desk: Desk } | undefined

/** Returns the desk of who is signed in: what another one has written there is nobody else's. */
export function deskOf(owner: string): Desk {
  if (kept?.owner === owner) return kept.desk
  kept?.desk.draft.discard()
  kept = { owner, desk: new Desk() }
  return kept.desk
}

export const DeskContext = createContext<Desk>(undefined as never)

/** Returns what is selected of the desk, anew when it is another value. */
export function useDesk<T>(select: (desk: Desk) => T): T {
  const desk = useContext(DeskContext)
  const [, draw] = useReducer((count: number) => count + 1, 0)
  const value = select(desk)
  const latest = useRef({ select, value })
  latest.current = { select, value }
  useEffect(() => {
    const look = () => {
      if (!Object.is(latest.current.select(desk), latest.current.value)) draw(undefined)
    }
    // Something may have happened between drawing and this.
    look()
    return desk.subscribe(look)
  }, [desk])
  return value
}

/** Returns what belongs on the heading of what comes of a request: it is gone to when that was just accepted. */
export function useArrival(reqid: string): MutableRef<HTMLHeadingElement | null> {
  const desk = useContext(DeskContext)
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (desk.state.fresh !== reqid) return
    desk.set({ fresh: undefined })
    heading.current?.focus({ preventScroll: true })
    heading.current?.scrollIntoView({ block: 'start' })
  }, [desk, reqid])
  return heading
}

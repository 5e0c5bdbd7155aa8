import type { ChangeDesc } from '@codemirror/state'
import { analysisSteps, type Analysis, type Problem } from '../model/configuration-problems.js'
import type { Place } from '../model/configuration-text.js'
import { schema } from './schema.js'
import type { Editor, KeptEditor } from './editor.js'

/** A pause in writing after which a text is looked at, in milliseconds. */
const pauseMs = 250
/** So long at a time it is looked at: others get their turn between. */
const sliceMs = 8

const nothing: Analysis = { form: 'empty', part: undefined, problems: [], obstacle: undefined, instances: 0, nodes: 0 }

/** Returns problems where they are after a change; none where what they are about has changed. */
export type Moved = (problem: Problem) => Problem[]

/**
 * A text that is edited. What follows from it is found out when it rests, in short slices: a text of a thousand nodes
 * takes longer than a picture may.
 */
export class Draft {
  analysis: Analysis = nothing
  /** Whether the analysis is of the text as it is now. */
  isCurrent = true
  /** The file that it comes from. */
  fileName: string | undefined
  /** What an editor was like when it was closed. */
  kept: KeptEditor | undefined
  #editor: Editor | undefined
  /** A text that has come while there was no editor. */
  #pending: string | undefined
  #doc: { toString: () => string } = ''
  /** The text as it is kept elsewhere, too. */
  #saved = ''
  #text: string | undefined = ''
  #isWarning = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #turn = 0
  #waiting: (() => void)[] = []
  /** What has changed since places of the text were taken to be looked up elsewhere. */
  #since: ChangeDesc[] = []
  #tell: () => void
  #onMoved: (moved: Moved) => void

  constructor(tell: () => void, onMoved: (moved: Moved) => void) {
    this.#tell = tell
    this.#onMoved = onMoved
  }

  get text(): string {
    return (this.#text ??= this.#doc.toString())
  }

  /** Whether closing the page would lose something. */
  get isUnsaved(): boolean {
    return this.#isWarning
  }

  /** Takes in what was written. */
  edited(doc: { toString: () => string }, changes: ChangeDesc): void {
    this.#doc = doc
    this.#text = undefined
    this.#since.push(changes)
    this.#onMoved(problem => moved(problem, changes))
    if (this.isCurrent) {
      this.isCurrent = false
      this.#tell()
    }
    this.#warn(true)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#analyse(), pauseMs)
  }

  /** Puts another text in place of the one that is there, which can be brought back. */
  replace(text: string, { fileName, isSaved }: { fileName?: string | undefined; isSaved: boolean }): void {
    this.fileName = fileName
    if (isSaved) this.#saved = text
    if (this.#editor) this.#editor.replace(text)
    else this.#pending = text
    void this.settled()
  }

  get editor(): Editor | undefined {
    return this.#editor
  }

  /** Takes an editor into use, or out of it. */
  set editor(editor: Editor | undefined) {
    this.#editor = editor
    if (editor === undefined || this.#pending === undefined) return
    editor.replace(this.#pending)
    this.#pending = undefined
    void this.settled()
  }

  /** Notes that the text is kept elsewhere. */
  saved(text: string): void {
    this.#saved = text
    this.#warn(this.text !== text && this.text.trim() !== '')
    this.#tell()
  }

  /** Forgets the text. */
  discard(): void {
    clearTimeout(this.#timer)
    this.#turn++
    this.#warn(false)
  }

  /** Resolves with the analysis of the text as it is then. */
  async settled(): Promise<Analysis> {
    clearTimeout(this.#timer)
    if (!this.isCurrent) {
      const done = new Promise<void>(resolve => this.#waiting.push(resolve))
      void this.#analyse()
      await done
    }
    return this.analysis
  }

  /** Returns what finds places of the text as it is now in what it will be. */
  follow(): Moved {
    this.#since = []
    const since = this.#since
    return problem => since.reduce<Problem[]>((found, changes) => found.flatMap(one => moved(one, changes)), [problem])
  }

  async #analyse(): Promise<void> {
    const turn = ++this.#turn
    const steps = analysisSteps(this.text, schema)
    let until = performance.now() + sliceMs
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return this.#found(value)
      if (performance.now() < until) continue
      await new Promise(resolve => setTimeout(resolve))
      if (this.#turn !== turn) return
      until = performance.now() + sliceMs
    }
  }

  #found(analysis: Analysis): void {
    this.analysis = analysis
    this.isCurrent = true
    this.#warn(analysis.form !== 'empty' && this.text !== this.#saved)
    for (const resolve of this.#waiting.splice(0)) resolve()
    this.#tell()
  }

  #warn(wanted: boolean): void {
    if (wanted === this.#isWarning) return
    this.#isWarning = wanted
    if (wanted) window.addEventListener('beforeunload', hold)
    else window.removeEventListener('beforeunload', hold)
  }
}

const hold = (event: BeforeUnloadEvent) => event.preventDefault()

function moved(problem: Problem, changes: ChangeDesc): Problem[] {
  const { place } = problem
  if (!place) return [problem]
  // Who changes it mends it, or makes another mistake.
  if (changes.touchesRange(place.from, place.to) !== false) return []
  const after: Place = { from: changes.mapPos(place.from, 1), to: changes.mapPos(place.to, -1) }
  return [{ ...problem, place: after }]
}

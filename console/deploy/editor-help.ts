import {
  pickedCompletion,
  startCompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult
} from '@codemirror/autocomplete'
import type { Extension } from '@codemirror/state'
import { hoverTooltip, type EditorView } from '@codemirror/view'
import { helpAt, suggestionsFor, type KeyHelp, type Suggestion } from '../model/configuration-help.js'
import { writingAt } from '../model/configuration-writing.js'
import { plain } from '../model/format.js'
import type { Draft } from './draft.js'
import { schema } from './schema.js'

/** Returns what completes keys and values, by what the controller takes and what there is. */
export function completeFrom({ draft, connected }: { draft: Draft; connected: () => readonly string[] }) {
  return ({ state, pos, explicit }: CompletionContext): CompletionResult | null => {
    const text = state.doc.toString()
    const writing = writingAt(text, pos)
    if (!writing || (!explicit && writing.place.from === writing.place.to)) return null
    const known = { configuration: draft.analysis.part, connected: connected() }
    const options = suggestionsFor(writing, schema, known).map(completionOf)
    // Quotes do not count where what is written is compared.
    const from = writing.place.from + (text[writing.place.from] === '"' ? 1 : 0)
    return options.length === 0 ? null : { from, options, validFor: /^[\w.:/-]*$/ }
  }
}

const completionOf = ({ label, detail, info, text, cursor }: Suggestion, index: number): Completion => ({
  label: plain(label),
  detail,
  ...(info === '' ? {} : { info: plain(info) }),
  // In the order in which they are described.
  boost: -index,
  apply: (view, completion) => apply(view, completion, { text, cursor })
})

function apply(view: EditorView, completion: Completion, { text, cursor }: Pick<Suggestion, 'text' | 'cursor'>): void {
  const { head } = view.state.selection.main
  const { from, to } = writingAt(view.state.doc.toString(), head)?.place ?? { from: head, to: head }
  view.dispatch({
    changes: { from, to, insert: text },
    selection: { anchor: from + cursor },
    scrollIntoView: true,
    userEvent: 'input.complete',
    annotations: pickedCompletion.of(completion)
  })
  // Right away what may stand between the quotes.
  if (cursor < text.length) startCompletion(view)
}

/** Returns what explains the key under the pointer. */
export function explainFrom(draft: Draft): Extension {
  return hoverTooltip((_view, offset) => {
    const help = draft.isCurrent ? helpAt(draft.analysis.part, offset, schema) : undefined
    if (!help) return null
    return { pos: help.place.from, end: help.place.to, above: true, create: () => ({ dom: explanation(help) }) }
  })
}

function explanation({ key, kind, description, allowed, example }: KeyHelp): HTMLElement {
  const dom = document.createElement('div')
  dom.className = 'cm-help'
  const name = element('code', key)
  name.style.fontWeight = '600'
  dom.append(name, ' ', element('span', kind, 'cm-helpKind'))
  if (description !== '') dom.append(element('p', description))
  if (allowed.length > 0) dom.append(element('p', `One of ${allowed.join(', ')}`))
  if (example !== undefined) {
    const line = element('p', 'For example ', 'cm-helpKind')
    line.append(element('code', example))
    dom.append(line)
  }
  return dom
}

function element(name: string, text: string, className = ''): HTMLElement {
  const made = document.createElement(name)
  made.className = className
  made.textContent = plain(text)
  return made
}

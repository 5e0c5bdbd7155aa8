import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, undo } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, nextDiagnostic, previousDiagnostic, setDiagnostics } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, StateEffect } from '@codemirror/state'
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  placeholder
} from '@codemirror/view'
import type { Problem } from '../model/configuration-problems.js'
import type { Place } from '../model/configuration-text.js'
import { plain } from '../model/format.js'
import type { Draft } from './draft.js'
import { completeFrom, explainFrom } from './editor-help.js'
import { colours, theme } from './editor-theme.js'
import { hangingIndent } from './hanging-indent.js'
import { typeOver } from './typing.js'

/** An editor that is on the page. */
export interface Editor {
  /** Puts another text in, in one step that can be undone. */
  replace: (text: string) => void
  undo: () => void
  /** Selects a place, and goes on writing there. */
  goTo: (place: Place) => void
  show: (problems: readonly Problem[]) => void
  /** Says whether the text is JSON: only that is coloured. */
  isJson: (isJson: boolean) => void
  /** Keeps the text, its history and the place of the cursor for the next editor. */
  close: () => void
}

export interface KeptEditor {
  state: EditorState
  scroll: StateEffect<unknown>
}

export interface EditorUse {
  draft: Draft
  /** Names of the instances that are connected. */
  connected: () => readonly string[]
  onSave: () => void
}

/**
 * Opens an editor of a draft in an element of the page. It is in a shadow root: there CodeMirror makes style sheets by
 * script, which the page's policy lets it, in place of elements.
 */
export function openEditor(host: HTMLElement, use: EditorUse): Editor {
  const { draft } = use
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' })
  // The parts of an earlier editor speak with what has drawn that.
  const before = draft.kept
  const extensions = extensionsOf(use)
  const state =
    before?.state.update({ effects: StateEffect.reconfigure.of(extensions) }).state ??
    EditorState.create({ extensions })
  const view = new EditorView({ root, parent: root, state, ...(before ? { scrollTo: before.scroll } : {}) })
  return {
    replace: text => {
      const { length } = view.state.doc
      view.dispatch({ changes: { from: 0, to: length, insert: text }, selection: { anchor: 0 }, scrollIntoView: true })
    },
    undo: () => {
      undo(view)
      view.focus()
    },
    goTo: ({ from, to }) => {
      const { length } = view.state.doc
      const [anchor, head] = [Math.min(from, length), Math.min(to, length)]
      view.dispatch({ selection: { anchor, head }, effects: EditorView.scrollIntoView(anchor, { y: 'center' }) })
      view.focus()
    },
    show: problems => view.dispatch(setDiagnostics(view.state, diagnosticsOf(problems, view.state.doc.length))),
    isJson: isJson => {
      if ((language.get(view.state) !== noLanguage) === isJson) return
      view.dispatch({ effects: language.reconfigure(isJson ? jsonLanguage : noLanguage) })
    },
    close: () => {
      draft.kept = { state: view.state, scroll: view.scrollSnapshot() }
      view.destroy()
    }
  }
}

function extensionsOf({ draft, connected, onSave }: EditorUse) {
  return [
    lineNumbers(),
    foldGutter(),
    lintGutter(),
    highlightSpecialChars(),
    history(),
    drawSelection(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    search({ top: true }),
    language.of(noLanguage),
    syntaxHighlighting(colours),
    theme,
    autocompletion({ override: [completeFrom({ draft, connected })], icons: false }),
    explainFrom(draft),
    EditorState.tabSize.of(2),
    EditorView.lineWrapping,
    hangingIndent,
    typeOver,
    EditorView.contentAttributes.of({ 'aria-label': 'Configuration', tabindex: '0' }),
    placeholder('Paste a configuration here, or drop a file.'),
    // The tab key is not among them: it leads out of the editor.
    keymap.of([
      { key: 'Mod-s', run: always(onSave), preventDefault: true },
      { key: 'F8', run: nextDiagnostic, shift: previousDiagnostic },
      ...closeBracketsKeymap,
      ...completionKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...foldKeymap,
      ...defaultKeymap
    ]),
    EditorView.updateListener.of(({ docChanged, state, changes }) => {
      if (docChanged) draft.edited(state.doc, changes.desc)
    })
  ]
}

const language = new Compartment()
const jsonLanguage = json()
const noLanguage: readonly never[] = []

/** A command that lets no other one, nor the browser, have its key. */
const always = (act: () => void) => () => {
  act()
  return true
}

const diagnosticsOf = (problems: readonly Problem[], length: number) =>
  problems.flatMap(({ level, message, place }) => {
    if (!place) return []
    const [from, to] = [Math.min(place.from, length), Math.min(place.to, length)]
    return [{ from, to, severity: level, message: plain(message) }]
  })

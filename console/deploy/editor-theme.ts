import { HighlightStyle } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'

/** The colours of the parts of a text: those of the page, which know of light and dark. */
export const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--accent)' },
  { tag: tags.string, color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--doubt)' },
  { tag: [tags.separator, tags.brace, tags.squareBracket], color: 'var(--aside)' },
  { tag: tags.invalid, color: 'var(--bad)' }
])

const cross =
  'polygon(20% 0, 50% 30%, 80% 0, 100% 20%, 70% 50%, 100% 80%, 80% 100%, 50% 70%, 20% 100%, 0 80%, 30% 50%, 0 20%)'

/** Little enough that every text can be read on it. */
const soft = (colour: string) => `color-mix(in srgb, var(--${colour}) 8%, transparent)`
const wavy = (colour: string) => ({
  textDecoration: `underline wavy var(--${colour}) 1.5px`,
  textUnderlineOffset: '3px'
})

const field = {
  font: 'inherit',
  color: 'inherit',
  background: 'var(--card)',
  border: '1px solid var(--edge)',
  borderRadius: '4px',
  padding: '0.2rem 0.5rem'
}

/** What the editor looks like: as the rest of the page. */
export const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--text)', backgroundColor: 'var(--card)', fontSize: '0.9rem' },
  // Shown around the whole, by the page.
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.6', overflow: 'auto' },
  '.cm-content': { caretColor: 'var(--text)', padding: '0.5rem 0' },
  '.cm-line': { padding: '0 0.75rem 0 0.25rem' },
  '.cm-cursor, .cm-dropCursor': { borderLeftColor: 'var(--text)', borderLeftWidth: '2px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--accent) 22%, transparent) !important'
  },
  '.cm-placeholder': { color: 'var(--aside)', fontFamily: 'system-ui, sans-serif' },
  '.cm-gutters': { color: 'var(--aside)', backgroundColor: 'var(--back)', borderRight: '1px solid var(--line)' },
  '.cm-lineNumbers .cm-gutterElement': { padding: '0 0.25rem 0 0.5rem', minWidth: '2.5ch' },
  '.cm-foldGutter .cm-gutterElement': { cursor: 'pointer' },
  '.cm-gutter-lint': { width: '1.2em' },
  '.cm-gutter-lint .cm-gutterElement': { padding: '0 0.2em' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--accent) 6%, transparent)' },
  '.cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--text)' },
  '.cm-selectionMatch, .cm-searchMatch': { backgroundColor: soft('doubt'), outline: '1px solid var(--line)' },
  '.cm-searchMatch-selected': { backgroundColor: soft('doubt'), outline: '2px solid var(--doubt)' },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: soft('good'), outline: '1px solid var(--good)' },
  '&.cm-focused .cm-nonmatchingBracket': { backgroundColor: soft('bad'), outline: '1px solid var(--bad)' },
  '.cm-foldPlaceholder': { ...field, padding: '0 0.4rem', color: 'var(--aside)' },
  '.cm-specialChar': { color: 'var(--bad)' },
  // Drawn by the browser: it follows the theme.
  '.cm-lintRange': { backgroundImage: 'none' },
  '.cm-lintRange-active': { backgroundColor: 'transparent' },
  '.cm-lintRange-error': wavy('bad'),
  '.cm-lintRange-warning': wavy('doubt'),
  '.cm-lintPoint-error:after': { borderBottomColor: 'var(--bad)' },
  '.cm-lintPoint-warning:after': { borderBottomColor: 'var(--doubt)' },
  // A shape of its own for each, as elsewhere on the page.
  '.cm-lint-marker': { width: '0.8em', height: '0.8em', content: '""', display: 'inline-block' },
  '.cm-lint-marker-error': { backgroundColor: 'var(--bad)', clipPath: cross },
  '.cm-lint-marker-warning': { backgroundColor: 'var(--doubt)', clipPath: 'polygon(50% 0, 100% 50%, 50% 100%, 0 50%)' },
  '.cm-tooltip': {
    color: 'var(--text)',
    backgroundColor: 'var(--card)',
    border: '1px solid var(--edge)',
    borderRadius: '6px',
    boxShadow: '0 4px 16px rgb(0 0 0 / 25%)',
    maxWidth: 'min(32rem, calc(100vw - 2rem))'
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', maxHeight: '14rem' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '0.2rem 0.6rem' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    color: 'var(--on-accent)',
    backgroundColor: 'var(--accent)'
  },
  '.cm-completionDetail': { color: 'var(--aside)', fontStyle: 'normal', fontFamily: 'system-ui, sans-serif' },
  'li[aria-selected] .cm-completionDetail': { color: 'inherit' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700' },
  '.cm-tooltip.cm-completionInfo': {
    padding: '0.5rem 0.75rem',
    fontFamily: 'system-ui, sans-serif',
    lineHeight: '1.4'
  },
  '.cm-help': { padding: '0.5rem 0.75rem', fontFamily: 'system-ui, sans-serif', lineHeight: '1.4' },
  '.cm-help p': { margin: '0.25rem 0 0' },
  '.cm-help code': { fontFamily: 'var(--mono)' },
  '.cm-help .cm-helpKind': { color: 'var(--aside)' },
  '.cm-diagnostic': { padding: '0.4rem 0.75rem', borderLeftWidth: '4px', fontFamily: 'system-ui, sans-serif' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--doubt)' },
  '.cm-panels': { color: 'var(--text)', backgroundColor: 'var(--back)', borderColor: 'var(--line)' },
  '.cm-panels.cm-panels-top': { borderBottom: '1px solid var(--line)' },
  '.cm-panel.cm-search': { padding: '0.4rem 2rem 0.4rem 0.6rem', fontFamily: 'system-ui, sans-serif' },
  '.cm-panel.cm-search label': { fontSize: '0.9em' },
  '.cm-textfield': field,
  '.cm-button': { ...field, backgroundImage: 'none', cursor: 'pointer' },
  '.cm-panel.cm-search [name=close]': { color: 'inherit', fontSize: '1.2rem', cursor: 'pointer' }
})

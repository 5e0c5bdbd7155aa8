import { RangeSetBuilder, type Extension } from '@codemirror/state'
import { Decoration, EditorView, ViewPlugin, type DecorationSet, type ViewUpdate } from '@codemirror/view'

/** Further indentation leaves no room for the text. */
const indentMax = 24

const indenting: Extension = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet

    constructor(view: EditorView) {
      this.decorations = indentsOf(view)
    }

    update({ docChanged, viewportChanged, view }: ViewUpdate): void {
      if (docChanged || viewportChanged) this.decorations = indentsOf(view)
    }
  },
  { decorations: plugin => plugin.decorations }
)

function indentsOf({ visibleRanges, state: { doc } }: EditorView): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>()
  for (const { from, to } of visibleRanges) {
    for (let at = from; at <= to;) {
      const line = doc.lineAt(at)
      const indent = Math.min(indentMax, (/^ */.exec(line.text)?.[0].length ?? 0) + 2)
      builder.add(line.from, line.from, decorations[indent]!)
      at = line.to + 1
    }
  }
  return builder.finish()
}

/**
 * Classes, no attributes: editing in the browser copies attributes of style, which the page's policy does not let it.
 */
const classOf = (indent: number) => `cm-indent-${indent}`
const indents = Array.from({ length: indentMax + 1 }, (_, indent) => indent)
const decorations = indents.map(indent => Decoration.line({ class: classOf(indent) }))
const sizes = EditorView.theme(
  Object.fromEntries(
    indents.map(indent => [
      `.cm-line.${classOf(indent)}`,
      { textIndent: `-${indent}ch`, paddingLeft: `calc(${indent}ch + 0.25rem)` }
    ])
  )
)

/** Indents what a line that is too long goes on with: by two more than the line itself. */
export const hangingIndent: Extension = [sizes, indenting]

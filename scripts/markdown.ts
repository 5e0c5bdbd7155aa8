import { Marked, Renderer, type Token, type Tokens } from 'marked'

/** A document in HTML. Title and headings are HTML, too. */
export interface Rendered {
  title: string
  /** What comes before the first section. */
  lead: string
  sections: { id: string; heading: string }[]
  body: string
}

/**
 * Returns where a relative link leads; undefined where to is nothing to read: then its text is shown, with the path.
 */
export type Resolve = (href: string) => { href: string } | { path: string }

/**
 * Returns GitHub's Markdown in HTML, with its ids of headings. Tags in it are shown as they are written, and an image
 * by its text. What may be too wide to show at once can be scrolled from the keyboard.
 */
export function renderMarkdown(markdown: string, resolve: Resolve): Rendered {
  const ids = new Map<string, number>()
  const marked = new Marked({ gfm: true, renderer: rendererOf(ids, resolve) })
  const tokens = marked.lexer(markdown)
  const isHeading = (token: Token, depth: number): token is Tokens.Heading =>
    token.type === 'heading' && token.depth === depth
  const [title] = tokens
  if (!title || !isHeading(title, 1)) throw new Error(`a document begins with its title, not with ${title?.raw}`)
  const start = tokens.findIndex(token => isHeading(token, 2))
  const end = start < 0 ? tokens.length : start
  const lead = marked.parser(tokens.slice(1, end))
  const body = marked.parser(tokens.slice(end))
  return {
    title: inline(marked, title.text),
    lead,
    sections: [...body.matchAll(/<h2 id="([^"]+)">(.*?)<\/h2>/g)].map(([, id, heading]) => ({
      id: id!,
      heading: heading!.replace(/<\/?a\b[^>]*>/g, '')
    })),
    body
  }
}

/** Returns Markdown within a line in HTML. */
export function renderInline(markdown: string, resolve: Resolve): string {
  return inline(new Marked({ gfm: true, renderer: rendererOf(new Map(), resolve) }), markdown)
}

const inline = (marked: Marked, text: string) => marked.parseInline(text, { async: false })

/** Returns the rows of the first table that follows a heading, cells in Markdown. */
export function tableBelow(markdown: string, heading: string): string[][] {
  const tokens = new Marked().lexer(markdown)
  const start = tokens.findIndex(({ type, raw }) => type === 'heading' && raw.replace(/^#+ /, '').trim() === heading)
  const table = tokens.slice(start + 1).find((token): token is Tokens.Table => token.type === 'table')
  if (start < 0 || !table) throw new Error(`there is no table below ${heading}`)
  return table.rows.map(row => row.map(({ text }) => text))
}

function rendererOf(ids: Map<string, number>, resolve: Resolve): Partial<Renderer> {
  const plain = new Renderer()
  return {
    html: ({ text }) => escaped(text),
    image: ({ text }) => escaped(text),
    heading({ tokens, depth }) {
      const { parser } = this as Renderer
      const id = uniqueId(ids, parser.parseInline(tokens, parser.textRenderer))
      return `<h${depth} id="${id}">${parser.parseInline(tokens)}</h${depth}>\n`
    },
    link({ href, tokens, text }) {
      const html = (this as Renderer).parser.parseInline(tokens)
      if (href.startsWith('#') || /^https?:/.test(href)) return `<a href="${escaped(href)}">${html}</a>`
      const target = resolve(href)
      if ('href' in target) return `<a href="${escaped(target.href)}">${html}</a>`
      const path = `<code>${escaped(target.path)}</code>`
      return target.path.endsWith(text) ? path : `${html} (${path})`
    },
    code(token) {
      return plain.code(token).replace('<pre>', '<pre tabindex="0">')
    },
    tablecell(token) {
      // A header without a text is none.
      return token.header && token.text === '' ? '<td></td>\n' : Renderer.prototype.tablecell.call(this, token)
    },
    table(token) {
      return `<div class="scroll" tabindex="0">${Renderer.prototype.table.call(this, token)}</div>\n`
    }
  }
}

/** Returns the id of a heading: as GitHub has it, since documents link to it there, too. */
function uniqueId(ids: Map<string, number>, text: string): string {
  const id = text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-')
  const count = ids.get(id) ?? 0
  ids.set(id, count + 1)
  return count === 0 ? id : `${id}-${count}`
}

export const escaped = (text: string) =>
  text.replace(/[&<>"]/g, character => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character]!)

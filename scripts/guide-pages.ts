import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { packageRoot, packageVersion } from '../src/util.js'
import { escaped, renderInline, renderMarkdown, tableBelow, type Resolve } from './markdown.js'

/** A page of the guide: its file in docs/ without the ending, its name and what it says, in HTML. */
interface Page {
  page: string
  name: string
  content: string
}

/**
 * Returns the files of the guide by name: a page of HTML of each document in the table of README.md, a table of
 * contents, and their style. Links are relative, since the guide may be read below any path.
 */
export function renderGuide(): Map<string, string> {
  const rows = tableBelow(textOf('README.md'), 'Documentation')
  const pages = rows.map(([link = '', content = '']): Page => {
    const [, name, page] = /^\[(.+)\]\(docs\/([a-z0-9-]+)\.md\)$/.exec(link) ?? []
    if (name === undefined || page === undefined) throw new Error(`README.md: ${link} is no link to a document`)
    return { page, name: escaped(name), content: renderInline(content, resolverOf([], '.')) }
  })
  const style = textOf('console/guide.css')
  const hash = createHash('sha256').update(style).digest('hex').slice(0, 8).toUpperCase()
  return new Map([
    [`guide-${hash}.css`, style],
    ...pages.map(({ page }) => [`${page}.html`, pageOf(page, pages, hash)] as const),
    ['index.html', contentsOf(pages, hash)]
  ])
}

const textOf = (file: string) => readFileSync(join(packageRoot, file), 'utf8')

function pageOf(page: string, pages: readonly Page[], hash: string): string {
  const { title, lead, sections, body } = renderMarkdown(textOf(`docs/${page}.md`), resolverOf(pages, 'docs'))
  const toc = sections.map(({ id, heading }) => `<li><a href="#${id}">${heading}</a></li>`)
  return documentOf({
    title,
    hash,
    main: `<nav class="pages" aria-label="Pages">
<ul>
${pages.map(one => `<li><a href="${one.page}"${one.page === page ? ' aria-current="page"' : ''}>${one.name}</a></li>`).join('\n')}
</ul>
</nav>
<main id="content" tabindex="-1">
<h1>${title}</h1>
${lead}${toc.length < 3 ? '' : `<nav class="sections" aria-label="On this page">\n<ul>\n${toc.join('\n')}\n</ul>\n</nav>\n`}${body}</main>`
  })
}

function contentsOf(pages: readonly Page[], hash: string): string {
  return documentOf({
    title: 'Guide',
    hash,
    main: `<main id="content" tabindex="-1">
<h1>Guide</h1>
<dl>
${pages.map(({ page, name, content }) => `<div><dt><a href="${page}">${name}</a></dt><dd>${content}</dd></div>`).join('\n')}
</dl>
</main>`
  })
}

function documentOf({ title, hash, main }: { title: string; hash: string; main: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title.replace(/<[^>]+>/g, '')} · zeek-cluster-controller</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="guide-${hash}.css">
</head>
<body>
<a class="skip" href="#content">Skip to the text</a>
<header>
<a href="./">Guide</a>
<nav aria-label="This controller">
<a href="../../">Console</a>
<a href="../">API reference</a>
</nav>
<span>zeek-cluster-controller ${escaped(packageVersion)}</span>
</header>
<div class="columns">
${main}
</div>
</body>
</html>
`
}

/** Returns where links of documents in a directory lead, seen from a page of the guide. */
function resolverOf(pages: readonly Page[], directory: string): Resolve {
  return link => {
    const [file = '', fragment] = link.split('#')
    const path = normalize(join(directory, file))
    if (path === 'README.md') return { href: './' }
    if (path === 'openapi.yaml') return { href: '../../openapi.yaml' }
    const page = pages.find(({ page }) => path === `docs/${page}.md`)
    if (page) return { href: `${page.page}${fragment === undefined ? '' : `#${fragment}`}` }
    return { path }
  }
}

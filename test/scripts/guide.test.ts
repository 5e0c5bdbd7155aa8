import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { buildGuide } from '../../scripts/guide.js'
import { renderGuide } from '../../scripts/guide-pages.js'
import { renderInline, renderMarkdown, tableBelow } from '../../scripts/markdown.js'
import { packageRoot } from '../../src/util.js'
import { directoryOf } from '../support/directory.js'

const documents = readdirSync(join(packageRoot, 'docs')).filter(file => file.endsWith('.md'))
const nowhere = () => ({ path: 'elsewhere/file.yml' })
const html = (markdown: string) => {
  const { lead, body } = renderMarkdown(`# Title\n\n${markdown}`, nowhere)
  return lead + body
}
const idsOf = (text: string) => [...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)

await t.test('headings have the ids of GitHub', async t => {
  for (const [heading, id] of [
    ['Tokens', 'tokens'],
    ["Between Zeek's nodes", 'between-zeeks-nodes'],
    ['TLS and certificates', 'tls-and-certificates'],
    ['1. Install, on every host', '1-install-on-every-host'],
    ['One request: `POST /v1/requests/deploy`', 'one-request-post-v1requestsdeploy'],
    ['`a_b` & **c** -- <d>', 'a_b--c----d'],
    ['A [link](http://x.example/y) in it', 'a-link-in-it'],
    ['Größe: 10 µs', 'größe-10-µs']
  ] as const) {
    t.same(idsOf(html(`## ${heading}`)), [id], heading)
  }
  t.same(idsOf(html('## One\n\n### One\n\n## One')), ['one', 'one-1', 'one-2'])
})

await t.test('a document begins with its title, and names its sections', async t => {
  const { title, lead, sections, body } = renderMarkdown(
    '# A `b` & c\n\nFirst.\n\n## One\n\ntext\n\n## Two & `x`',
    nowhere
  )
  t.equal(title, 'A <code>b</code> &amp; c')
  t.match(lead, /^<p>First\.<\/p>\s*$/)
  t.same(sections, [
    { id: 'one', heading: 'One' },
    { id: 'two--x', heading: 'Two &amp; <code>x</code>' }
  ])
  t.match(body, /^<h2 id="one">/)
  t.throws(() => renderMarkdown('text', nowhere), /begins with its title/)
})

await t.test('tags are shown as they are written, and nothing that runs comes from a document', async t => {
  for (const markdown of [
    '<script>alert(1)</script>',
    'in a line <img src=x onerror=alert(1)> of text',
    '<div style="color: red">\n\ntext\n\n</div>',
    '[x](javascript:alert(1))',
    '[x](data:text/html,<script>)',
    '[x](vbscript:x)',
    '![x](javascript:alert(1))',
    '![a picture](http://x.example/y.png)',
    '[x]("onmouseover="alert(1))',
    '[x](http://x.example/"onmouseover="alert(1))',
    '```"><script>\n<b>\n```',
    '`<b>`',
    '## <script>alert(1)</script>',
    '| <b> |\n| --- |\n| <script> |'
  ]) {
    const got = html(markdown)
    t.notMatch(got, /<(script|img|b|div(?! class="scroll"))\b/, markdown)
    t.notMatch(got, /<[^>]*[\s"](on\w+|style|src)=/, markdown)
    t.notMatch(got, /href="(?!http|#)/, markdown)
  }
  t.match(html('a <b> c'), 'a &lt;b&gt; c')
  t.match(html('![a picture](http://x.example/y.png)'), '<p>a picture</p>')
})

await t.test('a link leads where there is something to read, else it is its text and a path', async t => {
  const resolve = (href: string) =>
    href.startsWith('logs.md') ? { href: href.replace('.md', '') } : { path: 'docs/prometheus/alerts.yml' }
  t.equal(renderInline('[x](logs.md#a)', resolve), '<a href="logs#a">x</a>')
  t.equal(renderInline('[`x`](https://zeek.org)', resolve), '<a href="https://zeek.org"><code>x</code></a>')
  t.equal(renderInline('<https://zeek.org>', resolve), '<a href="https://zeek.org">https://zeek.org</a>')
  t.equal(renderInline('[alerts](x.yml)', resolve), 'alerts (<code>docs/prometheus/alerts.yml</code>)')
  t.equal(renderInline('[alerts.yml](x.yml)', resolve), '<code>docs/prometheus/alerts.yml</code>')
})

await t.test('what the documents link to is there, also where the guide only names it', async t => {
  for (const file of ['README.md', ...documents.map(file => join('docs', file))]) {
    const text = readFileSync(join(packageRoot, file), 'utf8')
    for (const [, link] of text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)) {
      t.ok(existsSync(join(packageRoot, dirname(file), link!)), `${file}: ${link}`)
    }
  }
})

await t.test('what may be too wide can be scrolled from the keyboard', async t => {
  t.match(html('```sh\nx\n```'), '<pre tabindex="0"><code class="language-sh">x')
  t.match(html('| a |\n| --- |\n| b |'), /<div class="scroll" tabindex="0"><table>[^]*<\/table>\n<\/div>/)
  t.match(html('| | a |\n| --- | --- |\n| b | c |'), /<tr>\s*<td><\/td>\s*<th>a<\/th>/)
})

await t.test('the table of contents is that of the README, which has every document', async t => {
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8')
  t.same(
    tableBelow(readme, 'Documentation')
      .map(([link]) => /\(docs\/(.*)\)/.exec(link!)?.[1])
      .sort(),
    [...documents].sort()
  )
  t.throws(() => tableBelow(readme, 'No such'), /no table below No such/)
  const guide = renderGuide()
  t.same(
    [...guide.keys()].filter(name => name.endsWith('.html')).sort(),
    [...documents.map(name => name.replace('.md', '.html')), 'index.html'].sort()
  )
  for (const document of documents) t.match(guide.get('index.html'), `<a href="${document.replace('.md', '')}">`)
})

await t.test('a guide that is newer than the documents stays, and one that is not is made anew', async t => {
  const directory = directoryOf(t)
  const index = join(directory, 'guide', 'index.html')
  await buildGuide(directory)
  const { mtimeMs, ino } = statSync(index)
  const names = readdirSync(join(directory, 'guide'))
  t.ok(names.some(name => /^guide-[0-9A-F]{8}\.css$/.test(name)))
  writeFileSync(join(directory, 'guide', 'gone.html'), 'of a document that there is no more')
  await buildGuide(directory)
  t.match(statSync(index), { mtimeMs, ino })
  utimesSync(index, 1, 1)
  await buildGuide(directory)
  t.not(statSync(index).mtimeMs, 1000)
  t.same(readdirSync(join(directory, 'guide')), names, 'and nothing else is left')
})

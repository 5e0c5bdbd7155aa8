import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { Test } from 'tap'
import { directoryOf } from './directory.js'

export const script = `document.getElementById('console').textContent = 'base ' + new URL('.', document.baseURI).pathname\n`
export const style = '#console { color: rgb(1, 2, 3) }\n'
export const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<base href="./" />
<title>Console</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="assets/main-AAAA2222.css">
<script type="module" src="assets/main-BBBB3333.js"></script>
</head>
<body><p id="console"></p></body>
</html>
`

/** A directory as a build of the web console leaves it, with some files more that are nobody's business. */
export function pagesOf(t: Test): string {
  const pages = directoryOf(t)
  const assets = join(pages, 'assets')
  mkdirSync(join(assets, 'inner-AAAA2222.js'), { recursive: true })
  writeFileSync(join(pages, 'index.html'), html)
  writeFileSync(join(pages, 'secret-AAAA2222.js'), 'beside the assets')
  for (const [name, text] of [
    ['main-AAAA2222.css', style],
    ['main-BBBB3333.js', script]
  ] as const) {
    writeFileSync(join(assets, name), text)
    writeFileSync(join(assets, `${name}.br`), brotliCompressSync(text))
    writeFileSync(join(assets, `${name}.gz`), gzipSync(text))
    writeFileSync(join(assets, `${name}.map`), '{}')
  }
  writeFileSync(join(assets, 'icon-CCCC4444.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
  writeFileSync(join(assets, '.hidden-AAAA2222.js'), 'hidden')
  writeFileSync(join(assets, 'notes.txt'), 'notes')
  return pages
}

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../src/util.js'
import { isNewest } from './newest.js'

/**
 * Makes the guide of the documents, in the directory `guide` of this one. Does nothing when it is newer than all that
 * it is made of: npm start does not wait for it.
 */
export async function buildGuide(outDir: string): Promise<void> {
  const directory = join(outDir, 'guide')
  const docs = join(packageRoot, 'docs')
  const own = ['guide.js', 'guide-pages.js', 'markdown.js'].map(file => fileURLToPath(new URL(file, import.meta.url)))
  const files = ['README.md', 'package.json', 'console/guide.css'].map(file => join(packageRoot, file))
  const documents = readdirSync(docs).map(file => join(docs, file))
  // It is written last. A directory is as new as its last file that came or went.
  if (isNewest(join(directory, 'index.html'), [docs, ...documents, ...files, ...own])) return
  const { renderGuide } = await import('./guide-pages.js')
  const guide = renderGuide()
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of guide) writeFileSync(join(directory, name), text)
}

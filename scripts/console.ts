import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { BuildOptions, Metafile } from 'esbuild'
import { packageRoot } from '../src/util.js'
import { isNewest } from './newest.js'

const source = join(packageRoot, 'console')

const options = {
  bundle: true,
  format: 'esm',
  target: ['chrome120', 'firefox121', 'safari17'],
  minify: true,
  legalComments: 'none',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  absWorkingDir: packageRoot,
  metafile: true,
  logLevel: 'warning'
} satisfies BuildOptions

/**
 * Builds the console in a directory: `index.html`, and `assets/` with scripts and styles whose names hold a hash of
 * their content, so that browsers may keep them for ever. Does nothing when it is newer than all that it is made of.
 */
export async function buildConsole(outDir: string): Promise<void> {
  const page = join(outDir, 'index.html')
  const outdir = join(outDir, 'assets')
  const made = ['openapi.yaml', 'package.json', 'package-lock.json', 'schemas/nearest.ts'].map(file =>
    join(packageRoot, file)
  )
  const read = [source, join(packageRoot, 'src', 'client'), fileURLToPath(import.meta.url)].flatMap(withContent)
  if (isNewest(page, [...made, ...read])) return
  // Only now: where nothing is to be built, this must take no time.
  const { build } = await import('esbuild')
  const { parse } = await import('yaml')
  const { schemas } = (parse(readFileSync(join(packageRoot, 'openapi.yaml'), 'utf8')) as Document).components
  // The page is written last: it says that all else is there.
  rmSync(page, { force: true })
  rmSync(outdir, { recursive: true, force: true })
  mkdirSync(outdir, { recursive: true })
  const { metafile: worker } = await build({
    ...options,
    outdir,
    entryPoints: [join(source, 'stream', 'worker.ts')]
  })
  const { metafile: pages } = await build({
    ...options,
    outdir,
    splitting: true,
    entryPoints: [join(source, 'main.tsx'), join(source, 'style', 'main.css')],
    define: {
      streamWorker: JSON.stringify(`assets/${outputOf(worker, 'worker.ts')}`),
      configurationSchema: JSON.stringify(whole(schemas.ClusterConfigurationInput, schemas))
    }
  })
  const html = readFileSync(join(source, 'index.html'), 'utf8')
    .replace('main.tsx', `assets/${outputOf(pages, 'main.tsx')}`)
    .replace('main.css', `assets/${outputOf(pages, 'main.css')}`)
  for (const name of readdirSync(outdir)) compress(join(outdir, name))
  writeFileSync(page, html)
}

/** Returns the name of the file that an entry point has become. */
function outputOf({ outputs }: Metafile, entry: string): string {
  const path = Object.keys(outputs).find(name => outputs[name]!.entryPoint?.endsWith(`/${entry}`))
  if (path === undefined) throw new Error(`esbuild has not written ${entry}`)
  return basename(path)
}

/** Returns a schema without `$ref`s. */
function whole(part: unknown, schemas: Readonly<Record<string, unknown>>): unknown {
  if (Array.isArray(part)) return part.map(one => whole(one, schemas))
  if (typeof part !== 'object' || part === null) return part
  const { $ref, ...rest } = part as { $ref?: string }
  const named = $ref === undefined ? {} : (whole(schemas[$ref.split('/').at(-1)!], schemas) as object)
  return { ...named, ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, whole(value, schemas)])) }
}

interface Document {
  components: { schemas: Record<string, unknown> }
}

/** Writes a file compressed beside itself, as the server sends it. */
function compress(path: string): void {
  const bytes = readFileSync(path)
  writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }))
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }))
}

/** Returns a file, or a directory with all that is in it. */
function withContent(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  return [path, ...readdirSync(path, { recursive: true, encoding: 'utf8' }).map(name => join(path, name))]
}

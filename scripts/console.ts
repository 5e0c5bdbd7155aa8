import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { BuildOptions, Metafile } from 'esbuild'
import { packageRoot } from '../src/util.js'

/**
 * Builds the console into `dist/pages/`: `index.html`, and `assets/` with scripts and styles whose names hold a hash of
 * their content, so that browsers may keep them for ever. Does nothing when none of its sources is newer.
 */
const source = join(packageRoot, 'console')
const target = join(packageRoot, 'dist', 'pages')
const assets = join(target, 'assets')
const inputs = ['console', 'src/client', 'scripts/console.ts', 'openapi.yaml', 'package.json', 'package-lock.json'].map(
  path => join(packageRoot, path)
)

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
  outdir: assets,
  absWorkingDir: packageRoot,
  metafile: true,
  logLevel: 'warning'
} satisfies BuildOptions

if (isOutdated()) await buildConsole()

async function buildConsole(): Promise<void> {
  // Only now: where nothing is to be built, this must take no time.
  const { build } = await import('esbuild')
  const { parse } = await import('yaml')
  const { schemas } = (parse(readFileSync(join(packageRoot, 'openapi.yaml'), 'utf8')) as Document).components
  rmSync(assets, { recursive: true, force: true })
  mkdirSync(assets, { recursive: true })
  const { metafile: worker } = await build({ ...options, entryPoints: [join(source, 'stream', 'worker.ts')] })
  const { metafile: pages } = await build({
    ...options,
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
  for (const name of readdirSync(assets)) compress(join(assets, name))
  // Last: it says that all is there.
  writeFileSync(join(target, 'index.html'), html)
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

/** Whether the sources are others than those that were built: by their sizes and times. */
function isOutdated(): boolean {
  const hash = createHash('sha256')
  for (const path of inputs.flatMap(filesIn)) {
    const { size, mtimeMs } = statSync(path)
    hash.update(`${path} ${size} ${mtimeMs}\n`)
  }
  const stamp = join(packageRoot, 'dist', 'console.stamp')
  const now = hash.digest('hex')
  const before = [stamp, join(target, 'index.html')].every(path => statSync(path, { throwIfNoEntry: false }))
    ? readFileSync(stamp, 'utf8')
    : ''
  if (before === now) return false
  // A build that fails is done again: the page is written last.
  rmSync(join(target, 'index.html'), { force: true })
  mkdirSync(join(packageRoot, 'dist'), { recursive: true })
  writeFileSync(stamp, now)
  return true
}

function filesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .sort()
    .map(name => join(path, name))
    .filter(file => statSync(file).isFile())
}

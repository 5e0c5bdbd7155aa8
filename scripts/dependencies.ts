import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { BuildOptions, Plugin } from 'esbuild'
import { packageRoot } from '../src/util.js'
import { isNewest } from './newest.js'

/** Packages of many files that processes load as they start, by what Node finds there. */
export const joined = {
  '@fastify/helmet': 'commonjs',
  '@fastify/static': 'commonjs',
  '@sinclair/typebox': 'module',
  ajv: 'commonjs',
  fastify: 'commonjs',
  pino: 'commonjs',
  'prom-client': 'commonjs',
  ws: 'module'
} as const
/** One that settings are read with, by `require`. */
export const required = 'yaml'

/** Packages that Fastify loads only when it is asked for what we do not ask for. */
const unused = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request']

/** Where Node looks first for what the compiled program imports. */
export const joinedDirectory = join(packageRoot, 'dist', 'node_modules')

const { resolve } = createRequire(join(packageRoot, 'package.json'))

/** Returns the names that a package of CommonJS exports, as a module sees them. */
export async function namesOf(name: string): Promise<string[]> {
  const names = Object.keys((await import(pathToFileURL(resolve(name)).href)) as object)
  return names.filter(name => !['default', 'module.exports'].includes(name)).sort()
}

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  absWorkingDir: packageRoot,
  external: unused,
  // Names stay, for traces and for Fastify, which names plugins after their functions.
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: 'warning'
} satisfies BuildOptions

/**
 * Joins the files of each of those packages, in a directory of their own: Node takes half a millisecond for each file,
 * and leaves garbage on the heap that it does not give back. TypeBox takes 130 ms and 12 MB as its 200 files, 7 ms and
 * 0.6 MB as one. Without this directory the program runs all the same. Does nothing when it is newer than what it is
 * made of.
 */
async function joinDependencies(): Promise<void> {
  const made = join(joinedDirectory, '.made')
  if (isNewest(made, [join(packageRoot, 'package-lock.json'), fileURLToPath(import.meta.url)])) return
  const { build } = await import('esbuild')
  const directory = `${joinedDirectory}.new`
  rmSync(directory, { recursive: true, force: true })
  const entries = new Map<string, string>()
  for (const [name, kind] of [...Object.entries(joined), [required, 'commonjs']] as const) {
    entries.set(
      name,
      kind === 'module'
        ? `export * from '${name}'`
        : `import all from '${name}'; export default all; export const { ${(await namesOf(name)).join(', ')} } = all`
    )
  }
  const entryPoints = (names: readonly string[]) => names.map(name => ({ in: `entry:${name}`, out: `${name}/index` }))
  await build({
    ...shared,
    outdir: directory,
    format: 'esm',
    splitting: true,
    entryPoints: entryPoints(Object.keys(joined)),
    chunkNames: '.shared/[name]-[hash]',
    // What is written for CommonJS asks for Node's own modules by it.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    plugins: [virtual(entries)]
  })
  await build({
    ...shared,
    outdir: directory,
    format: 'cjs',
    entryPoints: entryPoints([required]),
    plugins: [virtual(entries)]
  })
  for (const name of ['.shared', ...entries.keys()]) {
    const type = name === required ? 'commonjs' : 'module'
    writeFileSync(join(directory, name, 'package.json'), JSON.stringify({ name, type, exports: './index.js' }))
  }
  writeFileSync(join(directory, '.made'), '')
  rmSync(joinedDirectory, { recursive: true, force: true })
  renameSync(directory, joinedDirectory)
}

/** Has esbuild begin with texts that are in no file. */
function virtual(entries: ReadonlyMap<string, string>): Plugin {
  return {
    name: 'virtual',
    setup(build) {
      build.onResolve({ filter: /^entry:/ }, ({ path }) => ({
        // As a module of Node's: what it imports of CommonJS is `module.exports`.
        path: `${path.slice('entry:'.length)}/entry.mjs`,
        namespace: 'virtual'
      }))
      build.onLoad({ filter: /.*/, namespace: 'virtual' }, ({ path }) => ({
        contents: entries.get(path.slice(0, -'/entry.mjs'.length))!,
        resolveDir: packageRoot
      }))
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await joinDependencies()

import { join } from 'node:path'
import { packageRoot } from '../../src/util.js'

export const standIn = join(packageRoot, 'demo', 'zeek')
export const mainProgram = join(packageRoot, 'dist', 'src', 'main.js')

// A test that tap itself spawns has every spawn hooked, to load tap into the child, by NODE_OPTIONS. Ours are to be
// what they are in life.
const onSpawn = (globalThis as any)[Symbol.for('process-on-spawn@*:singletonId')]
if (onSpawn) onSpawn.listeners = []

/** The path of a fixture. Fixtures are not compiled: they are used where they are. */
export const fixture = (...path: string[]) => join(packageRoot, 'test', 'fixtures', ...path)

/** Settings as arguments of the command line. */
export const argumentsOf = (flags: Readonly<Record<string, string>>): string[] =>
  Object.entries(flags).map(([name, value]) => `--${name}=${value}`)

/** The environment without what tap has put into it, and without settings. */
export const cleanEnv: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|TAP|_TAP|ZEEK)/.test(name))
)

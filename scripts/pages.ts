import { join } from 'node:path'
import { packageRoot } from '../src/util.js'
import { buildConsole } from './console.js'
import { buildGuide } from './guide.js'

/** Builds what people read in a browser, as far as it is older than what it is made of. */
const outDir = join(packageRoot, 'dist', 'pages')
await Promise.all([buildConsole(outDir), buildGuide(outDir)])

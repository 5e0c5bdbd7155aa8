import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import { packageRoot } from '../src/util.js'

/** Who may import whom, by room. `type` rooms may be named in types only. Everyone may use their own room. */
const ground = ['schemas', 'src/errors.ts', 'src/permission.ts', 'src/util.ts', 'src/certificates.ts', 'src/addresses.ts', 'src/sharing.ts']
const leaves = ['src/link', 'src/store', 'src/events', 'src/supervisor', 'src/zeek', 'src/formats']
const picture: Record<string, { value: string[], type?: string[] }> = {
  schemas: { value: [] },
  'src/permission.ts': { value: [] },
  'src/errors.ts': { value: ['src/permission.ts'], type: ['schemas'] },
  'src/util.ts': { value: [] },
  'src/addresses.ts': { value: ['src/util.ts'], type: ['schemas'] },
  'src/sharing.ts': { value: ['src/util.ts'], type: ['schemas'] },
  ...Object.fromEntries(leaves.map(leaf => [leaf, { value: ground }])),
  'src/settings.ts': { value: ['schemas', 'src/errors.ts', 'src/util.ts'] },
  'src/certificates.ts': { value: ['src/errors.ts', 'src/settings.ts'] },
  'src/log.ts': { value: ['src/errors.ts'], type: ['schemas'] },
  'src/waiting.ts': { value: [] },
  'src/secrets.ts': { value: [], type: ['schemas'] },
  'src/task.ts': { value: ['schemas'] },
  'src/token.ts': { value: [...ground, 'src/store'] },
  'src/pending.ts': { value: ['src/errors.ts'] },
  'src/record.ts': { value: [], type: ['schemas'] },
  'src/request.ts': { value: [...ground, 'src/pending.ts', 'src/task.ts', 'src/waiting.ts'], type: ['src/record.ts', 'src/store'] },
  routes: { value: ['schemas', 'src/errors.ts', 'src/events', 'src/formats'], type: ['src/controller'] },
  'src/controller': { value: [...ground, ...leaves, 'src/request.ts', 'src/record.ts', 'src/secrets.ts', 'src/task.ts', 'src/token.ts', 'src/settings.ts', 'src/waiting.ts', 'routes'] },
  'src/agent': { value: [...ground, ...leaves, 'src/secrets.ts', 'src/settings.ts'] },
  'src/own-agent.ts': { value: ['src/errors.ts', 'src/settings.ts', 'src/util.ts'], type: ['src/agent', 'src/controller'] },
  'src/host.ts': { value: ['src'], type: ['schemas'] },
  'src/main.ts': { value: ['src'] },
  'src/openapi.ts': { value: ['src'] },
  demo: { value: [] },
  bench: { value: ['schemas', 'src'] }
}

const roomOf = (file: string) => Object.keys(picture).find(room => file === room || file.startsWith(`${room}/`))

async function sources (): Promise<string[]> {
  const files = await Promise.all(['schemas', 'routes', 'src', 'demo', 'bench'].map(async folder => (await readdir(join(packageRoot, folder), { recursive: true })).map(file => join(folder, file))))
  return files.flat().filter(file => file.endsWith('.ts'))
}

/** The imports of a file, static and dynamic, that lead to files of ours. */
function importsOf (file: string, text: string): { target: string, isType: boolean }[] {
  const statements = [...text.matchAll(/^(?:import|export)(\s+type)?\s[^'"]*?from\s+'(\.[^']+)'/gm), ...text.matchAll(/import()\('(\.[^']+)'\)/g)]
  return statements.map(([, type, path]) => ({ target: relative('.', join(dirname(file), path!.replace(/\.js$/, '.ts'))), isType: type !== undefined && type !== '' }))
}

await t.test('every import goes the way that the picture shows', async t => {
  const wrong: string[] = []
  for (const file of await sources()) {
    const room = roomOf(file)
    if (!room) {
      wrong.push(`${file} is in no room`)
      continue
    }
    const { value, type = [] } = picture[room]!
    for (const { target, isType } of importsOf(file, readFileSync(join(packageRoot, file), 'utf8'))) {
      const allowed = [room, ...value, ...(isType ? type : [])]
      if (!allowed.some(other => target === other || target.startsWith(`${other}/`))) wrong.push(`${file} -> ${target}`)
    }
  }
  t.same(wrong, [])
})

await t.test('no source is longer than a reader likes', async t => {
  const long = (await sources()).map(file => ({ file, lines: readFileSync(join(packageRoot, file), 'utf8').split('\n').length })).filter(({ file, lines }) => lines > 250 && !file.startsWith('demo'))
  t.same(long, [])
})

await t.test('only main reads the command line and the environment', async t => {
  const readers = (await sources()).filter(file => /process\.(argv|env)/.test(readFileSync(join(packageRoot, file), 'utf8')) && !/^(demo|bench)/.test(file))
  t.same(readers, ['src/main.ts', 'src/openapi.ts'].filter(file => readers.includes(file)))
})

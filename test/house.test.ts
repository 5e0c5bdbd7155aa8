import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import { packageRoot } from '../src/util.js'

/**
 * Who may import whom, by room: the first that fits a file. `type` rooms may be named in types only. Everyone may use
 * their own room.
 */
const ground = [
  'schemas',
  'src/errors.ts',
  'src/permission.ts',
  'src/util.ts',
  'src/proc.ts',
  'src/addresses.ts',
  'src/allowance.ts',
  'src/authority.ts',
  'src/cpu-list.ts',
  'src/log-place.ts',
  'src/request-events.ts',
  'src/quota.ts',
  'src/run-group.ts',
  'src/sharing.ts',
  'src/settings.ts',
  'src/upgrades.ts'
]
const leaves = [
  'src/link',
  'src/bundles',
  'src/store',
  'src/events',
  'src/supervisor',
  'src/zeek',
  'src/formats',
  'src/groups',
  'src/protocol'
]
const picture: Record<string, { value: string[]; type?: string[] }> = {
  schemas: { value: [] },
  'src/permission.ts': { value: [] },
  'src/errors.ts': { value: ['src/permission.ts'], type: ['schemas'] },
  'src/util.ts': { value: [] },
  'src/proc.ts': { value: [] },
  'src/run-group.ts': { value: [] },
  'src/allowance.ts': { value: [] },
  'src/authority.ts': { value: ['src/errors.ts'] },
  'src/cpu-list.ts': { value: ['schemas'] },
  'src/log-place.ts': { value: [] },
  'src/request-events.ts': { value: ['src/util.ts'], type: ['schemas'] },
  'src/addresses.ts': { value: ['src/util.ts'], type: ['schemas'] },
  'src/quota.ts': { value: ['schemas', 'src/errors.ts'] },
  'src/sharing.ts': { value: ['src/util.ts'], type: ['schemas'] },
  'src/settings.ts': { value: ['schemas', 'src/errors.ts', 'src/util.ts'] },
  'src/upgrades.ts': { value: ['schemas', 'src/errors.ts', 'src/util.ts'] },
  'src/state-directory.ts': { value: ['src/errors.ts', 'src/permission.ts'] },
  'src/log.ts': { value: ['src/errors.ts'], type: ['schemas'] },
  ...Object.fromEntries(leaves.map(leaf => [leaf, { value: ground }])),
  'src/bundles': { value: ground, type: ['src/replication'] },
  // The language of the links: what their ends ask of each other.
  'src/protocol': { value: ground, type: ['src/link'] },
  'src/link': { value: ground, type: ['src/security'] },
  'src/formats': { value: [...ground, 'src/groups'] },
  'src/security': { value: ground, type: ['src/store'] },
  'src/notify': { value: ground, type: ['src/store'] },
  'src/replication': { value: [...ground, 'src/store'] },
  'src/requests': { value: [...ground, 'src/events'], type: ['src/store'] },
  routes: { value: ['schemas', 'src/errors.ts', 'src/events', 'src/formats'], type: ['src/controller', 'src/server'] },
  'src/server': {
    value: [...ground, ...leaves, 'src/requests', 'src/security', 'routes'],
    type: ['src/controller', 'src/notify', 'src/replication']
  },
  // It puts the controller together.
  'src/controller/main.ts': { value: ['schemas', 'src'] },
  'src/controller/own-agent.ts': { value: ground, type: ['src/agent', 'src/controller'] },
  'src/controller': { value: [...ground, ...leaves, 'src/notify', 'src/replication', 'src/requests', 'src/security'] },
  'src/agent': { value: [...ground, ...leaves, 'src/security'] },
  'src/host.ts': { value: ['schemas', 'src'] },
  // What speaks with a controller knows nothing of one: it is what any client could be.
  'src/terminal': { value: [] },
  'src/client': { value: ['src/util.ts', 'src/log-place.ts', 'src/security/check-controller.ts'] },
  'src/cli': { value: ['schemas', 'src'] },
  'src/main.ts': { value: ['src/cli', 'src/errors.ts', 'src/util.ts'] },
  // The console is a client in a browser, and what it decides needs none.
  'console/model': { value: ['schemas/nearest.ts'], type: ['src/client'] },
  'console/api.ts': { value: ['src/client'], type: ['console/model'] },
  'console/stream': { value: ['console/api.ts', 'console/model', 'src/client'] },
  'console/context.ts': { value: ['console/api.ts'], type: ['console/model', 'console/stream'] },
  'console/parts': { value: ['console/api.ts', 'console/context.ts', 'console/model', 'src/client'] },
  console: { value: ['console', 'src/client'] },
  scripts: { value: ['schemas', 'src'] },
  demo: { value: [] },
  bench: { value: ['schemas', 'src', 'test/support'] }
}

const roomOf = (file: string) => Object.keys(picture).find(room => file === room || file.startsWith(`${room}/`))

async function sources(): Promise<string[]> {
  const files = await Promise.all(
    ['schemas', 'routes', 'src', 'console', 'demo', 'bench', 'scripts'].map(async folder =>
      (await readdir(join(packageRoot, folder), { recursive: true })).map(file => join(folder, file))
    )
  )
  return files.flat().filter(file => /\.tsx?$/.test(file))
}

/** The imports of a file, static and dynamic, that lead to files of ours. */
function importsOf(file: string, text: string): { target: string; isType: boolean }[] {
  const statements = [
    ...text.matchAll(/^(?:import|export)(\s+type)?\s[^'"]*?from\s+'(\.[^']+)'/gm),
    ...text.matchAll(/import()\('(\.[^']+)'\)/g)
  ]
  return statements.map(([, type, path]) => ({
    target: relative('.', join(dirname(file), path!.replace(/\.js$/, '.ts'))),
    isType: type !== undefined && type !== ''
  }))
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

/** Files that import a package, by what its name begins with. */
async function importersOf(...packages: string[]): Promise<string[]> {
  const text = (file: string) => readFileSync(join(packageRoot, file), 'utf8')
  return (await sources()).filter(
    file =>
      packages.some(name => new RegExp(`(from|import\\() ?'${name}[/']`).test(text(file))) &&
      !/^(demo|bench|scripts)/.test(file)
  )
}

await t.test('only the server and its routes know Fastify, and only the store knows SQLite', async t => {
  const outside = (files: string[], ...rooms: string[]) =>
    files.filter(file => !rooms.some(room => file.startsWith(`${room}/`)))
  const web = await importersOf('fastify', '@fastify')
  const database = await importersOf('@photostructure/sqlite')
  t.ok(web.length > 0 && database.length > 0)
  t.same([outside(web, 'routes', 'src/server'), outside(database, 'src/store')], [[], []])
})

await t.test('only main reads the command line and the environment', async t => {
  const readers = (await sources()).filter(
    file =>
      /process\.(argv|env)/.test(readFileSync(join(packageRoot, file), 'utf8')) && !/^(demo|bench|scripts)/.test(file)
  )
  t.same(readers, ['src/main.ts'])
})

await t.test('what the product imports is installed with it', async t => {
  const { dependencies } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  const packages = (await sources())
    .filter(file => /^(src|routes|schemas)\//.test(file) && !file.endsWith('.d.ts'))
    .flatMap(file =>
      [
        ...readFileSync(join(packageRoot, file), 'utf8').matchAll(
          /(?:^(?:import|export)\s[^'"]*?from\s+|import\()'([^.'][^']*)'/gm
        )
      ]
        .map(([, name]) => name!)
        .filter(name => !name.startsWith('node:'))
        .map(name =>
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/')
        )
    )
  const missing = [...new Set(packages)].filter(name => !(name in dependencies))
  t.ok(packages.length > 20)
  t.same(missing, [])
})

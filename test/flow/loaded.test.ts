import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { joined, joinedDirectory } from '../../scripts/dependencies.js'
import { packageRoot } from '../../src/util.js'
import { directoryOf } from '../support/directory.js'
import { fixture } from '../support/environment.js'
import { startHost } from '../support/host.js'
import { freePorts } from '../support/ports.js'

const directory = directoryOf(t)
const [http, agents] = await freePorts(2)
const host = await startHost(
  t,
  {
    'management-state-dir': join(directory, 'state'),
    'controller-websocket-port': String(http),
    'controller-port': String(agents)
  },
  [],
  { NODE_OPTIONS: `--import=${fixture('flow', 'loaded.mjs')}`, LOADED: directory }
)
await host.stop()

/** What a role has loaded: files of ours by their path in dist/, others by the names of their packages. */
function loadedBy(role: string): Set<string> {
  const paths = readFileSync(join(directory, role), 'utf8')
    .split('\n')
    .filter(line => /^(file:|\/)/.test(line))
    .map(line => (line.startsWith('/') ? line : fileURLToPath(line)))
  return new Set(
    paths.map(
      path => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? relative(join(packageRoot, 'dist'), path)
    )
  )
}

/** For hosts of several controllers, for certificates, for archives, for commands, for those who read the document. */
const rare = [
  'undici',
  '@nats-io/nats-core',
  '@peculiar/x509',
  'tar',
  'diff',
  'yaml',
  'commander',
  '@fastify/swagger',
  '@fastify/swagger-ui',
  '@fastify/ajv-compiler',
  '@fastify/fast-json-stringify-compiler'
]
const ofController = ['fastify', '@fastify/static', 'prom-client', 'src/controller/main.js', 'routes/index.js']
const ofAgent = ['src/agent/main.js', 'src/agent/nodes/node-table.js']
const ofSupervisor = ['src/host.js', 'src/supervisor/supervisor.js']

for (const [role, needed, others] of [
  ['SUPERVISOR', ofSupervisor, [...ofController, ...ofAgent, 'ws']],
  ['AGENT', [...ofAgent, 'ws'], [...ofController, ...ofSupervisor, '@photostructure/sqlite']],
  ['CONTROLLER', [...ofController, 'ws', '@photostructure/sqlite'], [...ofAgent, ...ofSupervisor]]
] as const) {
  await t.test(`the process of ${role} loads what it needs, and nothing that is for others`, async t => {
    const loaded = loadedBy(role)
    t.same(
      needed.filter(name => !loaded.has(name)),
      []
    )
    t.same(
      [...rare, ...others].filter(name => loaded.has(name)),
      []
    )
  })

  await t.test(`the process of ${role} loads packages of many files as few`, async t => {
    const text = readFileSync(join(directory, role), 'utf8')
    const whole = Object.keys(joined).filter(name => text.includes(`${packageRoot}/node_modules/${name}/`))
    t.same(whole, [])
    t.ok(text.includes(`${joinedDirectory}/@sinclair/typebox/`))
  })
}

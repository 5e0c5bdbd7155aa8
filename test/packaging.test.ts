import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../src/util.js'
import { ourScripts } from '../src/zeek/command.js'
import { cleanEnv } from './support/environment.js'

const directory = join(packageRoot, 'packaging', 'systemd')
const units = readdirSync(directory).filter(file => file.endsWith('.service'))
const settingsOf = (unit: string) =>
  Object.fromEntries(
    readFileSync(join(directory, unit), 'utf8')
      .split('\n')
      .filter(line => /^[A-Z]\w+=/.test(line))
      .map(line => line.split(/=(.*)/s).slice(0, 2))
  )

await t.test(
  'systemd understands the units',
  { skip: spawnSync('systemd-analyze', ['--version']).error ? 'systemd-analyze is not installed' : false },
  async t => {
    const { stderr } = spawnSync(
      'systemd-analyze',
      ['verify', '--man=no', ...units.map(unit => join(directory, unit))],
      { encoding: 'utf8' }
    )
    // What they run is not installed here. Versions before 254 pass over subgroups.
    const passedOver = /is not executable|Unknown key '?DelegateSubgroup/
    t.same(
      stderr.split('\n').filter(line => line !== '' && !passedOver.test(line)),
      []
    )
  }
)

await t.test('a unit runs the program itself, and leaves the nodes to their supervisor', async t => {
  t.same(units, ['zeek-cluster-agent.service', 'zeek-cluster-controller.service'])
  for (const unit of units) {
    const { ExecStart, ExecReload, Restart } = settingsOf(unit)
    t.match(
      ExecStart,
      /^\/usr\/bin\/node \/opt\/zeek-cluster-controller\/dist\/src\/main\.js start --(agent|controller) --config /
    )
    t.match(ExecReload, 'HUP $MAINPID')
    t.equal(Restart, 'always')
  }
  t.equal(settingsOf('zeek-cluster-agent.service').KillMode, 'process')
})

await t.test(
  'a node that the kernel kills takes no other along, and a zeek with capabilities of its own can be executed',
  async t => {
    const { OOMPolicy, KillMode, CapabilityBoundingSet, NoNewPrivileges, AmbientCapabilities } =
      settingsOf('zeek-cluster-agent.service')
    t.match(
      { OOMPolicy, KillMode, CapabilityBoundingSet },
      { OOMPolicy: 'continue', KillMode: 'process', CapabilityBoundingSet: undefined }
    )
    // What makes up for it.
    t.match(
      { NoNewPrivileges, AmbientCapabilities },
      { NoNewPrivileges: 'true', AmbientCapabilities: 'CAP_NET_RAW CAP_NET_ADMIN' }
    )
  }
)

await t.test('the supervisor may limit the memory of nodes, and is never where their cgroups are', async t => {
  const { Delegate, DelegateSubgroup, ProtectControlGroups } = settingsOf('zeek-cluster-agent.service')
  t.match(
    { Delegate, DelegateSubgroup, ProtectControlGroups },
    { Delegate: 'memory', DelegateSubgroup: 'supervisor', ProtectControlGroups: undefined }
  )
})

await t.test('only the user of a unit enters its state directory, and the group of the agent reads logs', async t => {
  for (const unit of units) t.equal(settingsOf(unit).StateDirectoryMode, '0700', unit)
  t.match(settingsOf('zeek-cluster-agent.service'), { LogsDirectoryMode: '0750', UMask: '0027' })
})

const containerLines = readFileSync(join(packageRoot, 'packaging', 'container', 'Containerfile'), 'utf8').split('\n')
const { files: shipped }: { files: string[] } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))

await t.test('what the container copies is there', async t => {
  const lines = containerLines
  const sources = lines.filter(line => /^COPY (?!--from)/.test(line)).flatMap(line => line.split(' ').slice(1, -1))
  const { include } = JSON.parse(readFileSync(join(packageRoot, 'tsconfig.build.json'), 'utf8'))
  t.same(
    include.filter((folder: string) => !sources.includes(folder)),
    [],
    'all that is compiled'
  )
  const listed = readdirSync(packageRoot)
  t.same(
    sources.filter(source => !listed.includes(source)),
    []
  )
})

await t.test('the container has all of the package that the program reads', async t => {
  const copied = containerLines
    .filter(line => /^COPY .* \/opt\//.test(line))
    .map(line => line.split(' /opt/zeek-cluster-controller/').at(-1))
  const read = shipped.filter(file => /^(dist|src)\/|^openapi/.test(file)).map(file => file.replace('/*.zeek', ''))
  t.ok(read.includes('dist/pages') && read.includes('openapi.yaml') && read.includes('src/zeek'))
  t.same(
    read.filter(file => !copied.includes(file)),
    []
  )
})

await t.test('the package holds what runs, and nothing else', async t => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: packageRoot,
    env: cleanEnv,
    encoding: 'utf8'
  })
  const paths: string[] = JSON.parse(stdout)[0].files.map(({ path }: { path: string }) => path)
  for (const needed of [
    'dist/src/main.js',
    'dist/routes/index.js',
    'dist/schemas/agent.js',
    'dist/node_modules/@sinclair/typebox/index.js',
    ...ourScripts.map(script => `src/zeek/${script}`),
    'openapi.yaml',
    'LICENSE'
  ]) {
    t.ok(paths.includes(needed), needed)
  }
  t.same(
    paths.filter(path =>
      /^(dist\/)?(test|bench|demo|scripts|docs|\.)|\.(ts|map)$|^src\/(?!zeek\/.*\.zeek$)/.test(path)
    ),
    []
  )
})

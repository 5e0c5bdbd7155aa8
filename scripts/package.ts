/**
 * Makes packages that need nothing on the host where they are installed: Node is inside. A tarball, and a Debian
 * package, each the same byte for byte whenever it is made of the same commit.
 *
 *   npm run package                     for this architecture, into packages/
 *   npm run package -- --arch arm64
 *   npm run package -- --fast           larger, in half of the time: to try something
 *   npm run package -- --node FILE      with the archive of Node in a file, instead of npm's registry
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { packageRoot, packageVersion } from '../src/util.js'

/** Architectures as Node names them, and as Debian does. */
const architectures = { x64: 'amd64', arm64: 'arm64' } as const
type Architecture = keyof typeof architectures

const name = 'zeek-cluster-controller'
const library = `usr/lib/${name}`
const documents = `usr/share/doc/${name}`

const { values: options } = parseArgs({
  options: {
    arch: { type: 'string', default: process.arch },
    node: { type: 'string' },
    fast: { type: 'boolean', default: false },
    out: { type: 'string', default: join(packageRoot, 'packages') },
    maintainer: { type: 'string', default: `${name} <maintainers@zeek-cluster-controller.invalid>` }
  }
})
if (!(options.arch in architectures)) throw new Error(`--arch: ${Object.keys(architectures).join(' or ')}`)
const arch = options.arch as Architecture

const run = (command: string, args: readonly string[], cwd = packageRoot, env: NodeJS.ProcessEnv = {}) =>
  execFileSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'inherit']
  })

const read = (file: string) => readFileSync(join(packageRoot, file), 'utf8')
const lines = (all: readonly string[]) => `${all.join('\n')}\n`
/** Without a time, and with the most effort, as Debian wants it. */
const gzip = (text: string) => gzipSync(text, { level: 9 })
const digestOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

/** How hard is tried to make packages small. */
const effort = options.fast ? 0 : 6
/** Of what is packed, the time: https://reproducible-builds.org/specs/source-date-epoch/ */
const epoch = process.env['SOURCE_DATE_EPOCH'] ?? run('git', ['log', '-1', '--format=%ct']).trim()
const pinned = JSON.parse(readFileSync(join(packageRoot, 'packaging', 'node.json'), 'utf8')) as {
  version: string
  integrity: Record<Architecture, string>
}

const work = mkdtempSync(join(tmpdir(), `${name}-`))
try {
  mkdirSync(options.out, { recursive: true })
  const home = join(work, 'home')
  collect(home)
  const packages = [tarball(home), debian(home)]
  for (const file of packages) console.log(`${digestOf(file)}  ${file}`)
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** Collects what runs: the program, what it needs of others, and Node. */
function collect(home: string): void {
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work])) as [
    { filename: string }
  ]
  mkdirSync(home)
  run('tar', ['-xzf', join(work, filename), '-C', home, '--strip-components=1'])
  cpSync(join(packageRoot, 'package-lock.json'), join(home, 'package-lock.json'))
  run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], home)
  for (const unneeded of ['package-lock.json', 'node_modules/.package-lock.json', 'node_modules/.bin']) {
    rmSync(join(home, unneeded), { recursive: true })
  }
  const prebuilt = join(home, 'node_modules/@photostructure/sqlite/prebuilds')
  for (const other of readdirSync(prebuilt)) {
    if (other !== `linux-${arch}`) rmSync(join(prebuilt, other), { recursive: true })
  }
  // What nobody reads there: types, tests, and what others develop with.
  for (const file of filesIn(join(home, 'node_modules'))) {
    if (/\.(map|d\.[cm]?ts|sh)$|\/(\.|tests?\/)/.test(file.slice(home.length))) rmSync(file)
  }
  run('find', [home, '-type', 'd', '-empty', '-delete'])
  mkdirSync(join(home, 'bin'))
  run('tar', ['-xzf', nodeArchive(), '-C', join(home, 'bin'), '--strip-components=2', 'package/bin/node'])
  cpSync(join(packageRoot, 'packaging/zeek-cluster'), join(home, 'bin/zeek-cluster'))
  writeFileSync(join(home, 'sbom.cdx.json'), billOfMaterials())
  for (const file of filesIn(home)) chmodSync(file, file.startsWith(join(home, 'bin/')) ? 0o755 : 0o644)
}

/** Returns the path of an archive of Node, as npm's registry has it. Throws when it is another than the pinned one. */
function nodeArchive(): string {
  const { version, integrity } = pinned
  const file = options.node ?? join(work, run('npm', ['pack', `node-linux-${arch}@${version}`], work).trim())
  const digest = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
  if (digest !== integrity[arch]) throw new Error(`${file} is not Node ${version} for ${arch}: ${digest}`)
  return file
}

/** Returns what is inside of others, as CycloneDX has it. */
function billOfMaterials(): string {
  const args = ['sbom', '--package-lock-only', '--omit=dev', '--sbom-format=cyclonedx']
  const { serialNumber: _random, ...bill } = JSON.parse(run('npm', args))
  bill.metadata.timestamp = new Date(Number(epoch) * 1000).toISOString()
  bill.metadata.component.name = name
  const { version } = pinned
  bill.components.push({ type: 'application', name: 'node', version, purl: `pkg:generic/node@${version}?arch=${arch}` })
  return `${JSON.stringify(bill, undefined, 2)}\n`
}

/** Packs what runs, with what a host needs around it, for any distribution. Returns the path. */
function tarball(home: string): string {
  const top = `${name}-${packageVersion}-linux-${arch}`
  const root = join(work, 'tarball', top)
  mkdirSync(join(root, '..'), { recursive: true })
  cpSync(home, root, { recursive: true })
  for (const file of readdirSync(join(packageRoot, 'packaging/etc'))) {
    put(root, `packaging/etc/${file}`, read(`packaging/etc/${file}`))
  }
  for (const [unit, text] of units('/opt/zeek-cluster-controller')) put(root, `packaging/systemd/${unit}`, text)
  const file = join(options.out, `${top}.tar.xz`)
  settle(root)
  pack(join(root, '..'), top, file)
  return file
}

/** Makes the Debian package. Returns the path. */
function debian(home: string): string {
  const root = join(work, 'debian')
  mkdirSync(join(root, library, '..'), { recursive: true })
  cpSync(home, join(root, library), { recursive: true })
  for (const elsewhere of ['packaging', 'examples', 'CHANGELOG.md', 'LICENSE', 'README.md', 'sbom.cdx.json']) {
    rmSync(join(root, library, elsewhere), { recursive: true, force: true })
  }
  mkdirSync(join(root, 'usr/bin'), { recursive: true })
  symlinkSync(`../lib/${name}/bin/zeek-cluster`, join(root, 'usr/bin/zeek-cluster'))
  for (const [unit, text] of units(`/${library}`)) put(root, `usr/lib/systemd/system/${unit}`, text)
  for (const [file, shell] of [
    ['usr/share/bash-completion/completions/zeek-cluster', 'bash'],
    ['usr/share/zsh/vendor-completions/_zeek-cluster', 'zsh'],
    ['usr/share/fish/vendor_completions.d/zeek-cluster.fish', 'fish']
  ] as const) {
    put(root, file, run(process.execPath, [join(home, 'dist/src/main.js'), 'completion', shell]))
  }
  put(root, 'usr/share/man/man1/zeek-cluster.1.gz', gzip(read('packaging/man/zeek-cluster.1')))
  put(root, `${documents}/CHANGELOG.md.gz`, gzip(read('CHANGELOG.md')))
  put(root, `${documents}/changelog.gz`, gzip(changelog()))
  put(root, `${documents}/copyright`, copyright())
  put(root, `${documents}/sbom.cdx.json`, readFileSync(join(home, 'sbom.cdx.json'), 'utf8'))
  cpSync(join(packageRoot, 'examples'), join(root, documents, 'examples'), { recursive: true })
  put(root, `usr/share/lintian/overrides/${name}`, read('packaging/debian/lintian-overrides'))
  const settings = ['controller.yaml', 'agent.yaml']
  for (const file of settings) put(root, `etc/zeek-cluster/${file}`, read(`packaging/etc/${file}`))
  put(root, `etc/logrotate.d/${name}`, read('packaging/etc/logrotate'))
  settle(root)
  const bytes = filesIn(root).reduce((sum, file) => sum + lstatSync(file).size, 0)
  for (const script of ['postinst', 'prerm', 'postrm']) {
    put(root, `DEBIAN/${script}`, read(`packaging/debian/${script}`))
    chmodSync(join(root, 'DEBIAN', script), 0o755)
  }
  const conffiles = [...settings.map(file => `/etc/zeek-cluster/${file}`), `/etc/logrotate.d/${name}`]
  put(root, 'DEBIAN/conffiles', lines(conffiles))
  put(root, 'DEBIAN/control', control(bytes))
  put(root, 'DEBIAN/md5sums', lines(sumsOf(root)))
  const file = join(options.out, `${name}_${packageVersion}_${architectures[arch]}.deb`)
  run('dpkg-deb', ['--root-owner-group', '-Zxz', `-z${effort}`, '--threads-max=1', '--build', root, file], work, {
    SOURCE_DATE_EPOCH: epoch
  })
  return file
}

function control(bytes: number): string {
  return lines([
    `Package: ${name}`,
    `Version: ${packageVersion}`,
    `Architecture: ${architectures[arch]}`,
    `Maintainer: ${options.maintainer}`,
    `Installed-Size: ${Math.ceil(bytes / 1024)}`,
    // Those of Node's own build.
    'Depends: adduser, libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 8)',
    'Recommends: logrotate',
    'Section: net',
    'Priority: optional',
    'Description: run Zeek clusters of many hosts',
    ' A controller with a REST API, Server-Sent Events and a console for browsers,',
    ' and the agent that runs the Zeek processes of a host. Both, and the command',
    ' line, are in this package; it starts neither.'
  ])
}

/** The changelog in Debian's form, which has to be there: what has changed is said in ours. */
function changelog(): string {
  const at = new Date(Number(epoch) * 1000).toUTCString().replace('GMT', '+0000')
  return lines([
    `${name} (${packageVersion}) unstable; urgency=medium`,
    '',
    '  * See CHANGELOG.md.gz.',
    '',
    ` -- ${options.maintainer}  ${at}`
  ])
}

function copyright(): string {
  const license = read('LICENSE').trim().split('\n')
  return lines([
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    `Upstream-Name: ${name}`,
    `Comment: What is inside of others is listed in /${documents}/sbom.cdx.json;`,
    ` their licenses are beside them, below /${library}.`,
    '',
    'Files: *',
    `Copyright: ${license.find(line => line.startsWith('Copyright'))?.replace(/^Copyright \(c\) /, '')}`,
    'License: BSD-3-Clause',
    ...license.slice(license.findIndex(line => line.startsWith('Redistribution'))).map(line => ` ${line || '.'}`)
  ])
}

/** The units, for a program that is somewhere else, by name. */
function units(at: string): [string, string][] {
  const directory = 'packaging/systemd'
  return readdirSync(join(packageRoot, directory)).map(unit => [
    unit,
    read(`${directory}/${unit}`)
      .replaceAll('/usr/bin/node /opt/zeek-cluster-controller', `${at}/bin/node ${at}`)
      .replace(/^Documentation=.*$/m, 'Documentation=man:zeek-cluster(1)')
  ])
}

/** Packs a directory so that the archive depends on nothing but its content. */
function pack(directory: string, entry: string, file: string): void {
  const options = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', `--mtime=@${epoch}`, '--format=gnu']
  run('tar', [...options, `--use-compress-program=xz -T1 -${effort}`, '-C', directory, '-cf', file, entry])
}

function put(root: string, file: string, content: string | Buffer): void {
  mkdirSync(join(root, file, '..'), { recursive: true })
  writeFileSync(join(root, file), content)
}

/** Gives directories, and files that nobody executes, modes that do not depend on whose umask this is. */
function settle(root: string): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) chmodSync(path, 0o755)
    else if (entry.isFile()) chmodSync(path, lstatSync(path).mode & 0o100 ? 0o755 : 0o644)
  }
  chmodSync(root, 0o755)
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}

function sumsOf(root: string): string[] {
  return filesIn(root)
    .filter(file => !file.startsWith(join(root, 'DEBIAN/')))
    .map(file => `${createHash('md5').update(readFileSync(file)).digest('hex')}  ${file.slice(root.length + 1)}`)
}

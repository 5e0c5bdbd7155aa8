/**
 * Makes packages that need nothing on the host where they are installed: Node is inside. A tarball, a Debian package,
 * one for RPM where there is rpmbuild, and a bundle by which agents are upgraded; each the same byte for byte whenever
 * it is made of the same commit.
 *
 *   npm run package                     for this architecture, into packages/
 *   npm run package -- --arch arm64
 *   npm run package -- --fast           larger, in half of the time: to try something
 *   npm run package -- --node FILE      with the archive of Node in a file, instead of npm's registry
 */
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { agentApiVersion } from '../schemas/agent.js'
import type { Release } from '../schemas/upgrades.js'
import { packageRoot, packageVersion } from '../src/util.js'
import { makeDebianPackage } from './debian.js'
import { hasRpm, makeRpm } from './rpm.js'
import {
  architectures,
  filesIn,
  name,
  put,
  read,
  run,
  settle,
  units,
  type Architecture,
  type Packing
} from './packing.js'

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
const epoch = process.env['SOURCE_DATE_EPOCH'] ?? run('git', ['log', '-1', '--format=%ct']).trim()
const pinned = JSON.parse(read('packaging/node.json')) as { version: string; integrity: Record<Architecture, string> }

const work = mkdtempSync(join(tmpdir(), `${name}-`))
try {
  mkdirSync(options.out, { recursive: true })
  const home = join(work, 'home')
  collect(home)
  const { out, maintainer } = options
  const packing = { home, work, out, arch, epoch, effort: options.fast ? 0 : 6, maintainer }
  for (const make of [makeTarball, makeBundle, makeDebianPackage, ...(hasRpm() ? [makeRpm] : [])]) {
    const file = make(packing)
    console.log(`${createHash('sha256').update(readFileSync(file)).digest('hex')}  ${file}`)
  }
  if (!hasRpm()) console.log('no package for RPM: there is no rpmbuild')
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** Options of tar with which an archive depends on nothing but what is in it. */
function alike(epoch: string): string[] {
  return ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', `--mtime=@${epoch}`, '--format=gnu']
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
  // One line, which the launcher compares as it is.
  const release: Release = {
    version: packageVersion,
    platform: `linux-${arch}`,
    agent_api_version: agentApiVersion
  }
  writeFileSync(join(home, 'release.json'), `${JSON.stringify(release)}\n`)
  for (const file of filesIn(home)) chmodSync(file, file.startsWith(join(home, 'bin/')) ? 0o755 : 0o644)
}

/** Returns the path of an archive of Node, as npm's registry has it. Throws when it is another than the pinned one. */
function nodeArchive(): string {
  const { version, integrity } = pinned
  const file =
    options.node ?? join(work, run('npm', ['pack', '--loglevel=error', `node-linux-${arch}@${version}`], work).trim())
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
function makeTarball({ home, work, out, arch, epoch, effort }: Packing): string {
  const top = `${name}-${packageVersion}-linux-${arch}`
  const [directory, file] = [join(work, 'tarball'), join(out, `${top}.tar.xz`)]
  const root = join(directory, top)
  cpSync(home, root, { recursive: true })
  cpSync(join(packageRoot, 'packaging/etc'), join(root, 'packaging/etc'), { recursive: true })
  for (const [unit, text] of units(`/opt/${name}`)) put(root, `packaging/systemd/${unit}`, text)
  settle(root)
  run('tar', [...alike(epoch), `--use-compress-program=xz -T1 -${effort}`, '-C', directory, '-cf', file, top])
  return file
}

/** Packs what runs as a bundle, by which agents are upgraded. Returns the path. */
function makeBundle({ home, work, out, arch, epoch, effort }: Packing): string {
  const [directory, file] = [join(work, 'bundle'), join(out, `${name}-${packageVersion}-linux-${arch}.bundle.tar.gz`)]
  cpSync(home, join(directory, 'program'), { recursive: true })
  settle(directory)
  run('tar', [...alike(epoch), `--use-compress-program=gzip -n${effort || 1}`, '-C', directory, '-cf', file, 'program'])
  return file
}

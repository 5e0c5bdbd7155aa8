import { execFile as execFileCallback, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { packageRoot, packageVersion } from '../../src/util.js'
import { directoryOf } from './directory.js'
import { cleanEnv } from './environment.js'
import { writeExecutable } from './release.js'

const execFile = promisify(execFileCallback)

const place = '/usr/lib/zeek-cluster-controller'

/** Runs a command to its end. Returns what it has printed; throws with what it has said when it fails. */
export function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { env: cleanEnv, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? ''}${stdout}${stderr}`)
  return stdout
}

/** Returns what makes packages of this checkout in a directory; undefined where Node for them cannot be had. */
export function packager(t: Test): ((out: string) => Promise<string[]>) | undefined {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'packaging/node.json'), 'utf8')) as { version: string }
  const directory = directoryOf(t)
  const args = ['pack', `node-linux-${process.arch}@${version}`, '--pack-destination', directory]
  const { status, stdout } = spawnSync('npm', args, { cwd: directory, env: cleanEnv, encoding: 'utf8' })
  if (status !== 0) return undefined
  const node = join(directory, stdout.trim())
  return async out => {
    const args = [join(packageRoot, 'dist/scripts/package.js'), '--fast', '--node', node, '--out', out]
    await execFile(process.execPath, args, { env: cleanEnv })
    return readdirSync(out).sort()
  }
}

/** Makes a Debian package of another version that is else the same. Returns its path. */
export function packageAs(version: string, deb: string, directory: string): string {
  run('dpkg-deb', '-R', deb, directory)
  run('sed', '-i', `s/^Version: .*/Version: ${version}/`, join(directory, 'DEBIAN/control'))
  sayVersion(version, join(directory, place))
  run('dpkg-deb', '-Znone', '--root-owner-group', '-b', directory, `${directory}.deb`)
  return `${directory}.deb`
}

/** Makes a bundle to upgrade agents with, of another version that is else the same. Returns its path. */
export function bundleAs(version: string, bundle: string, directory: string): string {
  mkdirSync(directory)
  run('tar', '-xzf', bundle, '-C', directory)
  sayVersion(version, join(directory, 'program'))
  run('tar', '-C', directory, '-cf', `${directory}.tar`, 'program')
  return `${directory}.tar`
}

function sayVersion(version: string, program: string): void {
  for (const file of ['package.json', 'release.json']) {
    run('sed', '-i', `s/"version": *"${packageVersion}"/"version":"${version}"/`, join(program, file))
  }
}

/** Makes a root with no more than Debian has at least, and a Zeek, which is the stand-in and needs our package. */
export async function makeRoot(t: Test): Promise<string> {
  const root = join(directoryOf(t), 'root')
  const args = ['--variant=minbase', '--include=adduser', 'bookworm', root]
  await execFile('debootstrap', args, { env: cleanEnv, maxBuffer: 2 ** 26 })
  // No power is lost here in earnest.
  writeFileSync(join(root, 'etc/dpkg/dpkg.cfg.d/unsafe-io'), 'force-unsafe-io\n')
  const zeek = join(root, 'opt/zeek')
  mkdirSync(join(zeek, 'bin'), { recursive: true })
  for (const part of ['demo', 'dist/demo', 'dist/src', 'dist/schemas', 'package.json']) {
    cpSync(join(packageRoot, part), join(zeek, part), { recursive: true })
  }
  symlinkSync(`${place}/node_modules`, join(zeek, 'node_modules'))
  writeExecutable(join(zeek, 'bin/zeek'), `#!/bin/sh\nexec ${place}/bin/node /opt/zeek/demo/zeek "$@"\n`)
  return root
}

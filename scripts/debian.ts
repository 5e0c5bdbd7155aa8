import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageVersion } from '../src/util.js'
import { documents, gzip, install, description, library, settingsFiles, summary } from './installed.js'
import { architectures, filesIn, lines, name, put, read, run, settle, type Packing } from './packing.js'

/** Makes the Debian package. Returns the path. */
export function makeDebianPackage({ home, work, out, arch, epoch, effort, maintainer }: Packing): string {
  const root = join(work, 'debian')
  install(root, home, 'usr/share/zsh/vendor-completions')
  put(root, `${documents}/changelog.gz`, gzip(changelog({ epoch, maintainer })))
  put(root, `${documents}/copyright`, copyright())
  put(root, `usr/share/lintian/overrides/${name}`, read('packaging/debian/lintian-overrides'))
  settle(root)
  const bytes = filesIn(root).reduce((sum, file) => sum + lstatSync(file).size, 0)
  for (const script of ['postinst', 'prerm', 'postrm']) {
    put(root, `DEBIAN/${script}`, read(`packaging/debian/${script}`))
    chmodSync(join(root, 'DEBIAN', script), 0o755)
  }
  put(root, 'DEBIAN/conffiles', lines(settingsFiles.map(file => `/${file}`)))
  put(root, 'DEBIAN/control', control({ arch, maintainer }, bytes))
  put(root, 'DEBIAN/md5sums', lines(sumsOf(root)))
  const file = join(out, `${name}_${packageVersion}_${architectures[arch].debian}.deb`)
  run('dpkg-deb', ['--root-owner-group', '-Zxz', `-z${effort}`, '--threads-max=1', '--build', root, file], work, {
    SOURCE_DATE_EPOCH: epoch
  })
  return file
}

function control({ arch, maintainer }: Pick<Packing, 'arch' | 'maintainer'>, bytes: number): string {
  return lines([
    `Package: ${name}`,
    `Version: ${packageVersion}`,
    `Architecture: ${architectures[arch].debian}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${Math.ceil(bytes / 1024)}`,
    // Those of Node's own build.
    'Depends: adduser, libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 8)',
    'Recommends: logrotate',
    'Section: net',
    'Priority: optional',
    `Description: ${summary}`,
    ...description.map(line => ` ${line}`)
  ])
}

/** The changelog in Debian's form, which has to be there: what has changed is said in ours. */
function changelog({ epoch, maintainer }: Pick<Packing, 'epoch' | 'maintainer'>): string {
  const at = new Date(Number(epoch) * 1000).toUTCString().replace('GMT', '+0000')
  return lines([
    `${name} (${packageVersion}) unstable; urgency=medium`,
    '',
    '  * See CHANGELOG.md.gz.',
    '',
    ` -- ${maintainer}  ${at}`
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

function sumsOf(root: string): string[] {
  return filesIn(root)
    .filter(file => !file.startsWith(join(root, 'DEBIAN/')))
    .map(file => `${createHash('md5').update(readFileSync(file)).digest('hex')}  ${file.slice(root.length + 1)}`)
}

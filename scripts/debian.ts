import { createHash } from 'node:crypto'
import { chmodSync, cpSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packageRoot, packageVersion } from '../src/util.js'
import { architectures, filesIn, lines, name, put, read, run, settle, units, type Packing } from './packing.js'

const library = `usr/lib/${name}`
const documents = `usr/share/doc/${name}`

/** Without a time, and with the most effort, as Debian wants it. */
const gzip = (text: string) => gzipSync(text, { level: 9 })

/** Makes the Debian package. Returns the path. */
export function makeDebianPackage({ home, work, out, arch, epoch, effort, maintainer }: Packing): string {
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
  put(root, `${documents}/changelog.gz`, gzip(changelog({ epoch, maintainer })))
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
  put(root, 'DEBIAN/control', control({ arch, maintainer }, bytes))
  put(root, 'DEBIAN/md5sums', lines(sumsOf(root)))
  const file = join(out, `${name}_${packageVersion}_${architectures[arch]}.deb`)
  run('dpkg-deb', ['--root-owner-group', '-Zxz', `-z${effort}`, '--threads-max=1', '--build', root, file], work, {
    SOURCE_DATE_EPOCH: epoch
  })
  return file
}

function control({ arch, maintainer }: Pick<Packing, 'arch' | 'maintainer'>, bytes: number): string {
  return lines([
    `Package: ${name}`,
    `Version: ${packageVersion}`,
    `Architecture: ${architectures[arch]}`,
    `Maintainer: ${maintainer}`,
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

import { spawnSync } from 'node:child_process'
import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { packageVersion } from '../src/util.js'
import { description, documents, install, library, settingsFiles, summary } from './installed.js'
import { architectures, lines, name, put, read, run, settle, type Packing } from './packing.js'

/** Whether packages for RPM can be made here. */
export const hasRpm = () => spawnSync('rpmbuild', ['--version']).status === 0

/** Makes the package for RPM. Returns the path. */
export function makeRpm({ home, work, out, arch, epoch, effort }: Packing): string {
  const [root, top] = [join(work, 'installed'), join(work, 'rpm')]
  install(root, home, 'usr/share/zsh/site-functions')
  put(root, `usr/share/licenses/${name}/LICENSE`, read('LICENSE'))
  settle(root)
  put(top, `${name}.spec`, spec(root))
  const macros = {
    _topdir: top,
    _binary_payload: `w${effort}.xzdio`,
    // What would depend on the host, or the time.
    _buildhost: 'localhost',
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
    source_date_epoch_from_changelog: '0',
    // Node and SQLite are as they are published: not stripped, and without debug packages.
    __os_install_post: '%{nil}',
    debug_package: '%{nil}',
    _build_id_links: 'none'
  }
  const defines = Object.entries(macros).flatMap(([macro, value]) => ['--define', `${macro} ${value}`])
  const target = architectures[arch].rpm
  run('rpmbuild', ['-bb', '--quiet', '--target', target, ...defines, join(top, `${name}.spec`)], work, {
    SOURCE_DATE_EPOCH: epoch
  })
  const [made] = readdirSync(join(top, 'RPMS', target))
  const file = join(out, made!)
  renameSync(join(top, 'RPMS', target, made!), file)
  return file
}

function spec(root: string): string {
  const scripts = ['pre', 'post', 'preun', 'postun'].flatMap(script => [`%${script}`, read(`packaging/rpm/${script}`)])
  return lines([
    `Name: ${name}`,
    // A hyphen separates the release.
    `Version: ${packageVersion.replaceAll('-', '~')}`,
    'Release: 1',
    `Summary: ${summary}`,
    'License: BSD-3-Clause',
    'AutoReqProv: no',
    // Those of Node's own build.
    'Requires: glibc >= 2.28, libgcc, libstdc++',
    'Requires(pre): /usr/sbin/useradd, /usr/bin/getent',
    'Recommends: logrotate',
    '%description',
    ...description,
    '%install',
    `cp -a ${root}/. %{buildroot}/`,
    ...scripts,
    '%files',
    '%defattr(-,root,root,-)',
    `/${library}`,
    '/usr/bin/zeek-cluster',
    '/usr/lib/systemd/system/*',
    '/usr/share/bash-completion/completions/*',
    '/usr/share/zsh/site-functions/*',
    '/usr/share/fish/vendor_completions.d/*',
    '/usr/share/man/man1/*',
    `%doc /${documents}`,
    `%license /usr/share/licenses/${name}`,
    '%dir /etc/zeek-cluster',
    ...settingsFiles.map(file => `%config(noreplace) /${file}`)
  ])
}

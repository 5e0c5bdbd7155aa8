import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packageRoot } from '../src/util.js'
import { name, put, read, run, units } from './packing.js'

/** Where a package of a distribution has the program, and what is to be read. */
export const library = `usr/lib/${name}`
export const documents = `usr/share/doc/${name}`
const settings = ['controller.yaml', 'agent.yaml']
/** What operators may have changed when the next version is installed. */
export const settingsFiles = [...settings.map(file => `etc/zeek-cluster/${file}`), `etc/logrotate.d/${name}`]

export const summary = 'run Zeek clusters of many hosts'
export const description = [
  'A controller with a REST API, Server-Sent Events and a console for browsers,',
  'and the agent that runs the Zeek processes of a host. Both, and the command',
  'line, are in this package; it starts neither.'
]

/** Without a time, and with the most effort, as Debian wants it. */
export const gzip = (text: string) => gzipSync(text, { level: 9 })

/** Puts what a package installs into a root, from the directory of all that runs. `zsh`: where that has completions. */
export function install(root: string, home: string, zsh: string): void {
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
    [`${zsh}/_zeek-cluster`, 'zsh'],
    ['usr/share/fish/vendor_completions.d/zeek-cluster.fish', 'fish']
  ] as const) {
    put(root, file, run(process.execPath, [join(home, 'dist/src/main.js'), 'completion', shell]))
  }
  put(root, 'usr/share/man/man1/zeek-cluster.1.gz', gzip(read('packaging/man/zeek-cluster.1')))
  put(root, `${documents}/CHANGELOG.md.gz`, gzip(read('CHANGELOG.md')))
  put(root, `${documents}/sbom.cdx.json`, readFileSync(join(home, 'sbom.cdx.json'), 'utf8'))
  cpSync(join(packageRoot, 'examples'), join(root, documents, 'examples'), { recursive: true })
  for (const file of settings) put(root, `etc/zeek-cluster/${file}`, read(`packaging/etc/${file}`))
  put(root, `etc/logrotate.d/${name}`, read('packaging/etc/logrotate'))
}

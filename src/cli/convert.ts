import type { Command } from '@commander-js/extra-typings'
import { printableLine } from '../terminal/screen.js'
import { withExamples } from './examples.js'
import { printJson, remark, type Io } from './io.js'

export function defineConvert(program: Command, io: Io): void {
  const command = program
    .command('convert')
    .helpGroup('Server:')
    .summary("print another tool's file as a configuration")
    .description(
      "Prints cluster.cfg (zeek-client), node.cfg (ZeekControl) or zeek.conf (Zeek's systemd generator) as the body of a request, and on stderr what it does not hold. Of the directory that has ZeekControl's files it reads node.cfg, zeekctl.cfg and networks.cfg."
    )
    .argument('<path>', 'a file, or the directory of ZeekControl, as /opt/zeek/etc; -: standard input')
    .option('--zeekctl <file>', 'the zeekctl.cfg of a node.cfg')
    .option('--networks <file>', 'its networks.cfg')
    .option(
      '--bundle <directory>',
      'make this directory of what ZeekControl has nodes load: its site, packages of zkg and plugins; for `bundle push`, under its name'
    )
  withExamples(
    command,
    ['zeek-cluster convert node.cfg > cluster.json', 'to look at it, and deploy it later'],
    ['zeek-cluster convert /opt/zeek/etc --bundle site > cluster.json', 'all that ZeekControl has'],
    ['zeek-cluster deploy node.cfg', 'converts it as well']
  )
  command.action(async (path, { bundle: directory, ...named }) => {
    const { convertForeign, readForeign } = await import('./configuration-file.js')
    const foreign = await readForeign(path, named, io)
    if (directory === undefined) {
      const { config, notes } = await convertForeign(foreign)
      remark(io, ...notes.map(printableLine))
      return printJson(io, { config })
    }
    const { bundleNameOf, packSite } = await import('./zeekctl-site.js')
    const bundle = bundleNameOf(directory)
    // First, so that nothing is made where there are errors.
    const { config, notes } = await convertForeign({ ...foreign, beside: { ...foreign.beside, bundle } })
    const made = `${directory} is made: upload it first, by zeek-cluster bundle push ${directory} --name ${bundle}`
    remark(io, ...[...notes, ...(await packSite(foreign, directory)), made].map(printableLine))
    printJson(io, { config })
  })
}

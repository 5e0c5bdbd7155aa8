import type { Command } from '@commander-js/extra-typings'
import type { Api, Schema } from '../client/connection.js'
import { exitCodes, Failure } from '../client/failure.js'
import { itemsOf } from '../client/pages.js'
import { printable, printableLine, type Screen } from '../terminal/screen.js'
import { tableOf } from '../terminal/table.js'
import { bytes } from '../terminal/units.js'
import { archiveOf } from './bundle-archive.js'
import { withExamples } from './examples.js'
import { print, printJson, remark, type Io } from './io.js'
import { ofController, toJson, type Parent } from './options.js'
import { open, type Session } from './session.js'

const pageMax = 1000

export function defineBundle(program: Command, io: Io): void {
  const command = program
    .command('bundle')
    .helpGroup('Deployment:')
    .summary('upload and compare what nodes load')
    .description(
      'Bundles are sets of files that nodes load: scripts, packages, plugins, intelligence. A configuration names one (`bundle: site`), and a deployment has it on every host.'
    )
  withExamples(
    command,
    ['zeek-cluster bundle push site --name site', 'a directory, under a name'],
    ['zeek-cluster bundle diff site 7d3a8c0b…', 'what is new in it']
  )
  definePush(command, io)
  defineList(command, io)
  defineShow(command, io)
  defineDiff(command, io)
  defineDelete(command, io)
}

function definePush(command: Parent, io: Io): void {
  const pushing = ofController(
    toJson(
      command
        .command('push')
        .summary('upload a directory, or an archive')
        .description(
          'Uploads what is in a directory, or in a tar archive, and prints the ID of the bundle. At the top of it are scripts/, packages/, plugins/, intel/ and config/; of a directory without scripts/, as the site/ of ZeekControl is one, everything else counts as scripts. Links are followed.'
        )
        .argument('<path>', 'a directory, or a file: .tar, .tar.gz')
        .option('--name <name>', 'have this name point to it from now on')
    )
  )
  withExamples(
    pushing,
    ['zeek-cluster bundle push /opt/zeek/share/zeek/site --name site', 'what ZeekControl has installed so far'],
    ['zeek-cluster bundle push site.tar.gz', 'an archive']
  )
  pushing.action(async (path, { name, ...options }) => {
    const data = await push(await open(io, options), path, name)
    if (options.json === true) printJson(io, data)
    else print(io, data.id)
  })
}

/** Uploads a directory or an archive, and remarks how much it was. */
export async function push({ io, api, signal }: Session, path: string, name?: string): Promise<Schema['Bundle']> {
  const { body, leftOut, close } = await archiveOf(path)
  try {
    for (const one of leftOut) remark(io, `left out: ${one}`)
    const { data, response } = await api.POST('/v1/bundles', {
      params: { query: name === undefined ? {} : { name } },
      headers: { 'content-type': 'application/x-tar' },
      body: body as never,
      bodySerializer: blob => blob,
      signal
    })
    const { files, size } = data!
    const isThere = response.status === 200 ? ', there already' : ''
    remark(io, `${files} ${files === 1 ? 'file' : 'files'}, ${bytes(size)}${isThere}`)
    return data!
  } finally {
    await close()
  }
}

function defineList(command: Parent, io: Io): void {
  const listing = ofController(
    toJson(command.command('list').summary('list bundles').description('Lists bundles, the newest first.'))
  )
  withExamples(
    listing,
    ['zeek-cluster bundle list', 'as a table'],
    ['zeek-cluster bundle list --json', 'for a program']
  )
  listing.action(async options => {
    const { api, signal, screen } = await open(io, options)
    const bundles = await allBundles(api, signal)
    if (options.json === true) return printJson(io, { bundles })
    if (bundles.length === 0) return remark(io, 'no bundles')
    print(
      io,
      tableOf(
        [
          { title: 'ID', text: ({ id }) => id.slice(0, shortId) },
          { title: 'NAMES', text: ({ names }) => names.join(' '), isLong: true },
          { title: 'FILES', text: ({ files }) => String(files), isNumber: true },
          { title: 'SIZE', text: ({ size }) => bytes(size), isNumber: true },
          { title: 'UPLOADED', text: ({ created_at: at }) => at },
          { title: 'BY', text: ({ created_by: by }) => by ?? '' },
          { title: 'USED BY', text: ({ used_by: users }) => users.join(' ') }
        ],
        bundles,
        screen
      )
    )
  })
}

/** As many digits of an ID as tell bundles apart for a person. */
export const shortId = 12

function defineShow(command: Parent, io: Io): void {
  const showing = ofController(
    toJson(
      command
        .command('show')
        .summary('list the files of a bundle')
        .description('Lists the files of a bundle. It takes the role operator.')
        .argument('<bundle>', 'a name, or an ID: its first digits will do')
    )
  )
  withExamples(
    showing,
    ['zeek-cluster bundle show site', 'by its name'],
    ['zeek-cluster bundle show 7d3a8c0b5f5f', 'by its ID']
  )
  showing.action(async (bundle, options) => {
    const { api, signal, screen } = await open(io, options)
    const params = { path: { bundle: await idOf(api, bundle, signal) } }
    const { data } = await api.GET('/v1/bundles/{bundle}', { params, signal })
    if (options.json === true) return printJson(io, data)
    print(
      io,
      tableOf(
        [
          { title: 'PATH', text: ({ path }) => path, isLong: true },
          { title: 'SIZE', text: ({ size }) => bytes(size), isNumber: true },
          { title: 'SHA-256', text: ({ sha256 }) => sha256.slice(0, shortId) },
          { title: 'MODE', text: ({ executable }) => (executable ? 'executable' : '') }
        ],
        data!.content,
        screen
      )
    )
  })
}

function defineDiff(command: Parent, io: Io): void {
  const comparing = ofController(
    toJson(
      command
        .command('diff')
        .summary('compare two bundles')
        .description(
          'Tells which files the later one has more (+), less (-), and with another content (~), and what is different in those that are small texts. Ends with 1 where there are any.'
        )
        .argument('<from>', 'the earlier one: a name, or an ID')
        .argument('<to>', 'the later one')
    )
  )
  withExamples(
    comparing,
    ['zeek-cluster bundle diff 7d3a8c0b5f5f site', 'what is new'],
    ['zeek-cluster bundle diff --json 7d3a8c0b5f5f site', 'for a program']
  )
  comparing.action(async (from, to, options) => {
    const { api, signal, screen } = await open(io, options)
    const [earlier, later] = [await idOf(api, from, signal), await idOf(api, to, signal)]
    const params = { path: { bundle: later }, query: { from: earlier } }
    const { data } = await api.GET('/v1/bundles/{bundle}/diff', { params, signal })
    const { added, removed, changed } = data!
    if (added.length + removed.length + changed.length > 0) io.exitCode = exitCodes.failed
    if (options.json === true) return printJson(io, data)
    print(io, ...fileLines(data!, screen))
  })
}

/** Returns lines for each file that is different; `what` stands before its path. */
export function fileLines(
  { added, removed, changed }: Schema['BundleDifference'],
  { style }: Pick<Screen, 'style'>,
  what = ''
): string[] {
  return [
    ...removed.map(({ path }) => style('bad', `- ${what}${path}`)),
    ...added.map(({ path, size }) => style('good', `+ ${what}${path} (${bytes(size)})`)),
    ...changed.flatMap(({ before, after, diff, diff_omitted: omitted }) => [
      `~ ${what}${after.path} (${bytes(before.size)} -> ${bytes(after.size)}${omitted === undefined ? '' : `, ${printableLine(omitted.replaceAll('_', ' '))}`})`,
      ...diffLines(diff, style)
    ])
  ]
}

/** Returns the lines of a unified diff, but for those that name the file. */
function diffLines(diff: string | undefined, style: Screen['style']): string[] {
  const lines = (diff ?? '').split('\n')
  const tones = { '-': 'bad', '+': 'good', '@': 'quiet', '\\': 'quiet' } as const
  return lines
    .slice(
      lines.findIndex(line => line.startsWith('@@')),
      -1
    )
    .map(line => {
      const tone = tones[line[0] as keyof typeof tones]
      const text = printable(line.replaceAll('\r', '^M'))
      return `  ${tone === undefined ? text : style(tone, text)}`
    })
}

function defineDelete(command: Parent, io: Io): void {
  const deleting = ofController(
    command
      .command('delete')
      .summary('delete a bundle')
      .description('Deletes a bundle that nothing names: no configuration, feed or revision.')
      .argument('<bundle>', 'a name, or an ID')
  )
  withExamples(
    deleting,
    ['zeek-cluster bundle delete 7d3a8c0b5f5f', 'one'],
    ['zeek-cluster bundle list', 'shows the IDs']
  )
  deleting.action(async (bundle, options) => {
    const { api, signal } = await open(io, options)
    const id = await idOf(api, bundle, signal)
    await api.DELETE('/v1/bundles/{bundle}', { params: { path: { bundle: id } }, signal })
    remark(io, `deleted ${id}`)
  })
}

async function allBundles(api: Api, signal: AbortSignal): Promise<Schema['Bundle'][]> {
  return await itemsOf({ pageMax }, async query => {
    const { data } = await api.GET('/v1/bundles', { params: { query }, signal })
    return { items: data!.bundles, next: data!.next }
  })
}

/** Returns the name, or the whole ID of a bundle of which the first digits are given. Throws a Failure for several. */
async function idOf(api: Api, ref: string, signal: AbortSignal): Promise<string> {
  if (!/^[0-9a-f]{6,63}$/.test(ref)) return ref
  const fitting = (await allBundles(api, signal)).filter(({ id, names }) => id.startsWith(ref) || names.includes(ref))
  if (fitting.length > 1) throw new Failure(exitCodes.usage, `${ref} is the beginning of ${fitting.length} bundles`)
  return fitting[0]?.id ?? ref
}

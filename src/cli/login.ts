import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { Command } from '@commander-js/extra-typings'
import { suggestion } from '../../schemas/nearest.js'
import { connect } from '../client/connection.js'
import { contextsFile, readContexts, writeContexts, type Contexts } from '../client/contexts.js'
import { exitCodes, Failure } from '../client/failure.js'
import { parseUrls, readNamed, refuseClearToken } from '../client/target.js'
import { tableOf } from '../terminal/table.js'
import { readStdin } from './configuration-file.js'
import { writeFileAtomically } from '../util.js'
import { withExamples } from './examples.js'
import { certificatesOf, withFingerprint } from './first-contact.js'
import { print, printJson, remark, screenFor, type Io } from './io.js'
import { toJson } from './options.js'

export function defineLogin(program: Command, io: Io): void {
  const command = program
    .command('login')
    .helpGroup('Access:')
    .summary('keep a controller and a token, to be used from now on')
    .description(
      'Asks the controller whether it takes a token, and keeps both as a context, in a file that only its owner can read. The token is asked for, or read from standard input or a file: as an argument, others would see it.'
    )
    .argument('<url>', 'the controller, as https://controller:2149; several, of which one leads, with commas')
    .option('--name <name>', "the context's name; default: the host of the first controller")
    .option('--token-file <file>', 'a file with the token')
    .option('--ca <file>', 'certificates of authorities, for a controller with one of its own')
    .option('--fingerprint <fingerprint>', "instead: that of its authority's key, as SHA256:…; the authority is kept")
    .option('--no-token', 'for a controller that asks for none')
  withExamples(
    command,
    ['zeek-cluster login https://zeek.example.org:2149', 'asks for the token'],
    ['zeek-cluster login https://10.0.0.1:2149 --ca ca.pem --token-file token', 'without questions'],
    [
      'zeek-cluster login https://zeek:2149 --fingerprint SHA256:jEaIzOW5ZKcyaXkvgcoI9mRWuIQVRYKSHZ9ESJSSmz8',
      'a controller with an authority of its own'
    ]
  )
  command.action(async (text, { name, tokenFile, ca, fingerprint, token: hasToken }) => {
    const urls = parseUrls(text)
    const token = hasToken ? await readToken(io, tokenFile) : undefined
    refuseClearToken({ urls, token })
    const key = name ?? new URL(urls[0]!).hostname
    const file = contextsFile(io.env)
    const authority =
      ca === undefined && fingerprint !== undefined ? await authorityOf(io, urls[0]!, fingerprint) : undefined
    const api = await connect({ urls, token, ca: authority ?? (await readNamed('--ca', ca)) })
    const { data: session } = await api.GET('/v1/session', { signal: io.interrupted })
    const { contexts } = await readContexts(file)
    const url = urls.join(',')
    const kept = authority === undefined ? ca && resolve(ca) : join(dirname(file), `${encodeURIComponent(key)}.pem`)
    if (authority !== undefined) await writeFileAtomically(kept!, authority)
    const context = { url, ...(token === undefined ? {} : { token }), ...(kept === undefined ? {} : { ca: kept }) }
    await writeContexts(file, { current: key, contexts: { ...contexts, [key]: context } })
    print(io, `context ${key}: ${url}, as ${session!.name} (${session!.role})`)
  })
}

/** Returns the authority with that fingerprint among what a controller shows. Throws a Failure. */
async function authorityOf(io: Io, url: string, fingerprint: string): Promise<string> {
  if (!url.startsWith('https:')) throw new Failure(exitCodes.usage, `--fingerprint: ${url} speaks no TLS`)
  const { certificate, isOwn } = withFingerprint(url, await certificatesOf(url, io.interrupted), fingerprint)
  if (!isOwn) return certificate
  throw new Failure(exitCodes.usage, `--fingerprint: it is that of no authority, but of ${url} itself: name a --ca`)
}

async function readToken(io: Io, file: string | undefined): Promise<string> {
  const token = await (file === undefined ? askToken(io) : readNamed('--token-file', file))
  if (token.trim() === '') throw new Failure(exitCodes.usage, 'there is no token')
  return token.trim()
}

/** Asks at a terminal, without showing what is typed; else reads standard input. */
async function askToken(io: Io): Promise<string> {
  const { stdin, stderr, interrupted } = io
  if (stdin.isTTY !== true) return await readStdin(io)
  const hidden = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: stdin, output: hidden, terminal: true })
  // Only now: a terminal shows what is pasted until it is told not to.
  stderr.write('Token: ')
  // Ctrl-C and Ctrl-D are keys here, and close it; the question would stay open.
  const left = new AbortController()
  lines.once('close', () => left.abort())
  try {
    return await lines.question('', { signal: AbortSignal.any([interrupted, left.signal]) })
  } catch (error) {
    throw new Failure(exitCodes.interrupted, 'there is no token', { cause: error })
  } finally {
    lines.close()
    stderr.write('\n')
  }
}

export function defineContext(program: Command, io: Io): void {
  const command = program
    .command('context')
    .helpGroup('Access:')
    .summary('show or choose the controllers that login has kept')
    .description('The controllers that `login` has kept; the current one is asked where none is named.')
  withExamples(
    command,
    ['zeek-cluster context list', 'all of them'],
    ['zeek-cluster context use site-2', 'ask this one from now on']
  )
  const listing = toJson(
    command.command('list').summary('list contexts').description('Lists contexts, without tokens.')
  )
  withExamples(
    listing,
    ['zeek-cluster context list', 'as a table'],
    ['zeek-cluster context list --json', 'for a program']
  )
  listing.action(async ({ json }) => {
    const { current, contexts } = await readContexts(contextsFile(io.env))
    const rows = Object.entries(contexts).map(([name, { url, token, ca }]) => ({
      name,
      current: name === current,
      url,
      token: token !== undefined,
      ca
    }))
    if (json === true) printJson(io, { contexts: rows })
    else if (rows.length === 0) remark(io, 'no contexts: zeek-cluster login URL makes one')
    else {
      print(
        io,
        tableOf(
          [
            { title: ' ', text: ({ current }) => (current ? '*' : ' ') },
            { title: 'NAME', text: ({ name }) => name },
            { title: 'URL', text: ({ url }) => url, isLong: true },
            { title: 'TOKEN', text: ({ token }) => (token ? 'yes' : 'no') }
          ],
          rows,
          screenFor(io)
        )
      )
    }
  })
  const using = command
    .command('use')
    .summary('choose a context')
    .description('Has a context be asked from now on, where none is named.')
    .argument('<name>', 'its name')
  withExamples(
    using,
    ['zeek-cluster context use site-2', 'from now on'],
    ['zeek-cluster status --context site-2', 'this once']
  )
  using.action(async name => await change(io, name, contexts => ({ ...contexts, current: name })))
  const removing = command
    .command('remove')
    .summary('forget a context')
    .description('Forgets a context, with its token. The token stays good: `token revoke` ends that.')
    .argument('<name>', 'its name')
  withExamples(
    removing,
    ['zeek-cluster context remove site-2', 'forget it'],
    ['zeek-cluster token revoke 9448e9c83643', 'have the controller not take its token any more']
  )
  removing.action(
    async name =>
      await change(io, name, ({ current, contexts: { [name]: _gone, ...contexts } }) => ({
        ...(current === name ? {} : { current }),
        contexts
      }))
  )
}

async function change(io: Io, name: string, alter: (contexts: Contexts) => Contexts): Promise<void> {
  const file = contextsFile(io.env)
  const contexts = await readContexts(file)
  if (!Object.hasOwn(contexts.contexts, name)) {
    throw new Failure(exitCodes.usage, `there is no context ${name}${suggestion(name, Object.keys(contexts.contexts))}`)
  }
  await writeContexts(file, alter(contexts))
}

import { createPrivateKey } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Option, type Command } from '@commander-js/extra-typings'
import type { Identity } from '../agent/identity.js'
import { connect, type Api, type Schema } from '../client/connection.js'
import { exitCodes, Failure } from '../client/failure.js'
import { parseUrls, readNamed } from '../client/target.js'
import { messageOf } from '../errors.js'
import { certificatesIn, fingerprintOfKey, fingerprintPattern } from '../security/fingerprint.js'
import { endOf } from '../security/lifetime.js'
import { hostOf, hostPort, writeFileAtomically } from '../util.js'
import {
  isThere,
  packaged,
  placeOf,
  readUnlinked,
  writeSettings,
  type AgentPlace,
  type PlaceOptions
} from './agent-place.js'
import { withExamples } from './examples.js'
import { certificatesOf, withFingerprint, type Trust } from './first-contact.js'
import { print, remark, type Io } from './io.js'

/** How often a host that waits asks, in milliseconds: first, and at last. */
const [askMs, askMaxMs] = [1_000, 10_000]

interface JoinOptions extends PlaceOptions {
  token?: string | undefined
  tokenFile?: string | undefined
  fingerprint?: string | undefined
  ca?: string | undefined
  name?: string | undefined
  controllers?: string | undefined
  anew?: true | undefined
}

export function defineJoin(program: Command, io: Io): void {
  const command = program
    .command('join')
    .helpGroup('Server:')
    .summary('make this host an agent of a controller')
    .description(
      'Makes a key for the agent of this host and asks the controller for a certificate, with a token of role join. Waits until an operator has accepted the host, unless the token does so; Ctrl-C, and the same command goes on later. Then it writes certificate, authority and settings. `token create --role join` on the side of the controller prints the command.'
    )
    .argument('<url>', 'the controller, as https://controller:2149; several, of which one leads, with commas')
    .option('--token <token>', 'the token; others of this host see it while this runs')
    .option('--token-file <file>', 'a file with the token')
    .addOption(
      new Option(
        '--fingerprint <fingerprint>',
        "of the key of the controller's authority, as SHA256:…: nobody else is taken for the controller"
      )
    )
    .option('--ca <file>', "instead: the controller's authorities")
    .option('--name <name>', 'of the agent; default: that of the settings, else agent-<host>')
    .option(
      '--config <file>',
      `where its settings are written; default: ${packaged.config}, else in the state directory`
    )
    .option('--state-dir <directory>', 'its state directory; default: that of the settings')
    .option('--user <user>', `whom its files are to belong to; default: ${packaged.user}, where a package is installed`)
    .option(
      '--controllers <addresses>',
      'host:port where it dials controllers, with commas; default: the hosts of the URL'
    )
    .option('--anew', 'with a new key, though this host has a certificate')
  withExamples(
    command,
    [
      'zeek-cluster join https://controller:2149 --token zcc_… --fingerprint SHA256:jEaIzOW5ZKcyaXkvgcoI9mRWuIQVRYKSHZ9ESJSSmz8',
      'as `token create` has printed it'
    ],
    [
      'zeek-cluster join https://controller:2149 --token-file token --ca ca.pem --name sensor-1',
      'without a fingerprint'
    ]
  )
  command.action(async (url, options) => await runJoin(io, parseUrls(url), options))
}

async function runJoin(io: Io, urls: readonly string[], options: JoinOptions): Promise<void> {
  const inClear = urls.find(url => !url.startsWith('https:'))
  if (inClear !== undefined) {
    throw new Failure(exitCodes.usage, `${inClear} speaks no TLS: only with TLS can a controller be known`)
  }
  if (options.fingerprint !== undefined && !new RegExp(fingerprintPattern).test(options.fingerprint)) {
    throw new Failure(exitCodes.usage, '--fingerprint is SHA256: and 43 characters, as `token create` has printed it')
  }
  const token = await tokenOf(options)
  const place = await placeOf(io.env, options)
  const { settings, identity, directory } = place
  const name = options.name ?? settings.agent_name
  if (options.anew !== true && (await isJoined(io, identity, name))) return
  const key = await keyIn(join(directory, 'join.pem'), place, options)
  remark(io, `the key of ${name} has the fingerprint ${fingerprintOfKey(key)}`)
  const trust = await trustOf(io, urls, options)
  const api = await connect({ urls, token, tls: trust.tls })
  const answer = await ask(io, api, name, key)
  if (answer.status !== 'accepted') {
    // Whoever tries again is another one for the controller.
    await rm(join(directory, 'join.pem'), { force: true })
    throw new Failure(exitCodes.failed, `the controller has ${answer.status} ${name}`)
  }
  const port = answer.agent_port ?? 2150
  await identity.write(key, answer.certificate ?? '', name, place.owner)
  const authority = join(directory, 'controller-ca.pem')
  await writeFileAtomically(authority, trust.text, place.owner)
  await writeSettings(place, {
    management_state_dir: directory,
    agent_name: name,
    agent_controller: options.controllers ?? urls.map(url => hostPort(hostOf(new URL(url).host), port)).join(','),
    agent_tls_ca: trust.isOwn ? undefined : authority,
    agent_tls_pin: trust.isOwn ? authority : undefined,
    agent_tls_cert: identity.path,
    agent_tls_key: identity.path,
    agent_token_file: undefined
  })
  await rm(join(directory, 'join.pem'), { force: true })
  const end = new Date(endOf(await identity.certificate())).toISOString()
  print(io, `${name} has joined: its certificate is good until ${end}, and is renewed before`)
  const start = place.isPackaged
    ? 'systemctl enable --now zeek-cluster-agent'
    : `zeek-cluster start --agent --config ${place.config}`
  print(io, `start it: ${start}`)
}

async function tokenOf({ token, tokenFile }: JoinOptions): Promise<string> {
  if ((token === undefined) === (tokenFile === undefined)) {
    throw new Failure(exitCodes.usage, 'either --token or --token-file: `token create --role join` makes a token')
  }
  return (token ?? (await readNamed('--token-file', tokenFile!))).trim()
}

/** Returns whether the host is this agent already, which is told. Throws a Failure when it is another one. */
async function isJoined(io: Io, identity: Identity, name: string): Promise<boolean> {
  if (!(await isThere(identity.path))) return false
  const { subject, ...its } = await identity.certificate().then(
    certificate => ({ subject: certificate.subject, end: endOf(certificate) }),
    error => {
      throw new Failure(exitCodes.usage, `${identity.path}: ${messageOf(error)}; --anew makes another one`)
    }
  )
  if (its.end <= Date.now()) return false
  // Until the settings are written, too, the key is where it was made.
  if (await isThere(join(identity.path, '..', 'join.pem'))) return false
  if (subject !== `O=agent\nCN=${name}`) {
    throw new Failure(
      exitCodes.usage,
      `this host is ${subject.replace(/^.*CN=/s, '')}, and keeps its name: have the controller forget it (instances forget), then join with --anew`
    )
  }
  print(io, `${name} has joined already: its certificate is good until ${new Date(its.end).toISOString()}`)
  return true
}

/**
 * Returns the key (PEM) that is asked with, which lasts until the host has joined. Throws a Failure for what may be the
 * secret of somebody else: it would be given to the owner.
 */
async function keyIn(path: string, { owner, identity }: AgentPlace, { anew }: JoinOptions): Promise<string> {
  const before = await readUnlinked(path)
  if (before) {
    const { uid, nlink } = before.stats
    // Whose directory it is can put a second name of another file there, too.
    if (nlink !== 1 || ![0, owner?.uid ?? process.getuid?.()].includes(uid)) {
      throw new Failure(exitCodes.usage, `${path} is no key of this agent's: it is another user's, or has other names`)
    }
    const key = createPrivateKey(before.text)
    const isOld = await identity.certificate().then(
      certificate => certificate.checkPrivateKey(key),
      () => false
    )
    if (anew !== true || !isOld) return before.text
  }
  const { createKey } = await import('../security/certificate-authority.js')
  const key = await createKey()
  // Before anything is sent: whoever runs this again asks with the same key.
  await writeFileAtomically(path, key, owner)
  return key
}

/** Returns how the controller is known. `text`: the certificates for the agent. */
async function trustOf(
  io: Io,
  urls: readonly string[],
  { ca, fingerprint }: JoinOptions
): Promise<Pick<Trust, 'tls' | 'isOwn'> & { text: string }> {
  if (ca !== undefined) {
    if (fingerprint !== undefined) throw new Failure(exitCodes.usage, '--ca and --fingerprint exclude each other')
    const text = await readNamed('--ca', ca)
    if (certificatesIn(text).length === 0) throw new Failure(exitCodes.usage, `--ca: ${ca} holds no certificate (PEM)`)
    return { tls: { ca: text }, isOwn: false, text }
  }
  const { url, shown } = await firstShown(urls, io.interrupted)
  const trust = fingerprint === undefined ? await confirm(io, url, shown) : withFingerprint(url, shown, fingerprint)
  return { ...trust, text: trust.certificate }
}

async function firstShown(urls: readonly string[], signal: AbortSignal) {
  let failure: unknown
  for (const url of urls) {
    try {
      return { url, shown: await certificatesOf(url, signal) }
    } catch (error) {
      failure ??= error
    }
  }
  throw failure
}

/** Asks at a terminal whether it is the controller. Throws a Failure with the fingerprint where nobody says so. */
async function confirm(io: Io, url: string, shown: readonly [Trust, ...Trust[]]): Promise<Trust> {
  const trust = shown.at(-1)!
  const refuse = () =>
    new Failure(
      exitCodes.usage,
      `${url} shows the fingerprint ${trust.fingerprint}: nothing was sent to it. If the controller's side says the same (token create), then --fingerprint ${trust.fingerprint}`
    )
  if (io.stdin.isTTY !== true) throw refuse()
  const lines = createInterface({ input: io.stdin, output: io.stderr })
  try {
    remark(io, `${url} shows the fingerprint ${trust.fingerprint}`)
    const said = await lines.question('Does the side of the controller say the same (token create)? yes/no: ', {
      signal: io.interrupted
    })
    if (said.trim() !== 'yes') throw refuse()
    return trust
  } finally {
    lines.close()
  }
}

/** Asks until it is decided. */
async function ask(io: Io, api: Api, name: string, key: string): Promise<Schema['JoinAnswer']> {
  const { createRequest } = await import('../security/certificate-authority.js')
  const body = { name, request: await createRequest(key) }
  let told: string | undefined
  const tell = (line: string) => {
    if (line !== told) remark(io, line)
    told = line
  }
  for (let pauseMs = askMs; ; pauseMs = Math.min(askMaxMs, pauseMs * 1.5)) {
    try {
      const { data } = await api.POST('/v1/joins', { body, signal: io.interrupted })
      if (data!.status !== 'pending') return data!
      tell(
        `waiting until an operator accepts it (zeek-cluster instances accept ${name}), until ${data!.expires_at ?? 'the token ends'}`
      )
    } catch (error) {
      if (!(error instanceof Failure) || told === undefined || !isPassing(error)) throw error
      tell(`${error.message}; trying again`)
    }
    await sleep(pauseMs, undefined, { signal: io.interrupted })
  }
}

/** Whether it may be another time: a controller that is restarted, or another one that comes to lead. */
const isPassing = ({ exitCode, code }: Failure) =>
  exitCode === exitCodes.unavailable && !['unauthorized', 'forbidden'].includes(code ?? '')

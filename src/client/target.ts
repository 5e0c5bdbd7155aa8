import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import { isInClear } from '../util.js'
import { contextsFile, readContexts } from './contexts.js'
import { exitCodes, Failure } from './failure.js'

/** Which controllers are asked, and how to be known there. */
export interface Target {
  /** Where each of them is, without a slash at its end; not empty. */
  urls: readonly string[]
  token?: string | undefined
  /** PEM texts: the authorities of the controller, and a certificate of one's own. */
  ca?: string | undefined
  cert?: string | undefined
  key?: string | undefined
  /** How else it is known, for TLS. */
  tls?: ConnectionOptions | undefined
}

/** What the command line may say of the controller. A token is never an argument: others would see it in `ps`. */
export interface TargetOptions {
  /** Several have commas between them. */
  url?: string | undefined
  context?: string | undefined
  tokenFile?: string | undefined
  ca?: string | undefined
  cert?: string | undefined
  key?: string | undefined
}

export const defaultUrl = 'http://127.0.0.1:2149'

/**
 * Finds the controllers to ask: named by the command line, else by the environment, else by the context. A token is
 * sent only to where it belongs: one of a context never to a URL that comes from elsewhere. Throws a Failure.
 */
export async function findTarget(options: TargetOptions, env: NodeJS.ProcessEnv): Promise<Target> {
  const { url, context } = options
  refuseContradictions(options)
  const named = url ?? (context === undefined ? env['ZEEK_CLUSTER_URL'] : undefined)
  const kept = named === undefined ? await findContext(context ?? env['ZEEK_CLUSTER_CONTEXT'], env) : undefined
  const target: Target = {
    urls: parseUrls(named ?? kept?.url ?? defaultUrl),
    token: await tokenOf(options, env['ZEEK_CLUSTER_TOKEN'] ?? kept?.token),
    ca: await readNamed('--ca', options.ca ?? env['ZEEK_CLUSTER_CA'] ?? kept?.ca),
    cert: await readNamed('--cert', options.cert),
    key: await readNamed('--key', options.key)
  }
  refuseClearToken(target)
  return target
}

function refuseContradictions({ url, context, cert, key }: TargetOptions): void {
  if (url !== undefined && context !== undefined) {
    throw new Failure(exitCodes.usage, '--url and --context exclude each other')
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new Failure(exitCodes.usage, '--cert and --key need each other')
  }
}

async function tokenOf({ tokenFile }: TargetOptions, otherwise: string | undefined): Promise<string | undefined> {
  const token = tokenFile === undefined ? otherwise : (await readNamed('--token-file', tokenFile)).trim()
  return token === '' ? undefined : token
}

async function findContext(name: string | undefined, env: NodeJS.ProcessEnv) {
  const file = contextsFile(env)
  const { current, contexts } = await readContexts(file)
  const wanted = name ?? current
  if (wanted === undefined) return undefined
  if (Object.hasOwn(contexts, wanted)) return contexts[wanted]
  const others = Object.keys(contexts)
  throw new Failure(
    exitCodes.usage,
    `there is no context ${wanted}: ${others.length > 0 ? `there are ${others.join(', ')}` : 'log in first (zeek-cluster login URL)'}`
  )
}

/** Reads a file that an option names, if it does. Throws a Failure that names the option. */
export async function readNamed<T extends string | undefined>(
  option: string,
  file: T
): Promise<T extends string ? string : string | undefined>
export async function readNamed(option: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new Failure(exitCodes.usage, `${option}: ${(error as Error).message}`, { cause: error })
  }
}

/** More than anyone has. */
const urlsMax = 16

/** Returns the URLs of controllers, which have commas between them, each as it is used. Throws a Failure. */
export function parseUrls(text: string): string[] {
  const urls = text.split(',')
  if (urls.length > urlsMax) throw new Failure(exitCodes.usage, `${urls.length} URLs are too many: at most ${urlsMax}`)
  return urls.map(url => parseUrl(url.trim()))
}

/** Returns a controller's URL as it is used: with its scheme, without what is after its path. */
export function parseUrl(text: string): string {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Failure(exitCodes.usage, `${text} is no URL of a controller, as ${defaultUrl} is one`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new Failure(
      exitCodes.usage,
      `a URL holds no credentials, as that of ${url.host} does: others would see them; log in with a token`
    )
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

/** Throws when a token would be sent over a network for everyone to read. */
export function refuseClearToken({ urls, token }: Pick<Target, 'urls' | 'token'>): void {
  const clear = token === undefined ? undefined : urls.find(isInClear)
  if (clear === undefined) return
  throw new Failure(exitCodes.usage, `the token would be sent in clear to ${clear}: use https, or an ssh tunnel`)
}

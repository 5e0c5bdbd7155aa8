import type { components } from './openapi.js'
import { exitCodes, Failure } from './failure.js'

/** Returns why a controller was not reached, in a line that says what to do. */
export function failureOfNetwork(error: unknown, url: string): Failure {
  const { code = '', message } = innermost(error)
  return new Failure(exitCodes.unavailable, remedy(code, url) ?? `${url} could not be asked: ${message}`, {
    code: code === '' ? undefined : code,
    cause: error
  })
}

/** Returns why none of several controllers has done what was asked. */
export function failureOfAll(failures: readonly Failure[]): Failure {
  const [first] = failures
  if (failures.length === 1) return first!
  return new Failure(exitCodes.unavailable, failures.map(({ message }) => message).join('; '), {
    ...(first?.code !== undefined && { code: first.code }),
    cause: new AggregateError(failures)
  })
}

/** Whether there was no connection: nothing was sent. */
export function isUnreached({ cause }: Failure): boolean {
  const { code, syscall, errors } = innermost(cause ?? {})
  return (
    code === 'UND_ERR_CONNECT_TIMEOUT' || ['connect', 'getaddrinfo'].includes(syscall ?? errors?.[0]?.syscall ?? '')
  )
}

/** Whether nothing was done: there was no connection, or no leader. */
export const isUndone = (error: unknown): error is Failure =>
  error instanceof Failure && (error.code === 'not_leader' || isUnreached(error))

/** Whether a connection was lost, as it happens when a controller is restarted; what was sent may have arrived. */
export const isLost = (error: unknown): error is Failure =>
  error instanceof Failure && ['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE'].includes(error.code ?? '')

interface Cause {
  code?: string
  /** Which call of the system has failed. */
  syscall?: string
  message: string
  cause?: unknown
  /** Where several addresses were tried, why each has failed. */
  errors?: Cause[]
}

/** The cause that names what has happened: `fetch` says only that it has failed. */
function innermost(error: unknown): Cause {
  let inner = error as Cause
  for (let depth = 0; depth < 5; depth++) {
    const next = inner.cause ?? inner.errors?.[0]
    if (next === undefined || inner.code !== undefined) break
    inner = next as Cause
  }
  return inner
}

/** What to do about what the system, or OpenSSL, has said. */
const remedies: readonly [codes: string, remedy: (url: URL, text: string) => string][] = [
  [
    'ECONNREFUSED',
    (_url, text) =>
      `no controller listens at ${text}: start one (zeek-cluster start), or name another (--url, or zeek-cluster login URL)`
  ],
  ['ENOTFOUND EAI_AGAIN', ({ hostname }) => `there is no host ${hostname}`],
  [
    'EHOSTUNREACH ENETUNREACH ETIMEDOUT UND_ERR_CONNECT_TIMEOUT',
    ({ host }) => `${host} is not reached: is it up, and does its firewall let this pass?`
  ],
  ['CERT_HAS_EXPIRED', (_url, text) => `the certificate of ${text} has expired: renew it on the controller's host`],
  [
    'CERT_NOT_YET_VALID',
    (_url, text) => `the certificate of ${text} is not valid yet: are the clocks of both hosts right?`
  ],
  [
    'DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_VERIFY_LEAF_SIGNATURE UNABLE_TO_GET_ISSUER_CERT UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    (_url, text) =>
      `the certificate of ${text} is from an authority that is not known here: name the authority's with --ca FILE`
  ],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    ({ hostname }, text) => `the certificate of ${text} is for another name than ${hostname}`
  ],
  [
    'ERR_OSSL_PEM_NO_START_LINE ERR_OSSL_PEM_BAD_BASE64_DECODE ERR_OSSL_X509_KEY_VALUES_MISMATCH',
    () => 'the files of --cert and --key are no certificate and its key, as PEM'
  ],
  [
    'EPROTO ERR_SSL_WRONG_VERSION_NUMBER ERR_SSL_PACKET_LENGTH_TOO_LONG',
    (_url, text) => `${text} speaks no TLS: try ${text.replace(/^https/, 'http')}`
  ],
  [
    'UND_ERR_SOCKET ECONNRESET',
    ({ protocol }, text) =>
      protocol === 'http:'
        ? `${text} has closed the connection: does it want https?`
        : `${text} has closed the connection: it may want a certificate of yours (--cert, --key)`
  ]
]

function remedy(code: string, url: string): string | undefined {
  const known = code === '' ? undefined : remedies.find(([codes]) => codes.split(' ').includes(code))
  return known?.[1](new URL(url), url)
}

/** Returns why a controller has refused, in lines that say what to do. */
export async function failureOfAnswer(
  response: Response,
  { url, urls, hasToken }: { url: string; urls: readonly string[]; hasToken: boolean }
): Promise<Failure> {
  const problem = await problemOf(response)
  if (!problem) {
    const type = response.headers.get('content-type')
    return new Failure(
      exitCodes.unavailable,
      `${url} is no controller, or one behind a proxy: it answers ${response.status}${type === null ? '' : `, ${type}`}`
    )
  }
  const { code, detail, errors = [] } = problem
  if (code === 'unauthorized') {
    const why = hasToken ? 'does not take this token' : 'asks for a token'
    return new Failure(exitCodes.unavailable, `${url} ${why}: zeek-cluster login ${urls.join(',')}`, { code })
  }
  if (code === 'not_leader') return new Failure(exitCodes.unavailable, `${url}: ${detail}`, { code })
  const lines = errors.length > 1 ? errors.map(({ field, message }) => `\n  ${field}: ${message}`).join('') : ''
  const isRefuted = code === 'not_found' || code === 'precondition_failed'
  const unavailable = response.status >= 500 || code === 'forbidden' || code === 'too_many_requests'
  return new Failure(
    unavailable ? exitCodes.unavailable : isRefuted ? exitCodes.failed : exitCodes.usage,
    lines === '' ? detail : `what was sent is refused:${lines}`,
    { code }
  )
}

async function problemOf(response: Response): Promise<components['schemas']['Problem'] | undefined> {
  try {
    const answer = (await response.json()) as components['schemas']['Problem'] | null
    return typeof answer?.code === 'string' && typeof answer.detail === 'string' ? answer : undefined
  } catch {
    return undefined
  }
}

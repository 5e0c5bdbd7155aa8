import { Type, type Static, type TObject } from '@sinclair/typebox'
import { AppError } from '../errors.js'
import { Count, environmentName, File, Seconds } from '../settings.js'
import { defined, hostPort, isInClear, reachableAt } from '../util.js'

/** The settings of a controller that is one of several. */
export const replicationSettings = {
  controller_nats: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'URLs, with commas, of servers of NATS that keep the log of several controllers, of which this is one; without it this one is alone'
    })
  ),
  controller_nats_name: Type.String({
    pattern: '^[-\\w]{1,64}$',
    'x-expected': 'a name: letters, digits, "_" and "-"',
    default: 'cluster',
    description: 'the name of that log: several clusters may share servers'
  }),
  controller_nats_replicas: Count({
    default: 3,
    minimum: 1,
    maximum: 5,
    description: 'how many of the servers must keep it; fewer than 3 are for trials: a log on one disk is lost with it'
  }),
  controller_nats_credentials: File('the credentials of NATS (a .creds file) of this controller'),
  controller_nats_tls_ca: File("authorities (PEM) of the certificates of NATS's servers"),
  controller_nats_tls_cert: File('the certificate (PEM) that this controller shows them'),
  controller_nats_tls_key: File('the key (PEM) of that certificate'),
  controller_nats_monitors: Type.String({
    default: '',
    description:
      'http URLs, with commas, of their monitors: they tell whether the servers sync what they acknowledge; a start is refused where they do not'
  }),
  controller_url: Type.Optional(
    Type.String({
      pattern: '^https?://[^/@?#]+$',
      'x-expected': 'a URL without a path, such as https://zeek1.example.com:2149',
      maxLength: 512,
      description:
        'URL at which the other controllers reach this one; default: the address at which it listens for clients'
    })
  ),
  controller_url_ca: File(
    'authorities (PEM) of the certificates that the other controllers show; default: those of controller_tls_ca, else controller_authority_cert, else those that Node knows'
  ),
  controller_lease: Seconds({
    default: 3,
    minimum: 1,
    maximum: 600,
    description: 'seconds that the controller which leads may be silent until another one takes its place'
  })
}

/** What a process needs to know to be one of several controllers. */
export interface ReplicaConfig {
  self: string
  url: string
  /** Path of the authorities of the other controllers' certificates. */
  ca: string | undefined
  leaseMs: number
  nats: {
    name: string
    servers: string[]
    copies: number
    monitors: string[]
    credentialsFile?: string
    tls?: { ca?: string; cert?: string; key?: string }
  }
}

type Settings = Static<TObject<typeof replicationSettings>> & {
  controller_name: string
  controller_websocket_addr: string
  controller_websocket_port: number
  controller_tls_cert?: string
  controller_tls_ca?: string
  controller_authority_cert?: string
  controller_tls_by_proxy: boolean
}

/**
 * Returns what the settings say of several controllers; undefined for a controller that is alone. Throws an AppError
 * that names the setting.
 */
export function replicaConfigOf(settings: Settings): ReplicaConfig | undefined {
  const { controller_nats: nats, controller_nats_tls_cert: cert, controller_nats_tls_key: key } = settings
  if (nats === undefined) return undefined
  if ((cert === undefined) !== (key === undefined)) {
    throw new AppError('invalid_request', 'ZEEK_CONTROLLER_NATS_TLS_CERT and _TLS_KEY need each other')
  }
  const tls = defined({ ca: settings.controller_nats_tls_ca, cert, key })
  return {
    self: settings.controller_name,
    url: settings.controller_url === undefined ? ownUrl(settings) : secure(settings.controller_url),
    ca: settings.controller_url_ca ?? settings.controller_tls_ca ?? settings.controller_authority_cert,
    leaseMs: settings.controller_lease * 1000,
    nats: {
      name: settings.controller_nats_name,
      servers: urlsOf(nats, 'controller_nats', /^(nats|tls):$/, 'nats://'),
      copies: settings.controller_nats_replicas,
      monitors: urlsOf(settings.controller_nats_monitors, 'controller_nats_monitors', /^https?:$/, 'http://'),
      ...defined({ credentialsFile: settings.controller_nats_credentials }),
      ...(Object.keys(tls).length > 0 && { tls })
    }
  }
}

/** Returns a URL. Throws when what is forwarded there could be read on its way. */
function secure(url: string): string {
  if (!isInClear(url)) return url
  throw new AppError('invalid_request', `ZEEK_CONTROLLER_URL is ${url}: tokens could be read on their way; use https`)
}

/** Returns the URL at which a controller listens. Throws when others cannot know it. */
function ownUrl(settings: Settings): string {
  const { controller_websocket_addr: addr, controller_websocket_port: port } = settings
  if (reachableAt(addr) !== addr || settings.controller_tls_by_proxy) {
    const why = settings.controller_tls_by_proxy ? 'behind a proxy' : `at ${addr}`
    throw new AppError(
      'invalid_request',
      `ZEEK_CONTROLLER_URL is needed with ZEEK_CONTROLLER_NATS: the other controllers cannot know how to reach one ${why}`
    )
  }
  return `http${settings.controller_tls_cert === undefined ? '' : 's'}://${hostPort(addr, port)}`
}

/** Returns the URLs of a list with commas; where one has no scheme it gets the usual one. */
function urlsOf(list: string, setting: string, schemes: RegExp, usual: string): string[] {
  return list
    .split(',')
    .map(text => text.trim())
    .filter(text => text !== '')
    .map(text => {
      const whole = text.includes('://') ? text : usual + text
      if (schemes.test(URL.parse(whole)?.protocol ?? '')) return whole
      // It may hold a password.
      throw new AppError(
        'invalid_request',
        `${environmentName(setting)} has a URL that is none, or of another protocol than ${usual}`
      )
    })
}

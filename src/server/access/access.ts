import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { agentPath } from '../../../schemas/agent.js'
import { bearerOf, Certificates } from '../../security/certificates.js'
import { AppError, messageOf } from '../../errors.js'
import { dial, fromAgent, type WebSocketTransport } from '../../link/websocket.js'
import type { Store } from '../../store/store.js'
import { SharedSecret } from '../../store/shared-secret.js'
import { JoinTokenTable } from '../../store/joins.js'
import { TokenTable } from '../../store/tokens.js'
import { bootstrapToken, createToken } from '../../security/token.js'
import { hostOf, isLoopback, writeFileAtomically } from '../../util.js'
import type { Audit } from '../../requests/audit.js'
import type { ControllerSettings } from '../../controller/config.js'
import { Forwarded } from './forwarded.js'
import { Guard } from './guard.js'
import { Keyring } from './keyring.js'
import { Limits } from './limits.js'
import { namesOf, networksOf, OriginPolicy } from './origin-policy.js'
import { Tickets } from './tickets.js'
import { Tokens, type WriteAudited } from './tokens.js'

/** How clients and agents get access to the controller, and how it dials agents. */
export interface Access {
  certificates: Certificates | undefined
  site: OriginPolicy
  limits: Limits
  guard: Guard
  tokens: Tokens
  audit: Audit
  /**
   * Returns the header with which a request, or what it needs of another path, is asked of the controller that leads:
   * it says who has asked.
   */
  signForwarded(request: IncomingMessage, path?: string): string
  /**
   * Opens a link to an agent that is dialled: over TLS if the controller has certificates, and then only to the agent
   * of that name. `serial`: the number of the certificate that it has shown.
   */
  dialAgent(
    name: string,
    address: string,
    signal: AbortSignal
  ): Promise<{ transport: WebSocketTransport; serial?: string | undefined }>
  /** Stores the tokens that the settings ask for. Throws an AppError that names the setting. Call it once it leads. */
  open(): Promise<void>
  close(): void
}

/** An agent that runs with the controller. */
export interface OwnAgent {
  name: string
  tokenFile: string
}

export interface AccessOptions {
  settings: ControllerSettings
  store: Store
  audit: Audit
  write: WriteAudited
  /** Called when another process has changed the store. */
  onChange: () => void
  /** Returns milliseconds since 1970. */
  now: () => number
  agent?: OwnAgent | undefined
}

/** Creates the access control of the settings. Throws an AppError that names the setting. */
export function createAccess({ settings, store, audit, write, onChange, now, agent }: AccessOptions): Access {
  const certificates = Certificates.of('controller', settings)
  const names = namesOf(settings.controller_hosts)
  const secret = new SharedSecret(store)
  const forwarded = new Forwarded(() => secret.text, now)
  const isOutside = !isLoopback(settings.controller_websocket_addr)
  const site = new OriginPolicy({
    // A foreign page can have a name point here, but not an address: addresses are safe to allow.
    isNamed: host => names.includes(host) || certificates?.isFor(host) === true || (isOutside && isIP(host) !== 0),
    isSecure: certificates !== undefined || settings.controller_tls_by_proxy,
    proxies: networksOf(settings.controller_trusted_proxies, 'ZEEK_CONTROLLER_TRUSTED_PROXIES'),
    forwarded
  })
  const limits = new Limits({
    rate: settings.controller_requests_rate_max,
    work: settings.controller_requests_work_max,
    streams: {
      total: settings.controller_events_streams_max,
      perClient: settings.controller_events_streams_per_client
    },
    messages: {
      total: settings.controller_messages_connections_max,
      perClient: settings.controller_messages_connections_per_client
    },
    connections: {
      total: settings.controller_connections_max,
      perClient: settings.controller_connections_per_address
    },
    now
  })
  const keyring = new Keyring(store, now, onChange)
  const guard = new Guard({
    authentication: settings.controller_authentication,
    keyring,
    tickets: new Tickets(limits.tickets, now),
    site,
    forwarded,
    limits,
    audit,
    sessionMs: settings.controller_session_lifetime * 1000,
    now
  })
  const tokens = new Tokens({
    table: new TokenTable(store),
    joins: new JoinTokenTable(store),
    fingerprint: () => {
      if (settings.controller_authority_cert !== undefined) return certificates?.fingerprint
      throw new AppError('conflict', 'no host can join: this controller has no authority (controller_authority)')
    },
    write,
    now,
    keyring: {
      add: token => keyring.add(token),
      drop: id => {
        keyring.drop(id)
        guard.sweep()
      }
    }
  })
  return {
    certificates,
    site,
    limits,
    guard,
    tokens,
    audit,
    signForwarded: (request, path = request.url!) => {
      // The number of a certificate counts at the agents' port only, where nothing is forwarded.
      const { serial: _own, ...bearer } = bearerOf(request) ?? {}
      return forwarded.sign(
        { method: request.method, url: path },
        { address: site.addressOf(request), ...('name' in bearer && { bearer }) }
      )
    },
    dialAgent: async (name, address, signal) => {
      if (!certificates) {
        refuseToDialInClear(name, hostOf(address))
        return { transport: await dial(`ws://${address}${agentPath}`, signal, { intake: fromAgent }) }
      }
      let serial: string | undefined
      const transport = await dial(`wss://${address}${agentPath}`, signal, {
        intake: fromAgent,
        tls: {
          ...certificates.options,
          checkServerIdentity: (_host, { subject: { O: role, CN: its }, serialNumber }) => {
            serial = serialNumber
            return role === 'agent' && its === name
              ? undefined
              : new Error(`the certificate is of ${role} ${its}, not of agent ${name}`)
          }
        }
      })
      return { transport, serial }
    },
    open: async () => {
      if (store.isReplica) await secret.open()
      await keepBootstrapToken(settings, store, now())
      if (agent) await giveToken(agent, store, now())
      keyring.reload()
    },
    close: () => guard.close()
  }
}

/** Throws `forbidden` when an agent at an address would be dialled in clear over a network. */
function refuseToDialInClear(name: string, address: string): void {
  if (isLoopback(address)) return
  const why = 'whoever answers would get its configuration, with its secrets'
  throw new AppError(
    'forbidden',
    `instance ${name} at ${address} is not dialled in clear: ${why}; set ZEEK_CONTROLLER_TLS_CERT and ZEEK_CONTROLLER_TLS_KEY`
  )
}

/** Stores the bootstrap token, which the user has made for the first admin. */
async function keepBootstrapToken(
  { controller_bootstrap_token_file: file }: ControllerSettings,
  store: Store,
  now: number
): Promise<void> {
  const table = new TokenTable(store)
  // After the first start the file may be deleted, and should be.
  if (file === undefined || table.hasHadFirst) return
  try {
    const token = bootstrapToken((await readFile(file, 'utf8')).trim(), now)
    await store.write('synced', () => table.insertFirst(token))
  } catch (error) {
    throw new AppError('invalid_request', `ZEEK_CONTROLLER_BOOTSTRAP_TOKEN_FILE: ${file}: ${messageOf(error)}`, {
      cause: error
    })
  }
}

/**
 * Gives the agent a new token at each start, so that no unused one is left. A user who can read its file can read the
 * database, too.
 */
async function giveToken({ name, tokenFile }: OwnAgent, store: Store, now: number): Promise<void> {
  const { kept, text } = createToken({ name, role: 'agent', now })
  await store.write('synced', () => new TokenTable(store).replaceOwnAgents(kept))
  await writeFileAtomically(tokenFile, `${text}\n`).catch(error => {
    throw new AppError('unavailable', `the agent's token: ${messageOf(error)}`, { cause: error })
  })
}

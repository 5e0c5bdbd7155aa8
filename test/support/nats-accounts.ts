import { nkeys } from '@nats-io/transport-node'

type KeyPair = ReturnType<typeof nkeys.createUser>

/** Returns a JWT as NATS has them, signed by an issuer. */
function jwt(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const part = (value: object | Uint8Array) =>
    Buffer.from(value instanceof Uint8Array ? value : JSON.stringify(value)).toString('base64url')
  const body = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name,
    nats: { version: 2, ...nats }
  })}`
  return `${body}.${part(issuer.sign(Buffer.from(body)))}`
}

const [all, none] = [-1, 0]
const limits = {
  ...{ subs: all, data: all, payload: all, conn: all, leaf: none, imports: all, exports: all, wildcards: true },
  ...{ mem_storage: all, disk_storage: all, streams: all, consumer: all }
}

/** An account whose users have credentials: lines for the configuration of servers, and what makes credentials. */
export function createAccount(): { config: string; credentials(options?: { isForeign?: boolean }): string } {
  const [operator, system, account] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()]
  const preload = [
    `${system.getPublicKey()}: ${jwt(operator, system, 'system', { type: 'account' })}`,
    `${account.getPublicKey()}: ${jwt(operator, account, 'zeek', { type: 'account', limits })}`
  ]
  return {
    config: [
      `operator: ${jwt(operator, operator, 'operator', { type: 'operator' })}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: { ${preload.join(', ')} }`
    ].join('\n'),
    credentials: ({ isForeign = false } = {}) => {
      const user = nkeys.createUser()
      const issuer = isForeign ? nkeys.createAccount() : account
      const token = jwt(issuer, user, 'replica', { type: 'user', subs: all, data: all, payload: all })
      const seed = new TextDecoder().decode(user.getSeed())
      return [
        '-----BEGIN NATS USER JWT-----',
        token,
        '------END NATS USER JWT------',
        '',
        '-----BEGIN USER NKEY SEED-----',
        seed,
        '------END USER NKEY SEED------',
        ''
      ].join('\n')
    }
  }
}

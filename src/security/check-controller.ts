import { checkServerIdentity, type PeerCertificate } from 'node:tls'

/**
 * Checks the certificate of a controller that is dialled, as `tls.checkServerIdentity` does, and that it is no agent's:
 * agents may have certificates of the same authority, and one without names of hosts is taken for its common name.
 */
export function checkController(host: string, certificate: PeerCertificate): Error | undefined {
  const roles: unknown[] = [certificate.subject?.O].flat()
  return roles.includes('agent')
    ? new Error(`the certificate is of agent ${certificate.subject.CN}, not of a controller`)
    : checkServerIdentity(host, certificate)
}

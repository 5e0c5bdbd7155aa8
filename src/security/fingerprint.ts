import { createHash, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'

/** The form of a fingerprint, as OpenSSH writes those of keys. */
export const fingerprintPattern = '^SHA256:[A-Za-z0-9+/]{43}$'

/**
 * Returns the fingerprint of a public key: SHA-256 of its SubjectPublicKeyInfo (RFC 7469), so that a new certificate
 * for the same key has the same.
 */
export function fingerprintOf(key: KeyObject): string {
  const digest = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64')
  return `SHA256:${digest.replace(/=+$/, '')}`
}

/** Returns the fingerprint of the key of a certificate (PEM or DER). */
export const fingerprintOfCertificate = (certificate: string | Buffer): string =>
  fingerprintOf(new X509Certificate(certificate).publicKey)

/** Returns the fingerprint of the public half of a private key (PEM). */
export const fingerprintOfKey = (key: string): string => fingerprintOf(createPublicKey(key))

/** Returns the certificates of a PEM text, in their order. */
export function certificatesIn(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? []
}

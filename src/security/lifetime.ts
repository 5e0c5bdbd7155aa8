import type { X509Certificate } from 'node:crypto'

/** How long before it is made a certificate is good, in milliseconds: clocks of hosts differ. */
export const backdatedMs = 300_000

/** Returns when a certificate ends; milliseconds since 1970. */
export const endOf = ({ validTo }: Pick<X509Certificate, 'validTo'>): number => Date.parse(validTo)

/** Returns from when on a certificate that a controller has made is to be renewed: after two thirds of its time. */
export function renewalOf(certificate: Pick<X509Certificate, 'validFrom' | 'validTo'>): number {
  const end = endOf(certificate)
  return end - (end - Date.parse(certificate.validFrom) - backdatedMs) / 3
}

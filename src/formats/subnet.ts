import { isIPv4, isIPv6 } from 'node:net'

/** Returns a subnet in CIDR notation as it is written in Zeek: `10.0.0.0/8`, `[2001:db8::]/32`; undefined for none. */
export function subnetOf(prefix: string): string | undefined {
  const [, address = '', length] = /^([0-9A-Fa-f.:]{1,45})\/(\d{1,3})$/.exec(prefix) ?? []
  if (isIPv4(address) && Number(length) <= 32) return `${address}/${Number(length)}`
  if (isIPv6(address) && Number(length) <= 128) return `[${address.toLowerCase()}]/${Number(length)}`
  return undefined
}

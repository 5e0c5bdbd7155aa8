/** Returns the command that is run on a host for it to join. */
export const commandFor = (urls: readonly string[], token: string, fingerprint: string): string =>
  `zeek-cluster join ${urls.join(',')} --token ${token} --fingerprint ${fingerprint}`

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Issued {
  cert: string
  key: string
}

export interface Authority {
  /** The path of its own certificate. */
  ca: string
  /** Makes a certificate in the form of ours (O is the role, CN the name) and returns the paths of it and its key. */
  issue(role: string, name: string, options?: { names?: string; days?: number; units?: readonly string[] }): Issued
}

export const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] })

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Makes a key, and a certificate for it that it has signed itself, good for a day. */
export function selfSign(subject: string, { cert, key }: Issued): void {
  openssl('req', '-x509', ...newKey, '-days', '1', '-subj', subject, '-keyout', key, '-out', cert)
}

/** Makes a key, and a request for a certificate for it. */
export function requestCertificate(subject: string, { key, request }: { key: string; request: string }): void {
  openssl('req', ...newKey, '-subj', subject, '-keyout', key, '-out', request)
}

let last = 0

/** A certificate authority in a directory, for one test. */
export function createAuthority(directory: string, name = 'ca'): Authority {
  const path = (file: string) => join(directory, file)
  const [ca, caKey] = [path(`${name}.pem`), path(`${name}.key`)]
  selfSign(`/CN=${name}`, { cert: ca, key: caKey })
  return {
    ca,
    issue: (role, subject, { names = 'IP:127.0.0.1,DNS:localhost', days = 1, units = [] } = {}) => {
      const it = `${subject}-${++last}`
      const [cert, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map(ending => path(`${it}.${ending}`)) as [
        string,
        string,
        string,
        string
      ]
      const more = units.map(unit => `/OU=${unit}`).join('')
      requestCertificate(`/O=${role}${more}/CN=${subject}`, { key, request })
      writeFileSync(extensions, `subjectAltName=${names}\n`)
      openssl(
        'x509',
        '-req',
        '-in',
        request,
        '-CA',
        ca,
        '-CAkey',
        caKey,
        '-set_serial',
        String(Date.now() + last),
        '-days',
        String(days),
        '-extfile',
        extensions,
        '-out',
        cert
      )
      return { cert, key }
    }
  }
}

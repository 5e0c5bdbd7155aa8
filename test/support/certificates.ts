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
  issue(role: string, name: string, options?: { names?: string; days?: number }): Issued
}

const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] })

let last = 0

/** A certificate authority in a directory, for one test. */
export function createAuthority(directory: string, name = 'ca'): Authority {
  const path = (file: string) => join(directory, file)
  const [ca, caKey] = [path(`${name}.pem`), path(`${name}.key`)]
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '1',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    caKey,
    '-out',
    ca
  )
  return {
    ca,
    issue: (role, subject, { names = 'IP:127.0.0.1,DNS:localhost', days = 1 } = {}) => {
      const it = `${subject}-${++last}`
      const [cert, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map(ending => path(`${it}.${ending}`)) as [
        string,
        string,
        string,
        string
      ]
      openssl(
        'req',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-subj',
        `/O=${role}/CN=${subject}`,
        '-keyout',
        key,
        '-out',
        request
      )
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

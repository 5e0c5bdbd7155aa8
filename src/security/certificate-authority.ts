import 'reflect-metadata'
import { createPrivateKey, createPublicKey, KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate as DecodedCertificate,
  X509CertificateGenerator,
  type Extension
} from '@peculiar/x509'
import { AppError, messageOf } from '../errors.js'
import { certificatesIn, fingerprintOf } from './fingerprint.js'
import { backdatedMs } from './lifetime.js'

// Loaded only where certificates are made: the library takes a fifth of a second.

const { subtle } = webcrypto
const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

const authorityMs = 3650 * 86_400_000
/** The longest request for a certificate: one of ours has 350 characters. */
export const requestMax = 2048

/** Whom a certificate is for; as in Kubernetes, the organization (O) is the role, the common name (CN) the name. */
export interface Subject {
  role: string
  name: string
}

export interface IssueOptions {
  /** PEM, SubjectPublicKeyInfo. */
  publicKey: string
  subject: Subject
  /** Host names and addresses that it is good for. */
  names?: readonly string[]
  lifetimeMs: number
  now: number
}

export interface IssuedCertificate {
  /** PEM. */
  certificate: string
  /** As Node writes that of a peer: hexadecimal digits in upper case. */
  serial: string
  /** Milliseconds since 1970. */
  expires: number
}

/** Makes certificates for others, with a key and a certificate of its own. */
export class CertificateAuthority {
  /** Its own certificate, PEM. */
  readonly certificate: string
  readonly fingerprint: string
  #own: DecodedCertificate
  #key: webcrypto.CryptoKey

  private constructor(certificate: string, key: webcrypto.CryptoKey) {
    this.certificate = certificate
    this.fingerprint = fingerprintOf(new X509Certificate(certificate).publicKey)
    this.#own = new DecodedCertificate(certificate)
    this.#key = key
  }

  /** Returns the key and the certificate of a new authority, in one text (PEM). */
  static async create(name: string, now: number): Promise<string> {
    const keys = (await subtle.generateKey(ecdsa, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerial(),
      name: [{ CN: [name] }],
      notBefore: wholeSecond(now - backdatedMs),
      notAfter: wholeSecond(now + authorityMs),
      keys: keys as never,
      signingAlgorithm: ecdsa,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey as never)
      ]
    })
    return textOf(keys.privateKey) + `${certificate.toString('pem')}\n`
  }

  /** Throws `invalid_request` for what is no authority, or not its key. */
  static async read(certificateText: string, keyText: string): Promise<CertificateAuthority> {
    const [certificate] = certificatesIn(certificateText)
    if (certificate === undefined) throw new AppError('invalid_request', 'it holds no certificate (PEM)')
    const own = new X509Certificate(certificate)
    if (!own.ca) throw new AppError('invalid_request', 'it is not the certificate of an authority (CA:TRUE)')
    let key: KeyObject
    try {
      key = createPrivateKey(keyText)
    } catch (error) {
      throw new AppError('invalid_request', `its key: ${messageOf(error)}`, { cause: error })
    }
    if (!own.checkPrivateKey(key)) throw new AppError('invalid_request', 'the key is not that of its certificate')
    return new CertificateAuthority(certificate, await importKey(key))
  }

  /**
   * Makes a certificate. Nothing is in it but what is given here. It is not good for longer than the authority's own.
   */
  async issue({ publicKey, subject, names = [], lifetimeMs, now }: IssueOptions): Promise<IssuedCertificate> {
    const serial = newSerial()
    const end = wholeSecond(Math.min(now + lifetimeMs, this.#own.notAfter.getTime()))
    const der = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
    const key = await subtle.importKey('spki', der, ecdsa, true, ['verify'])
    const extensions: Extension[] = [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth]),
      await SubjectKeyIdentifierExtension.create(key as never),
      await AuthorityKeyIdentifierExtension.create(this.#own.publicKey)
    ]
    if (names.length > 0) {
      extensions.push(
        new SubjectAlternativeNameExtension(
          names.map(value => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }))
        )
      )
    }
    const certificate = await X509CertificateGenerator.create({
      serialNumber: serial,
      subject: [{ O: [subject.role] }, { CN: [subject.name] }],
      issuer: this.#own.subjectName,
      notBefore: wholeSecond(now - backdatedMs),
      notAfter: end,
      publicKey: key as never,
      signingKey: this.#key as never,
      signingAlgorithm: { ...this.#key.algorithm, hash: 'SHA-256' } as never,
      extensions
    })
    return { certificate: `${certificate.toString('pem')}\n`, serial: serial.toUpperCase(), expires: end.getTime() }
  }
}

/** Returns a new private key (PEM): ECDSA, on P-256. */
export async function createKey(): Promise<string> {
  const { privateKey } = (await subtle.generateKey(ecdsa, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  return textOf(privateKey)
}

/** Returns the public half of a private key. Both are PEM. */
export const publicKeyOf = (key: string): string => String(createPublicKey(key).export({ type: 'spki', format: 'pem' }))

/** Returns a request for a certificate for this private key. Both are PEM. */
export async function createRequest(key: string): Promise<string> {
  const privateKey = createPrivateKey(key)
  const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys: {
      privateKey: await importKey(privateKey),
      publicKey: await subtle.importKey('spki', der, ecdsa, true, ['verify'])
    } as never,
    signingAlgorithm: ecdsa
  })
  return `${request.toString('pem')}\n`
}

/**
 * Returns the public key (PEM) of a request for a certificate, and its fingerprint, once the request has shown that its
 * sender has the private one. What else is in it is ignored. Throws `invalid_request`.
 */
export async function readRequest(text: string): Promise<{ publicKey: string; fingerprint: string }> {
  const refuse = (why: string, cause?: unknown) =>
    new AppError('invalid_request', `the certificate request ${why}`, { cause })
  if (text.length > requestMax) throw refuse(`has more than ${requestMax} characters`)
  let key: KeyObject
  let isSigned: boolean
  try {
    const request = new Pkcs10CertificateRequest(text)
    key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), type: 'spki', format: 'der' })
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
      throw refuse('is for another kind of key: ECDSA on P-256 is taken')
    }
    // A point can be written in several ways, and a key is to have one fingerprint.
    key = createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' })
    isSigned = await request.verify()
  } catch (error) {
    throw error instanceof AppError ? error : refuse('cannot be read', error)
  }
  if (!isSigned) throw refuse('is not signed with its own key')
  return { publicKey: String(key.export({ type: 'spki', format: 'pem' })), fingerprint: fingerprintOf(key) }
}

/** Returns a number that nobody can guess; positive, and as long for all. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes.toString('hex')
}

/** Certificates know no milliseconds. */
const wholeSecond = (ms: number) => new Date(Math.floor(ms / 1000) * 1000)

const textOf = (key: webcrypto.CryptoKey) => String(KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }))

/** Throws `invalid_request` for a kind of key that cannot sign here. */
async function importKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const der = key.export({ type: 'pkcs8', format: 'der' })
  const curve = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }[
    key.asymmetricKeyDetails?.namedCurve ?? ''
  ]
  if (curve !== undefined) {
    return await subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: curve }, true, ['sign'])
  }
  if (key.asymmetricKeyType === 'rsa') {
    return await subtle.importKey('pkcs8', der, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, true, ['sign'])
  }
  throw new AppError(
    'invalid_request',
    `its key is neither ECDSA on a NIST curve nor RSA, but ${key.asymmetricKeyType}`
  )
}

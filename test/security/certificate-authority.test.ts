import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  CertificateAuthority,
  createKey,
  createRequest,
  publicKeyOf,
  readRequest
} from '../../src/security/certificate-authority.js'
import { certificatesIn, fingerprintOfCertificate, fingerprintOfKey } from '../../src/security/fingerprint.js'
import { openssl, selfSign } from '../support/certificates.js'
import { directoryOf } from '../support/directory.js'

const hour = 3_600_000
/** What OpenSSL takes after -newkey. */
const rsa = ['rsa:2048']
const p384 = ['ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1']
const refused = (message: RegExp) => ({ code: 'invalid_request', message })

async function authorityFor() {
  const text = await CertificateAuthority.create('zeek-cluster', Date.now())
  return { text, authority: await CertificateAuthority.read(text, text) }
}

await t.test('what an authority issues OpenSSL takes for what it says, and for nothing else', async t => {
  const directory = directoryOf(t)
  const { text, authority } = await authorityFor()
  const key = await createKey()
  const { publicKey, fingerprint } = await readRequest(await createRequest(key))
  t.equal(fingerprint, fingerprintOfKey(key))
  const now = Date.now()
  const { certificate, serial, expires } = await authority.issue({
    publicKey,
    subject: { role: 'agent', name: 'sensor-1' },
    names: ['sensor-1.example.org', '192.0.2.7', '::1'],
    lifetimeMs: hour,
    now
  })
  const [ca, its] = [join(directory, 'ca.pem'), join(directory, 'it.pem')]
  writeFileSync(ca, certificatesIn(text)[0]!)
  writeFileSync(its, certificate)
  t.match(openssl('verify', '-x509_strict', '-CAfile', ca, its).toString(), /OK/)
  const read = new X509Certificate(certificate)
  t.equal(read.subject, 'O=agent\nCN=sensor-1')
  t.equal(read.serialNumber, serial)
  t.equal(Date.parse(read.validTo), expires)
  t.ok(expires <= now + hour && expires > now + hour - 1000)
  t.ok(Date.parse(read.validFrom) < now, 'a clock that is behind takes it, too')
  t.notOk(read.ca)
  t.ok(read.checkHost('sensor-1.example.org'))
  for (const address of ['192.0.2.7', '::1']) t.ok(read.checkIP(address), address)
  t.equal(fingerprintOfCertificate(certificate), fingerprint)
  const hash = execFileSync('sh', [
    '-c',
    `openssl x509 -in '${its}' -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64`
  ])
  t.equal(`SHA256:${hash.toString().trim().replace(/=+$/, '')}`, fingerprint, 'OpenSSL has the same fingerprint')
})

await t.test('a certificate does not outlive its authority', async t => {
  const { authority } = await authorityFor()
  const { expires } = await authority.issue({
    publicKey: publicKeyOf(await createKey()),
    subject: { role: 'agent', name: 'a' },
    lifetimeMs: 100 * 365 * 24 * hour,
    now: Date.now()
  })
  t.equal(expires, Date.parse(new X509Certificate(authority.certificate).validTo))
})

await t.test("an authority of one's own may have a key of another kind", async t => {
  const directory = directoryOf(t)
  for (const [kind, options] of Object.entries({ rsa, p384 })) {
    const [cert, key] = [join(directory, `${kind}.pem`), join(directory, `${kind}.key`)]
    openssl('req', '-x509', '-nodes', '-subj', '/CN=own', '-keyout', key, '-out', cert, '-newkey', ...options)
    const authority = await CertificateAuthority.read(readFileSync(cert, 'utf8'), readFileSync(key, 'utf8'))
    const { certificate } = await authority.issue({
      publicKey: publicKeyOf(await createKey()),
      subject: { role: 'agent', name: 'a' },
      lifetimeMs: hour,
      now: Date.now()
    })
    writeFileSync(join(directory, 'it.pem'), certificate)
    t.match(openssl('verify', '-CAfile', cert, join(directory, 'it.pem')).toString(), /OK/, kind)
  }
})

await t.test('what is no authority, or not with its key, is refused', async t => {
  const directory = directoryOf(t)
  const { text, authority } = await authorityFor()
  const key = await createKey()
  const { certificate } = await authority.issue({
    publicKey: publicKeyOf(key),
    subject: { role: 'agent', name: 'a' },
    lifetimeMs: hour,
    now: Date.now()
  })
  await t.rejects(CertificateAuthority.read(certificate, key), refused(/not the certificate of an authority/))
  await t.rejects(CertificateAuthority.read(text, key), refused(/the key is not that of its certificate/))
  await t.rejects(CertificateAuthority.read('nonsense', key), refused(/holds no certificate/))
  await t.rejects(CertificateAuthority.read(text, 'nonsense'), refused(/its key/))
  const ed = { cert: join(directory, 'ed.pem'), key: join(directory, 'ed.key') }
  openssl('req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=own', '-keyout', ed.key, '-out', ed.cert)
  await t.rejects(
    CertificateAuthority.read(readFileSync(ed.cert, 'utf8'), readFileSync(ed.key, 'utf8')),
    refused(/neither ECDSA on a NIST curve nor RSA/)
  )
})

await t.test(
  'a request is refused that is broken, too large, of another kind of key, or not signed with it',
  async t => {
    const directory = directoryOf(t)
    const good = await createRequest(await createKey())
    await t.rejects(readRequest('nonsense'), refused(/cannot be read/))
    await t.rejects(readRequest(good.slice(0, 120)), refused(/cannot be read/))
    await t.rejects(readRequest(good.repeat(10)), refused(/more than 2048 characters/))
    await t.rejects(readRequest((await authorityFor()).text), refused(/cannot be read/))
    const der = Buffer.from(good.replace(/-----.*-----|\s/g, ''), 'base64')
    for (let at = 0; at < der.length; at += 5) {
      const broken = Buffer.from(der)
      broken[at]! ^= 0xff
      const text = `-----BEGIN CERTIFICATE REQUEST-----\n${broken.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
      await t.rejects(readRequest(text), { code: 'invalid_request' }, `byte ${at}`)
    }
    for (const [kind, options] of Object.entries({ rsa, p384, ed25519: ['ed25519'] })) {
      const path = join(directory, `${kind}.csr`)
      openssl('req', '-nodes', '-subj', '/CN=x', '-keyout', join(directory, 'key'), '-out', path, '-newkey', ...options)
      await t.rejects(readRequest(readFileSync(path, 'utf8')), refused(/another kind of key/), kind)
    }
  }
)

await t.test('a request that OpenSSL has made is taken, whatever else it asks for', async t => {
  const directory = directoryOf(t)
  const [key, path] = [join(directory, 'key'), join(directory, 'csr')]
  openssl(
    ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', path],
    ...['-subj', '/O=admin/CN=root', '-addext', 'subjectAltName=DNS:controller', '-addext', 'basicConstraints=CA:TRUE']
  )
  const { publicKey, fingerprint } = await readRequest(readFileSync(path, 'utf8'))
  t.equal(fingerprint, fingerprintOfKey(readFileSync(key, 'utf8')))
  const { authority } = await authorityFor()
  const { certificate } = await authority.issue({
    publicKey,
    subject: { role: 'agent', name: 'a' },
    lifetimeMs: hour,
    now: Date.now()
  })
  const read = new X509Certificate(certificate)
  t.same([read.subject, read.ca, read.subjectAltName], ['O=agent\nCN=a', false, undefined])
})

await t.test('the fingerprint stays when a certificate is made anew for the same key', async t => {
  const directory = directoryOf(t)
  const files = { cert: join(directory, 'a.pem'), key: join(directory, 'a.key') }
  selfSign('/CN=a', files)
  const before = fingerprintOfCertificate(readFileSync(files.cert))
  openssl('req', '-x509', '-key', files.key, '-subj', '/CN=b', '-days', '1', '-out', files.cert)
  t.equal(fingerprintOfCertificate(readFileSync(files.cert)), before)
})

await t.test('a key has one fingerprint, however its point is written', async t => {
  const directory = directoryOf(t)
  const [key, other] = [join(directory, 'key'), join(directory, 'compressed')]
  const text = await createKey()
  writeFileSync(key, text)
  openssl('ec', '-in', key, '-conv_form', 'compressed', '-out', other)
  const request = openssl('req', '-new', '-key', other, '-subj', '/CN=x').toString()
  const { publicKey, fingerprint } = await readRequest(request)
  t.equal(fingerprint, fingerprintOfKey(text))
  t.equal(publicKey, publicKeyOf(text))
})

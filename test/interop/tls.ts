import { join } from 'node:path'
import type { Test } from 'tap'
import { createAuthority, type Issued } from '../support/certificates.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { ZeekClient, type Program } from './zeek-client.js'

/** Over TLS, with its own settings, zeek-client may do what the certificate that it shows says. */
export async function tls(t: Test, program: Program): Promise<void> {
  const directory = directoryOf(t)
  const authority = createAuthority(directory)
  const { cert, key } = authority.issue('controller', 'controller')
  const { url } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    'controller-tls-cert': cert,
    'controller-tls-key': key,
    'controller-tls-ca': authority.ca
  })
  const clientWith = (name: string, shown: Issued | undefined, { ca = authority.ca, attempts = 10 } = {}) =>
    new ZeekClient(
      t,
      program,
      { url, stateDir: () => join(directory, name) },
      `${program.tls} ssl.cafile=${ca}${shown ? ` ssl.certificate=${shown.cert} ssl.keyfile=${shown.key}` : ''} client.peering_attempts=${attempts}`
    )

  const operator = clientWith('operator', authority.issue('operator', 'ops'))
  t.same((await operator.must('get-instances')).json, {})
  t.match((await operator.run('deploy')).json, { errors: ['no configuration available to deploy'] })

  const viewer = clientWith('viewer', authority.issue('viewer', 'dash'))
  t.same((await viewer.must('get-instances')).json, {})
  t.match((await viewer.run('deploy')).json, { errors: ['dash is of role viewer: this needs operator'] })

  for (const client of [
    clientWith('nobody', undefined, { attempts: 1 }),
    clientWith('other', createAuthority(directory, 'other').issue('admin', 'mallory'), { attempts: 1 })
  ]) {
    const { exit, said } = await client.run('get-instances')
    t.equal(exit, 1)
    t.match(said, /error/)
  }
  t.equal(
    (
      await clientWith('wary', undefined, { ca: createAuthority(directory, 'wary').ca, attempts: 1 }).run(
        'get-instances'
      )
    ).exit,
    1,
    'it checks the controller'
  )
}

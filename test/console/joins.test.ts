import t from 'tap'
import { effectsOfJoin, waitingOf, type Join } from '../../console/model/joins.js'
import { tokenCommand } from '../../src/cli/offline-tokens.js'
import { connect } from '../../src/client/connection.js'
import { createKey, createRequest } from '../../src/security/certificate-authority.js'
import { fingerprintOfKey } from '../../src/security/fingerprint.js'
import { startBrowser } from '../support/browser.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { openContext, openTab, troubleOf } from './console.js'

const join: Join = {
  id: '5b0c3f1de9a2',
  name: 'sensor-1',
  status: 'pending',
  fingerprint: 'SHA256:x',
  address: '192.0.2.7',
  token: '9448e9c83643',
  created_at: '2026-11-22T14:48:56.123Z',
  expires_at: '2026-11-23T14:48:56.123Z'
}

await t.test('it is said what it means to accept or deny a host', async t => {
  t.same(waitingOf([join, { ...join, status: 'accepted' }]), [join])
  t.match(effectsOfJoin('accept', join).join(' '), /192\.0\.2\.7 becomes agent sensor-1.*Compare the fingerprint/)
  t.match(effectsOfJoin('deny', join).join(' '), /gets no certificate/)
})

await t.test('operators see who asks to join, and accept or deny', async t => {
  const directory = directoryOf(t)
  const make = (role: string) => tokenCommand(['create'], { role, name: role }, directory)
  const [operator, admin] = [await make('operator'), await make('admin')]
  const { url } = await startTestController(t, {
    'management-state-dir': directory,
    'controller-authentication': 'token',
    'controller-authority': 'own'
  })
  const tls = { rejectUnauthorized: false }
  const { data } = await (
    await connect({ urls: [url], token: admin, tls })
  ).POST('/v1/tokens', { body: { role: 'join', join: { uses: 2 } } })
  const api = await connect({ urls: [url], token: data!.token, tls })
  const ask = async (name: string, key: string) =>
    (await api.POST('/v1/joins', { body: { name, request: await createRequest(key) } })).data!
  const [one, other] = [await createKey(), await createKey()]
  for (const [name, key] of [
    ['sensor-1', one],
    ['sensor-2', other]
  ] as const) {
    t.match(await ask(name, key), { status: 'pending' })
  }
  const context = await openContext(t, await startBrowser(t), { ignoreHTTPSErrors: true })
  const page = await openTab(context, `${url}/hosts`)
  await page.getByLabel('Token').fill(operator)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('2 hosts wait').waitFor()
  await page.getByText(fingerprintOfKey(one)).waitFor()
  await page.getByRole('button', { name: 'Accept… sensor-1' }).click()
  const dialog = page.getByRole('dialog')
  t.equal(await dialog.getByText(fingerprintOfKey(one)).count(), 1, 'it is asked with the fingerprint')
  await dialog.getByRole('button', { name: 'Accept' }).click()
  await page.getByText('1 host waits').waitFor()
  t.match(await ask('sensor-1', one), { status: 'accepted', certificate: /BEGIN CERTIFICATE/ })
  await page.getByRole('button', { name: 'Deny… sensor-2' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Deny' }).click()
  await page.getByRole('heading', { name: 'Hosts that ask to join' }).waitFor({ state: 'detached' })
  await until(async () => (await ask('sensor-2', other)).status === 'denied', 'it is denied')
  t.same(troubleOf(page), [])
})

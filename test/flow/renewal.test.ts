import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, watch } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { standIn } from '../support/environment.js'
import { childrenOf } from '../support/running.js'
import { until } from '../support/until.js'
import { startController } from './joining.js'

/** What is in the file of an agent. Throws unless its key and its certificate belong together. */
function identityIn(directory: string, name: string): X509Certificate {
  const text = readFileSync(join(directory, name, 'identity.pem'), 'utf8')
  const certificate = new X509Certificate(text)
  if (!certificate.checkPrivateKey(createPrivateKey(text))) throw new Error('the key is not that of the certificate')
  return certificate
}

await t.test('agent and controller renew their certificates, and the link is not lost', async t => {
  const { api, directory, state, tokenFor, joinAs, startAgent, connected, instance } = await startController(t, {
    'controller-certificate-lifetime': '24'
  })
  t.match(await joinAs('sensor-1', (await tokenFor({ accept: true })).token).ended, { code: 0 })
  const first = identityIn(directory, 'sensor-1')
  const controllers = new X509Certificate(readFileSync(join(state, 'controller.pem')))
  startAgent('sensor-1')
  await connected('sensor-1')
  let before = first
  for (const round of [1, 2]) {
    const now = await until(() => {
      const now = identityIn(directory, 'sensor-1')
      return now.serialNumber !== before.serialNumber && now
    }, `it has renewed its certificate ${round} times`)
    t.notOk(now.publicKey.equals(before.publicKey), 'with another key')
    t.ok(Date.parse(now.validTo) > Date.parse(before.validTo))
    before = now
  }
  // Beyond the end of the certificate with which its first link was opened.
  await until(() => Date.now() > Date.parse(first.validTo) + 1000, 'the first one has ended')
  t.ok((await instance('sensor-1'))?.connected)
  t.ok(Date.parse((await instance('sensor-1'))!.certificate_expires_at!) >= Date.parse(before.validTo))
  const { data } = await api.GET('/v1/events/history', { params: { query: { types: ['notify_agent_lost'] } } })
  t.same(data!.events, [])
  t.not(new X509Certificate(readFileSync(join(state, 'controller.pem'))).serialNumber, controllers.serialNumber)
})

await t.test(
  'an agent that is killed while it writes its new certificate has the old one whole, and renews it',
  async t => {
    const { directory, tokenFor, joinAs, startAgent, connected } = await startController(t, {
      'controller-certificate-lifetime': '36'
    })
    t.match(await joinAs('sensor-1', (await tokenFor({ accept: true })).token).ended, { code: 0 })
    const first = identityIn(directory, 'sensor-1')
    const supervisor = startAgent('sensor-1', { 'management-restart-delay-max': '0.1' })
    const killed = new Promise<X509Certificate>(resolve => {
      const watcher = watch(join(directory, 'sensor-1'), (_event, file) => {
        if (!/^identity\.pem\..*\.tmp$/.test(String(file))) return
        watcher.close()
        for (const agent of childrenOf(supervisor.pid!)) process.kill(agent, 'SIGKILL')
        resolve(identityIn(directory, 'sensor-1'))
      })
      t.teardown(() => watcher.close())
    })
    await connected('sensor-1')
    const left = await killed
    t.ok(left.raw.equals(first.raw) || Date.parse(left.validTo) > Date.parse(first.validTo))
    await until(() => !identityIn(directory, 'sensor-1').raw.equals(first.raw), 'the next one renews it')
    await connected('sensor-1')
  }
)

await t.test('whoever was away until the certificate has ended joins again', async t => {
  const { directory, tokenFor, joinAs, startAgent, connected, instance } = await startController(t, {
    // The agent has to be there before its second one ends.
    'controller-certificate-lifetime': '30'
  })
  t.match(await joinAs('sensor-1', (await tokenFor({ accept: true })).token).ended, { code: 0 })
  const first = identityIn(directory, 'sensor-1')
  await until(() => Date.now() > Date.parse(first.validTo), 'it has ended')
  t.equal(await instance('sensor-1'), undefined, 'it is no agent any more')
  t.match(await joinAs('sensor-1', (await tokenFor({ accept: true })).token).ended, { code: 0 })
  t.not(identityIn(directory, 'sensor-1').serialNumber, first.serialNumber)
  startAgent('sensor-1')
  await connected('sensor-1')
})

await t.test('an agent that is forgotten is one no more, until it joins anew', async t => {
  const { api, directory, tokenFor, joinAs, startAgent, connected, instance } = await startController(t)
  const { token } = await tokenFor({ accept: true })
  t.match(await joinAs('sensor-1', token).ended, { code: 0 })
  startAgent('sensor-1', { bin: standIn })
  await connected('sensor-1')
  const configuration = {
    id: 'c',
    instances: [{ name: 'sensor-1' }],
    nodes: [{ name: 'manager', instance: 'sensor-1', role: 'MANAGER' as const }]
  }
  const waiting = { header: { Prefer: 'wait=30' } } as object
  await api.POST('/v1/requests/stage_configuration', { params: waiting, body: { config: configuration } as never })
  await api.POST('/v1/requests/deploy', { params: waiting, body: {} as never })
  await until(
    async () =>
      (await api
        .GET('/v1/configurations/{state}', { params: { path: { state: 'deployed' } } })
        .catch(() => undefined)) !== undefined,
    'it is deployed'
  )
  const forget = (force?: true) =>
    api.DELETE('/v1/instances/{instance}', {
      params: { path: { instance: 'sensor-1' }, query: force === undefined ? {} : { force } }
    })
  await t.rejects(forget(), { code: 'conflict', message: /part of what is deployed, with 1 nodes/ })
  t.ok((await instance('sensor-1'))?.connected)
  const before = identityIn(directory, 'sensor-1')
  await forget(true)
  await until(async () => (await instance('sensor-1'))?.connected === false, 'its link has ended')
  const errors = async () =>
    (await api.GET('/v1/events/history', { params: { query: { types: ['notify_error'] } } })).data!.events
  await until(
    async () => /sensor-1 was forgotten/.test(JSON.stringify(await errors())),
    'it tries again, and is refused with the reason'
  )
  t.equal((await instance('sensor-1'))?.connected, false)
  t.equal((await instance('sensor-1'))?.certificate_expires_at, undefined)
  await t.rejects(forget(true), { code: 'not_found' })
  const { token: its } = await tokenFor({ accept: true, agent: 'sensor-1' })
  t.match(await joinAs('sensor-1', its, '--anew').ended, { code: 0 }, 'with a new key')
  t.not(identityIn(directory, 'sensor-1').serialNumber, before.serialNumber)
  await connected('sensor-1')
})

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { agentApiVersion } from '../../schemas/agent.js'
import { tarOf } from '../bundles/tar.js'
import { pushBundle } from '../support/bundles.js'
import { getJson } from '../support/client.js'
import { runCommand } from '../support/command.js'
import { directoryOf } from '../support/directory.js'
import { entriesOf, makeRelease } from '../support/release.js'
import { until } from '../support/until.js'
import { pushRelease, sensors, startFleet } from './launched-fleet.js'

await t.test('agents are upgraded, and their nodes go on', async t => {
  const { url, instance, pids, upgrade, upgradesOf } = await startFleet(t)
  const before = await pids()
  t.match(await instance('sensor-1'), {
    version: '1.0.0',
    api_version: agentApiVersion,
    platform: `${process.platform}-${process.arch}`
  })
  const two = await pushRelease(t, url, '2.0.0')
  const files = (name: string) => readdirSync(upgradesOf(name)).sort()

  await t.test('those with a label', async t => {
    const { state, results } = await upgrade(two, { labels: { name: 'sensor-2' } })
    t.equal(state, 'succeeded', JSON.stringify(results))
    t.match(results, [{ instance: 'sensor-2', success: true, data: { upgrade: { from: '1.0.0', to: '2.0.0' } } }])
    t.match([await instance('sensor-1'), await instance('sensor-2')], [{ version: '1.0.0' }, { version: '2.0.0' }])
    t.same(await pids(), before)
    await until(() => existsSync(join(upgradesOf('sensor-2'), 'current')), 'it is confirmed')
    t.same(files('sensor-2'), [two, 'current'].sort())
  })

  await t.test('all, of which one is that already', async t => {
    const { state, results } = await upgrade(two, { max_parallel: 2 })
    t.equal(state, 'succeeded', JSON.stringify(results))
    t.same(results.map(({ instance, data }) => [instance, data?.upgrade]).sort(), [
      ['sensor-1', { from: '1.0.0', to: '2.0.0' }],
      ['sensor-2', { from: '2.0.0', to: '2.0.0' }]
    ])
    t.same(await pids(), before)
  })

  await t.test('and again, from what they were upgraded to', async t => {
    const three = await pushRelease(t, url, '3.0.0')
    const { state, results } = await upgrade(three)
    t.equal(state, 'succeeded', JSON.stringify(results))
    t.same(await pids(), before)
    for (const name of sensors) {
      t.equal((await instance(name)).version, '3.0.0')
      await until(() => !existsSync(join(upgradesOf(name), two)), 'the release of before is removed')
      t.same(files(name), [three, 'current'].sort())
    }
  })
})

await t.test('an upgrade that fails leaves all as it was, and says why', async t => {
  const { url, instance, pids, upgrade, upgradesOf, settings } = await startFleet(t)
  const before = await pids()
  const fails = async (t: Test, bundle: string, why: RegExp) => {
    const { state, results } = await upgrade(bundle, { instances: ['sensor-1'] })
    t.equal(state, 'failed')
    t.match(results, [{ success: false, error: why }])
    t.equal((await instance('sensor-1')).version, '1.0.0')
    t.same(await pids(), before)
    t.notOk(existsSync(join(upgradesOf('sensor-1'), 'next')))
    t.notOk(existsSync(join(upgradesOf('sensor-1'), 'current')))
  }
  const said = (what: object) =>
    `${JSON.stringify({ version: '2.0.0', platform: 'linux-x64', agent_api_version: agentApiVersion, ...what })}\n`
  const home = makeRelease(join(directoryOf(t), 'release'), { version: '2.0.0' })
  const changed = async (changes: Record<string, string>) => await pushBundle(url, entriesOf(home, changes))
  const main = readFileSync(join(home, 'dist/src/main.js'), 'utf8')

  await t.test('it is no release', async t => {
    await fails(t, await pushBundle(url, [{ path: 'scripts/local.zeek', content: '' }]), /there is no program\/release/)
    await fails(t, await changed({ 'release.json': '{}' }), /is no release of zeek-cluster/)
    await fails(t, 'nothing', /there is no bundle nothing/)
  })
  await t.test('this controller could not speak with it', async t => {
    const bundle = await changed({ 'release.json': said({ agent_api_version: agentApiVersion + 2 }) })
    await fails(t, bundle, /version 2\.0\.0 speaks version \d+ of the agents' API, this controller not/)
  })
  await t.test('it is for other hosts', async t => {
    await fails(
      t,
      await changed({ 'release.json': said({ platform: 'linux-s390x' }) }),
      /the release is for linux-s390x/
    )
  })
  await t.test('it does not run', async t => {
    const node = '#!/bin/sh\necho "GLIBC_2.99 not found" >&2; exit 1\n'
    await fails(t, await changed({ 'bin/node': node }), /does not run here: GLIBC_2.99 not found/)
    await fails(t, await changed({ 'bin/node': '#!/no/such/file\n' }), /does not run here: .*ENOENT/)
  })
  await t.test('it is another one than it says', async t => {
    await fails(
      t,
      await changed({ 'release.json': said({ version: '2.0.1' }) }),
      /says that it is 2\.0\.1, and runs as 2\.0\.0/
    )
  })
  await t.test('it ends when it is started', async t => {
    const dying = main.replace(
      "if (command === 'start'",
      "if (command === 'start') process.exit(1)\n    if (command === 'start'"
    )
    t.not(dying, main)
    await fails(t, await changed({ 'dist/src/main.js': dying }), /it is 1\.0\.0 again: it ended before a controller/)
    t.match((await instance('sensor-1')).failed_upgrade, /it ended before/)
  })
  await t.test('its agent does not start', async t => {
    const bundle = await changed({ 'dist/src/agent/main.js': "throw new Error('no agent')\n" })
    await fails(t, bundle, /it is 1\.0\.0 again: sensor-1: /)
  })
  await t.test('no controller accepts it', async t => {
    const agent = readFileSync(join(home, 'dist/schemas/agent.js'), 'utf8')
    const speaking = agent.replace(/agentApiVersion = \d+/, 'agentApiVersion = 999')
    await fails(
      t,
      await changed({ 'dist/schemas/agent.js': speaking }),
      /it is 1\.0\.0 again: no controller has accepted it within 30 seconds/
    )
  })
  await t.test('it was damaged at the controller', async t => {
    const packs = join(settings.management_state_dir, 'bundles')
    const known = new Set(readdirSync(packs))
    const bundle = await changed({ 'src/zeek/zeek-cluster-intel.zeek': '# Another one.\n' })
    const pack = join(
      packs,
      readdirSync(packs).find(name => !known.has(name))!
    )
    const bytes = readFileSync(pack)
    bytes[100]! ^= 1
    writeFileSync(pack, bytes)
    await fails(t, bundle, /is damaged: .* has another content/)
  })
  await t.test('no other instance begins', async t => {
    const node = '#!/bin/sh\nexit 7\n'
    const { state, results } = await upgrade(await changed({ 'bin/node': node }))
    t.equal(state, 'failed')
    t.match(results, [
      { instance: 'sensor-1', success: false, error: /it ends with 7/ },
      { instance: 'sensor-2', success: false, error: 'not begun, since sensor-1 has failed' }
    ])
  })
  await t.test('and one that works is tried all the same', async t => {
    const { state, results } = await upgrade(await changed({}), { instances: ['sensor-1'] })
    t.equal(state, 'succeeded', JSON.stringify(results))
    t.equal((await instance('sensor-1')).failed_upgrade, undefined)
    t.same(await pids(), before)
  })
})

await t.test('the command uploads a release, upgrades, and shows who is on what', async t => {
  const { url } = await startFleet(t)
  const file = join(directoryOf(t), 'release.tar')
  writeFileSync(file, tarOf(...entriesOf(makeRelease(join(directoryOf(t), 'release'), { version: '2.0.0' }))))
  const command = async (...args: string[]) =>
    await runCommand(['upgrade', ...args], { env: { ZEEK_CLUSTER_URL: url }, columns: 100 })
  const done = await command(file, '--on', 'sensor-2')
  t.match(done, { code: 0, stdout: /sensor-2: 1\.0\.0 -> 2\.0\.0/ }, JSON.stringify(done))
  t.match(await command('--bundle', 'none'), { code: 1, stdout: /there is no bundle none/ })
  t.match(await command(file, '--bundle', 'none'), { code: 2 })
  const { code, stdout } = await command()
  t.equal(code, 0)
  t.match(stdout.split('\n')[1], /^sensor-1 +1\.0\.0 +\d+ +linux-\w+ +\S+ +- *$/)
  t.match(stdout.split('\n')[2], /^sensor-2 +2\.0\.0/)
  t.match(JSON.parse((await command('--json')).stdout), { instances: [{ version: '1.0.0' }, { version: '2.0.0' }] })
})

await t.test('while agents are upgraded, no other upgrade begins, and the bundle is kept', async t => {
  const { url, upgrade, instance } = await startFleet(t)
  const [two, three] = [await pushRelease(t, url, '2.0.0'), await pushRelease(t, url, '3.0.0')]
  const first = upgrade(two)
  const second = await upgrade(three)
  t.match(second.results, [{ success: false, error: `agents are being upgraded already, to bundle ${two}` }])
  t.same((await getJson(`${url}/v1/bundles/${two}`)).used_by, ['upgrade'])
  t.equal((await fetch(`${url}/v1/bundles/${two}`, { method: 'DELETE' })).status, 409)
  t.equal((await first).state, 'succeeded')
  for (const name of sensors) t.equal((await instance(name)).version, '2.0.0')
  t.same((await getJson(`${url}/v1/bundles/${two}`)).used_by, [])
})

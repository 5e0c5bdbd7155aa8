import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readRelease, Upgrades } from '../src/upgrades.js'
import { packageRoot } from '../src/util.js'
import { directoryOf } from './support/directory.js'
import { cleanEnv } from './support/environment.js'
import { writeExecutable } from './support/release.js'

const [first, second] = ['a'.repeat(64), 'b'.repeat(64)] as const

/** Makes an installation whose Node says where it is instead, and which what of its environment is about upgrades. */
function install(t: Test) {
  const [home, upgrades] = [join(directoryOf(t), 'installed here'), join(directoryOf(t), 'its upgrades')]
  const put = (place: string) => {
    mkdirSync(join(place, 'dist/src'), { recursive: true })
    mkdirSync(join(place, 'bin'))
    writeFileSync(join(place, 'dist/src/main.js'), '')
    writeExecutable(join(place, 'bin/node'), '#!/bin/sh\necho "$0|$ZEEK_CLUSTER_INSTALLED|$2|$3"\n')
  }
  put(home)
  cpSync(join(packageRoot, 'packaging/zeek-cluster'), join(home, 'bin/zeek-cluster'))
  chmodSync(join(home, 'bin/zeek-cluster'), 0o755)
  const setInstalled = (version: string) => writeFileSync(join(home, 'release.json'), `{"version":"${version}"}\n`)
  setInstalled('1')
  mkdirSync(upgrades, { mode: 0o700 })
  for (const id of [first, second]) put(join(upgrades, id, 'program'))
  const launch = (args: readonly string[] = ['start', '--agent'], env: NodeJS.ProcessEnv = {}, command = home) => {
    const { stdout, stderr, status } = spawnSync(join(command, 'bin/zeek-cluster'), args, {
      env: { ...cleanEnv, ZEEK_CLUSTER_UPGRADES: upgrades, ...env },
      encoding: 'utf8'
    })
    t.match({ stderr, status }, { stderr: '', status: 0 })
    const [node, installed, ...rest] = stdout.trim().split('|')
    const which = node === join(home, 'bin/node') ? 'installed' : node!.slice(upgrades.length + 1).split('/')[0]!
    return { which, installed, rest }
  }
  const mark = (file: string, id: string, over = '{"version":"1"}') =>
    writeFileSync(join(upgrades, file), `${id}\n${over}\n`)
  const marks = () => readdirSync(upgrades).filter(name => !/^[0-9a-f]{64}$/.test(name))
  return { home, upgrades, setInstalled, launch, mark, marks }
}

await t.test('the launcher', async t => {
  await t.test('runs what is installed, with all arguments', async t => {
    const { launch, home } = install(t)
    t.match(launch(['status', 'a b'], { ZEEK_CLUSTER_UPGRADES: undefined }), {
      which: 'installed',
      rest: ['status', 'a b']
    })
    t.match(launch(), { which: 'installed', installed: '{"version":"1"}', rest: ['start', '--agent'] })
    const link = directoryOf(t)
    mkdirSync(join(link, 'bin'))
    symlinkSync(join(home, 'bin/zeek-cluster'), join(link, 'bin/zeek-cluster'))
    t.equal(launch(['status'], {}, link).which, 'installed')
  })

  await t.test('tries what is next once, and goes back where it is not confirmed', async t => {
    const { launch, mark, marks, upgrades } = install(t)
    mark('current', first)
    t.equal(launch().which, first)
    mark('next', second)
    t.equal(launch().which, second)
    t.same(marks(), ['current', 'trying'])
    t.equal(launch().which, first)
    t.same(marks(), ['current', 'failed'])
    t.match(readFileSync(join(upgrades, 'failed'), 'utf8'), second)
    t.equal(launch().which, first)
  })

  await t.test('only chooses for a service: a command takes no turn away', async t => {
    const { launch, mark, marks } = install(t)
    mark('next', second)
    t.equal(launch(['instances']).which, 'installed')
    t.same(marks(), ['next'])
  })

  await t.test('tries what was set while something else was tried after that was given up', async t => {
    const { launch, mark } = install(t)
    mark('trying', first)
    mark('next', second)
    t.equal(launch().which, 'installed')
    t.equal(launch().which, second)
  })

  await t.test('prefers what was installed since', async t => {
    const { launch, mark, marks, setInstalled } = install(t)
    mark('current', first)
    setInstalled('2')
    t.match(launch(), { which: 'installed', installed: '{"version":"2"}' })
    mark('next', second)
    t.equal(launch().which, 'installed')
    t.same(marks(), ['current', 'failed'])
  })

  await t.test('runs what is installed where what is named is none, or cannot run', async t => {
    const { launch, mark, upgrades } = install(t)
    for (const name of ['', '../..', `${first}/../${first}`, 'c'.repeat(64)]) {
      mark('current', name)
      mark('next', name)
      t.equal(launch().which, 'installed', name)
    }
    writeFileSync(join(upgrades, 'current'), '')
    t.equal(launch().which, 'installed')
    mark('current', first)
    mark('next', second)
    chmodSync(join(upgrades, first, 'program/bin/node'), 0o644)
    rmSync(join(upgrades, second, 'program/dist/src/main.js'))
    t.equal(launch().which, 'installed')
  })

  await t.test('heeds no directory that others may write', async t => {
    const { launch, mark, upgrades } = install(t)
    mark('current', first)
    for (const [mode, which] of [
      [0o770, 'installed'],
      [0o702, 'installed'],
      [0o750, first]
    ] as const) {
      chmodSync(upgrades, mode)
      t.equal(launch().which, which, mode.toString(8))
    }
    t.equal(launch(['start'], { ZEEK_CLUSTER_UPGRADES: join(upgrades, 'none') }).which, 'installed')
  })
})

await t.test('who was started without a launcher cannot be upgraded', async t => {
  t.equal(Upgrades.of({}), undefined)
  t.equal(Upgrades.of({ ZEEK_CLUSTER_UPGRADES: '/nowhere' }), undefined)
})

await t.test('upgrades', async t => {
  const directory = join(directoryOf(t), 'upgrades')
  const upgrades = Upgrades.of({ ZEEK_CLUSTER_UPGRADES: directory, ZEEK_CLUSTER_INSTALLED: 'this' })!
  const bundle = directoryOf(t)
  mkdirSync(join(bundle, 'program/bin'), { recursive: true })
  writeExecutable(join(bundle, 'program/bin/node'), 'one')

  t.equal(await upgrades.failed(), undefined)
  await upgrades.confirm()
  t.notOk(existsSync(directory), 'nothing is made before there is an upgrade')
  const place = await upgrades.add(first, bundle)
  t.equal(readFileSync(join(place, 'bin/node'), 'utf8'), 'one')
  await upgrades.add(first, bundle)
  await upgrades.setNext(first)
  t.equal(readFileSync(join(directory, 'next'), 'utf8'), `${first}\nthis\n`)
  t.equal(await upgrades.isTrying(), false)
  await upgrades.forgetNext()
  t.match(await upgrades.failed(), { bundle: first, error: /was not tried/ })
  await upgrades.setNext(first)
  t.equal(await upgrades.failed(), undefined, 'of the last upgrade only')

  await t.test('one that fails says why in one line', async t => {
    writeFileSync(join(directory, 'trying'), `${first}\nthis\n`)
    await upgrades.fail('one\ntwo')
    cpSync(join(directory, 'trying'), join(directory, 'failed'))
    t.same(await upgrades.failed(), { bundle: first, error: 'one two' })
  })

  await t.test('what has proved itself is current, and others are removed', async t => {
    await upgrades.add(second, bundle)
    // As if this process were that release.
    const program = join(directory, first, 'program')
    cpSync(program, join(directory, 'kept'), { recursive: true })
    writeFileSync(join(directory, 'trying'), `${first}\nthis\n`)
    rmSync(program, { recursive: true })
    symlinkSync(packageRoot, program)
    t.equal(await upgrades.isTrying(), true)
    await upgrades.confirm()
    t.match(readFileSync(join(directory, 'current'), 'utf8'), first)
    t.same(readdirSync(directory).sort(), [first, 'current', 'kept', 'next'])
    t.equal(await upgrades.isCurrent(first), true)
    t.equal(await upgrades.isCurrent(second), false)
  })

  await t.test('what is installed and runs instead of what was current has that removed', async t => {
    writeFileSync(join(directory, 'current'), `${second}\nthis\n`)
    await upgrades.confirm()
    t.notOk(existsSync(join(directory, 'current')))
    t.notOk(existsSync(join(directory, first)))
  })
})

await t.test('a release says what it is', async t => {
  const release = { version: '1.2.3', platform: 'linux-x64', agent_api_version: 13 }
  t.same(readRelease(JSON.stringify({ ...release, more: 'of a later one' })), release)
  for (const text of ['', '{}', '[]', 'no release', '{"version": 1}']) {
    t.throws(() => readRelease(text), { code: 'invalid_request', message: /^it is no release of zeek-cluster: / }, text)
  }
})

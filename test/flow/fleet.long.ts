/**
 * A fleet as its operators have it: a controller and two sensors, each a host with a root, a network and processes of
 * its own, where the Debian package is installed. They follow docs/fleet.md and docs/upgrading.md; whatever is killed
 * in the middle of it, the same command gets it done.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { cpSync, readFileSync, statSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { packageVersion } from '../../src/util.js'
import { endOf, renewalOf } from '../../src/security/lifetime.js'
import { renderCurve } from '../../src/zeek/command.js'
import { createCurveKeys } from '../../src/zeek/curve-keys.js'
import { directoryOf } from '../support/directory.js'
import { lacks } from '../support/lacks.js'
import { whyNoNetwork } from '../support/namespace.js'
import { bundleAs, packageAs } from '../support/packages.js'
import { flowsIn } from '../support/pcap.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import type { Host } from './hosts.js'
import { says } from './joining.js'
import { agentState, agentUnit, controllerUnit, killService, makeFleet, Operator } from './packaged-fleet.js'

const commands = ['debootstrap', 'dpkg-deb', 'xz', 'ip', 'nsenter', 'setpriv', 'tcpdump']
const skip = lacks(commands, { root: true }) || whyNoNetwork()
const settingsFile = '/etc/zeek-cluster/controller.yaml'
const upgrades = `${agentState}/upgrades`
const nodes = ['manager', 'logger-1', 'worker-1', 'worker-2']
/** One is named by whoever has it join, the other one after its host. */
const [first, second] = ['sensor-1', 'agent-sensor-2']

const configuration = {
  instances: [{ name: first }, { name: second }],
  nodes: [
    { name: 'manager', instance: first, role: 'MANAGER' },
    { name: 'logger-1', instance: first, role: 'LOGGER' },
    { name: 'worker-1', instance: first, role: 'WORKER', interface: 'eth0' },
    { name: 'worker-2', instance: second, role: 'WORKER', interface: 'eth0' }
  ]
}
/** What nobody on the cable is to read: of nodes, and of agents. */
const said = ['zeek.cluster.', 'Cluster::hello']
const secrets = [...nodes, ...said, first, second]

/** What an agent has. Throws unless its key and its certificate belong together. */
function identityOf(host: Host): X509Certificate {
  const text = host.read(`${agentState}/identity.pem`)
  const certificate = new X509Certificate(text)
  if (!certificate.checkPrivateKey(createPrivateKey(text))) throw new Error('the key is not that of the certificate')
  return certificate
}

const has = (text: string, host: Host, file: string) => host.has(file) && host.read(file).includes(text)

await t.test('a fleet of hosts with packages', { skip, timeout: 850_000, bail: true }, async t => {
  const fleet = await makeFleet(t)
  if (!fleet) return t.pass('', { skip: "npm's registry is not reached" })
  const { lan, controller, one, two, deb, bundle } = fleet
  const offline = async (...args: string[]) => {
    const command = ['runuser', '-u', 'zeek-cluster', '--', 'zeek-cluster', 'token', 'create', '--offline']
    const { stdout } = await until(async () => {
      const ended = await controller.run(...command, '--config', settingsFile, ...args)
      if (ended.code !== 0 && !/start the controller first/.test(ended.stderr)) throw new Error(ended.stderr)
      return ended.code === 0 && ended
    }, 'a token is made')
    return stdout.trim()
  }
  const setUp = (settings: Record<string, string>) => {
    const lines = Object.entries(settings).map(([name, value]) => `${name}: ${value}\n`)
    const before = controller.read(settingsFile).split('\n')
    const others = before.filter(line => !Object.keys(settings).some(name => line.startsWith(`${name}:`)))
    writeFileSync(controller.path(settingsFile), `${others.join('\n').trimEnd()}\n${lines.join('')}`)
  }
  setUp({
    controller_authority: 'own',
    controller_addr: '0.0.0.0',
    controller_websocket_addr: '0.0.0.0',
    controller_hosts: controller.name,
    // Renewed after 40 seconds.
    controller_certificate_lifetime: '60'
  })
  await controller.must('systemctl', 'enable', '--now', controllerUnit)
  const operator = new Operator(controller, await offline('--role', 'admin'))
  const whole = async () => {
    await operator.connected(first)
    await operator.connected(second)
  }
  /** Changes settings of the controller. */
  const change = async (settings: Record<string, string>) => {
    setUp(settings)
    await controller.must('systemctl', 'restart', controllerUnit)
    await whole()
  }

  await t.test('a host joins once it is accepted, whatever is killed meanwhile', async t => {
    const command = ['sh', '-c', `${await offline('--role', 'join')} --name ${first}`]
    const key = /the key of sensor-1 has the fingerprint (SHA256:\S+)/
    const begun = one.begin(command)
    const [, fingerprint] = (await says(begun.written, key)) as RegExpExecArray
    begun.kill('SIGKILL')
    await begun.ended
    const joining = one.begin(command)
    t.equal(((await says(joining.written, key)) as RegExpExecArray)[1], fingerprint, 'it goes on with the same key')
    await says(joining.written, /waiting until an operator accepts it/)
    killService(controller, controllerUnit)
    await says(joining.written, /trying again/)
    const waiting = await until(async () => {
      const joins = await operator.joins()
      return joins.length > 0 && joins
    }, 'the next controller has what was asked')
    t.match(waiting, [{ name: first, status: 'pending', fingerprint, address: one.address }])
    joining.kill('SIGSTOP')
    t.match(await operator.run('instances', 'accept', first), { code: 0, stderr: /accepted sensor-1/ })
    joining.kill('SIGKILL')
    await joining.ended
    t.notOk(one.has(`${agentState}/identity.pem`), 'it was killed before it has heard of it')
    t.match(await one.run(...command), { code: 0, stdout: /start it: systemctl enable --now zeek-cluster-agent/ })
    const { mode, uid } = statSync(one.path(`${agentState}/identity.pem`))
    t.match({ mode: mode & 0o777, uid: String(uid) }, { mode: 0o600, uid: (await one.must('id', '-u', 'zeek')).trim() })
    t.match(parse(one.read('/etc/zeek-cluster/agent.yaml')), {
      agent_name: first,
      agent_controller: `${controller.name}:2150`,
      agent_archive_dir: '/var/log/zeek-cluster-agent'
    })
    t.equal((await operator.joins()).length, 1, 'it has asked once')
    await one.must('systemctl', 'enable', '--now', agentUnit)
    await operator.connected(first)
  })

  await t.test('a token that accepts at once needs no operator, and is used once by a host that is killed', async t => {
    const command = await offline('--role', 'join', '--uses', '2', '--accept')
    const joining = two.begin(['sh', '-c', command])
    await until(() => two.has(`${agentState}/identity.pem`), 'it has its certificate')
    joining.kill('SIGKILL')
    await joining.ended
    t.ok(identityOf(two))
    await two.must('sh', '-c', `${command} && systemctl enable --now ${agentUnit}`)
    await operator.connected(second)
    const { tokens = [] } = await operator.ask<{ tokens: { join?: { uses: number } }[] }>('token', 'list')
    t.same(tokens.flatMap(({ join }) => (join ? [join.uses] : [])).sort(), [0, 1], 'each of the two hosts counts once')
  })

  await t.test('what is deployed runs on both, with what a node may do to see packets', async t => {
    writeFileSync(controller.path('/root/cluster.json'), JSON.stringify(configuration))
    const deployed = await operator.run('deploy', '/root/cluster.json')
    t.equal(deployed.code, 0, deployed.stdout + deployed.stderr)
    const { 'worker-2': pid } = await operator.pids(...nodes)
    const status = readFileSync(`/proc/${two.outside(pid!)}/status`, 'utf8')
    t.match(status, /^CapAmb:\t0000000000003000$/m)
    t.match(status, /^NoNewPrivs:\t1$/m)
  })

  const hubPorts = async () => {
    const { 'worker-2': pid } = await operator.pids('worker-2')
    return [...two.commandOf(two.outside(pid!)).matchAll(/tcp:\/\/10\.77\.0\.2:(\d+)/g)].map(([, port]) => Number(port))
  }
  /**
   * Returns how many have spoken with the hub while a worker is restarted, and which of our names can be read anywhere.
   */
  const overhear = async (t: Test) => {
    const end = await lan.capture(t)
    t.equal((await operator.run('restart', 'worker-2')).code, 0)
    await operator.pids(...nodes)
    const [flows, ports] = [flowsIn(await end()), await hubPorts()]
    const withHub = flows.filter(({ from, to, sent }) => sent !== '' && ports.some(port => [from, to].includes(port)))
    return { withHub: withHub.length, read: secrets.filter(name => flows.some(({ sent }) => sent.includes(name))) }
  }

  await t.test('nobody on the cable reads names of nodes, topics or events', async t => {
    const sealed = await overhear(t)
    // The worker's two connections, both ways.
    t.ok(sealed.withHub >= 4)
    t.same(sealed.read, [])
    await change({ controller_cluster_encryption: 'never' })
    t.equal((await operator.run('deploy', '--strategy', 'at_once')).code, 0)
    t.same((await overhear(t)).read, [...nodes, ...said], 'they can be read where it is not encrypted')
    await change({ controller_cluster_encryption: 'auto' })
    t.equal((await operator.run('deploy', '--rotate-keys')).code, 0)
    const again = await overhear(t)
    t.ok(again.withHub >= 4)
    t.same(again.read, [], 'with new keys they cannot')
  })

  await t.test('who has all that a node has but its keys is not let in by the hub', async t => {
    const { 'worker-2': pid } = await operator.pids('worker-2')
    const of = (file: string) =>
      readFileSync(`/proc/${two.outside(pid!)}/${file}`, 'utf8')
        .split('\0')
        .filter(Boolean)
    const [command, environment] = [of('cmdline'), of('environ')]
    t.equal((await operator.run('stop', 'worker-2')).code, 0)
    await two.must('mkdir', '/run/stranger')
    const stranger = (keys: Record<string, string>) => {
      const own = { ZEEK_CLUSTER_CONTROLLER_CHANNEL: '/run/stranger', INVOCATION_ID: 'stranger', ...keys }
      const variables = Object.entries(own).map(([name, value]) => `${name}=${value}`)
      return two.begin(['env', '-i', '-C', '/run/stranger', ...environment, ...variables, ...command])
    }
    const { server_publickey: _kept, ...others } = createCurveKeys()
    const refused = await stranger(renderCurve(others as ReturnType<typeof createCurveKeys>, false)).ended
    t.match(refused, { code: 1, stderr: /Handshake for socket tcp:.* failed: event=0x4000 value=400/ })
    const none = Object.fromEntries(Object.keys(renderCurve(createCurveKeys(), false)).map(name => [name, '']))
    t.match(await stranger(none).ended, { code: 1, stderr: /failed: event=0x2000 value=285212674/ })
    const twin = stranger({})
    await until(() => has('"joined":true', two, '/run/stranger/beat'), 'with the keys it joins')
    twin.kill('SIGKILL')
    await twin.ended
    t.equal((await operator.run('start', 'worker-2')).code, 0)
  })

  let before = await operator.pids(...nodes)

  await t.test('certificates are renewed over the links, whatever is killed meanwhile', async t => {
    const begun = [one, two].map(host => identityOf(host).serialNumber)
    await until(
      () => [one, two].every((host, at) => identityOf(host).serialNumber !== begun[at]),
      'both have others',
      90_000
    )
    // One agent is killed while it writes the next one, with its supervisor.
    const [given] = [identityOf(two)]
    const killed = new Promise<X509Certificate>(resolve => {
      const watcher = watch(two.path(agentState), (_event, file) => {
        if (!/^identity\.pem\..*\.tmp$/.test(String(file))) return
        watcher.close()
        killService(two, agentUnit)
        resolve(identityOf(two))
      })
      t.teardown(() => watcher.close())
    })
    // What the controller sends to the other one is lost from now on: of the answer it has no more than the controller.
    const held = await until(() => {
      const now = identityOf(one)
      return renewalOf(now) - Date.now() > 5000 && now
    }, 'it is not renewed just now')
    await until(() => Date.now() > renewalOf(held) - 700, 'it is to be renewed at once')
    controller.lose(one)
    await until(async () => {
      const end = (await operator.instance(first))?.certificate_expires_at
      return end !== undefined && Date.parse(end) > endOf(held)
    }, 'the controller has given another certificate')
    killService(controller, controllerUnit)
    t.equal(identityOf(one).serialNumber, held.serialNumber, 'of which the agent has not heard')
    controller.heal(one)
    const left = await killed
    t.ok(left.raw.equals(given!.raw) || endOf(left) > endOf(given!), 'the file is whole')
    await whole()
    await until(() => identityOf(one).serialNumber !== held.serialNumber, 'the agent asks once more')
    await until(() => identityOf(two).serialNumber !== given!.serialNumber, 'as the other one does')
    t.same(await operator.pids(...nodes), before, 'no node has noticed')
    // From now on they last.
    await change({ controller_certificate_lifetime: '2592000' })
    await until(
      () => [one, two].every(host => endOf(identityOf(host)) > Date.now() + 86_400_000),
      'both are good for a month',
      90_000
    )
  })

  const work = directoryOf(t)
  const release = (version: string) => {
    const file = bundleAs(version, bundle, join(work, version))
    cpSync(file, controller.path(`/root/${version}.tar`))
    return `/root/${version}.tar`
  }
  const versions = async () => [(await operator.instance(first))?.version, (await operator.instance(second))?.version]
  const install = (host: Host, version: string) => {
    cpSync(packageAs(version, deb, join(work, `${version}-package`)), host.path('/root/package.deb'))
    return ['dpkg', '-i', '/root/package.deb']
  }

  await t.test('the controller is upgraded by its package, then the agents, though it is killed meanwhile', async t => {
    t.same(await versions(), [packageVersion, packageVersion])
    await controller.must(...install(controller, '0.2.0'))
    t.equal((await controller.must('zeek-cluster', '--version')).trim(), '0.2.0')
    await whole()
    const file = release('0.2.0')
    const wave = operator.begin('upgrade', file)
    await until(() => two.has(`${upgrades}/trying`), 'the first of them is tried')
    killService(controller, controllerUnit)
    t.not((await wave.ended).code, 0)
    await whole()
    const [untouched, tried] = await versions()
    t.equal(untouched, packageVersion)
    t.ok([packageVersion, '0.2.0'].includes(tried!))
    await until(async () => (await operator.run('upgrade', file)).code === 0, 'the same command ends it')
    t.same(await versions(), ['0.2.0', '0.2.0'])
    t.same(await operator.pids(...nodes), before)
  })

  await t.test(
    'a host that loses its power while it is tried is one or the other, and a wave goes on with it',
    async t => {
      const file = release('0.3.0')
      const wave = operator.begin('upgrade', file, '--on', second)
      await until(() => two.has(`${upgrades}/trying`), 'it is tried')
      await two.cutPower()
      await two.boot()
      await operator.connected(second)
      const { code, stdout } = await wave.ended
      t.same(await versions(), ['0.2.0', code === 0 ? '0.3.0' : '0.2.0'], stdout)
      t.match(await operator.run('upgrade', file), { code: 0, stdout: /sensor-1: 0\.2\.0 -> 0\.3\.0/ })
      t.same(await versions(), ['0.3.0', '0.3.0'])
      const after = await operator.pids(...nodes)
      t.same({ ...after, 'worker-2': 0 }, { ...before, 'worker-2': 0 }, 'only what ran there was started anew')
      before = after
    }
  )

  await t.test('a package whose installation is killed is installed by the same command, and wins', async t => {
    const command = install(one, '0.4.0')
    const installing = one.begin(command)
    await until(() => one.has('/usr/lib/zeek-cluster-controller/package.json.dpkg-new'), 'it is unpacked')
    installing.kill('SIGKILL')
    await installing.ended
    await one.must(...command)
    await until(async () => (await operator.instance(first))?.version === '0.4.0', 'it runs what is installed')
    await until(() => !one.has(`${upgrades}/current`), 'what it was upgraded to is gone')
    t.same(await operator.pids(...nodes), before)
  })

  await t.test('a host that is forgotten is no agent any more', async t => {
    t.match(await operator.run('instances', 'forget', second), { code: 2, stderr: /part of what is deployed/ })
    const without = {
      instances: configuration.instances.filter(({ name }) => name !== second),
      nodes: configuration.nodes.filter(({ instance }) => instance !== second)
    }
    writeFileSync(controller.path('/root/cluster.json'), JSON.stringify(without))
    t.equal((await operator.run('deploy', '/root/cluster.json', '--rotate-keys')).code, 0)
    const worker = before['worker-2']!
    t.throws(() => two.outside(worker), 'what it ran has ended')
    t.match(await operator.run('instances', 'forget', second), { code: 0, stderr: /forgot agent-sensor-2/ })
    const log = () => two.read(`${agentState}/management-${second}.log`)
    await until(() => /was forgotten/.test(log()), 'it is refused with the reason')
    t.equal((await operator.instance(second))?.connected ?? false, false)
    const supervisor = two.mainOf(agentUnit)
    t.ok(supervisor !== undefined && isRunning(supervisor), 'and tries on')
    t.same(Object.keys(await operator.pids(...nodes.slice(0, 3))), nodes.slice(0, 3))
  })
})

/** Who may read what zeek-cluster writes does not depend on the umask of who starts it; who may read logs does. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, mainProgram } from '../support/environment.js'
import { until } from '../support/until.js'
import { Cluster, configurationOf } from './cluster.js'

const name = 'sensor-1'
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8).padStart(4, '0')
const octal = (mode: number) => mode.toString(8).padStart(4, '0')
const umaskOf = (pid: number) => /^Umask:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]

/** A host that was started with a umask, as processes of this test are from now on. */
async function start(t: Test, umask: number, flags: Record<string, string> = {}) {
  const before = process.umask(umask)
  t.teardown(() => process.umask(before))
  const cluster = new Cluster(t)
  await cluster.prepare({ 'agent-rotation-interval': '1', 'agent-archive-interval': '0.2', ...flags })
  return { cluster, state: cluster.stateDir(name) }
}

for (const umask of [0o022, 0o000]) {
  await t.test(`with umask ${octal(umask)} nobody else reads anything but logs`, { timeout: 120_000 }, async t => {
    const archive = join(directoryOf(t), 'made', 'archive')
    const { cluster, state } = await start(t, umask, { 'agent-archive-dir': archive })
    const args = ['token', 'create', '--offline', '--role', 'operator', `--management-state-dir=${state}`]
    t.equal(spawnSync(process.execPath, [mainProgram, ...args], { env: cleanEnv }).status, 0)
    t.equal(modeOf(state), '0700', 'a token that is made before the first start')

    const host = await cluster.startHost(name, true)
    await cluster.connected(name)
    const config = configurationOf([name], [{ name: 'logger-1', options: { 'Demo::password': 'swordfish' } }])
    t.equal((await cluster.deploy(config)).state, 'succeeded')
    const archived = () =>
      existsSync(archive)
        ? readdirSync(archive, { recursive: true })
            .map(String)
            .filter(file => /\/[^.][^/]*\.gz$/.test(file))
        : []
    await until(() => archived().length > 0, 'a log is archived', 60_000)

    const isLog = (path: string) => /^(nodes\/[^/]+|spool\/log-queue)\/[^/]+\.log$/.test(path)
    const paths = readdirSync(state, { recursive: true }).map(String)
    const wrong = paths.flatMap(path => {
      const found = statSync(join(state, path), { throwIfNoEntry: false })
      const mode = found?.isDirectory() ? 0o700 : isLog(path) ? 0o666 & ~umask : 0o600
      return !found || (found.mode & 0o7777) === mode ? [] : [`${path}: ${octal(found.mode & 0o7777)}`]
    })
    t.same(wrong, [])
    for (const written of [
      'controller.sqlite',
      'controller.sqlite-wal',
      'controller.sqlite-shm',
      'controller.sqlite.mark',
      'agent.json',
      'management-controller.log',
      'supervisor/logger-1.json',
      'supervisor/logger-1.pid',
      'cluster/cluster-layout.zeek',
      'cluster/nodes/logger-1/options.zeek',
      'nodes/logger-1/stdout',
      'nodes/logger-1/runs.json',
      'nodes/logger-1/channel/beat',
      'spool/log-queue'
    ]) {
      t.ok(paths.includes(written), written)
    }

    const [log] = archived()
    t.equal(modeOf(join(archive, log!)), octal(0o666 & ~umask), 'an archived log')
    for (const made of [dirname(log!), '', '..']) {
      t.equal(modeOf(join(archive, made)), octal(0o777 & ~umask), `the archive: ${made}`)
    }
    for (const { node, pid, mgmt_role: role } of await cluster.nodes()) {
      t.equal(umaskOf(pid!), role === 'NODE' ? octal(umask) : '0077', node)
    }
    t.equal(umaskOf(host.pid), '0077', 'the supervisor')
  })
}

await t.test('a state directory that was open is closed once, which the log says', async t => {
  const { cluster, state } = await start(t, 0o022)
  await (await cluster.startHost(name, true)).stop()
  chmodSync(state, 0o755)
  const closed = await cluster.startHost(name, true)
  t.match(
    closed.output.stderr,
    `the state directory ${state} was open to other users: its mode was 0755, and is 0700 now`
  )
  t.equal(modeOf(state), '0700')
  await closed.stop()
  const again = await cluster.startHost(name, true)
  t.notMatch(again.output.stderr, 'was open to other users')
})

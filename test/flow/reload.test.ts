import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:tls'
import t from 'tap'
import { createAuthority } from '../support/certificates.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, mainProgram } from '../support/environment.js'
import { startHost } from '../support/host.js'
import { freePorts } from '../support/ports.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'

/** The serial number of the certificate that is shown at a port. */
async function serialAt(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

await t.test('SIGHUP has controller and agent read their certificates again, and nothing restart', async t => {
  const directory = directoryOf(t)
  const authority = createAuthority(directory)
  const [clients, agents, agentPort] = (await freePorts(3)) as [number, number, number]
  const own = authority.issue('controller', 'controller')
  const its = authority.issue('agent', 'agent-a')
  const host = await startHost(t, {
    'management-state-dir': `${directory}/state`,
    'controller-websocket-port': String(clients),
    'controller-port': String(agents),
    'controller-tls-cert': own.cert,
    'controller-tls-key': own.key,
    'controller-tls-ca': authority.ca,
    'agent-name': 'agent-a',
    'agent-controller': 'none',
    'agent-port': String(agentPort),
    'agent-tls-cert': its.cert,
    'agent-tls-key': its.key,
    'agent-tls-ca': authority.ca
  })
  const ports = [clients, agents, agentPort]
  const before = await Promise.all(ports.map(serialAt))
  for (const [issued, next] of [
    [own, authority.issue('controller', 'controller')],
    [its, authority.issue('agent', 'agent-a')]
  ] as const) {
    copyFileSync(next.cert, issued.cert)
    copyFileSync(next.key, issued.key)
  }
  host.child.kill('SIGHUP')
  await until(
    async () => (await Promise.all(ports.map(serialAt))).every((serial, at) => serial !== before[at]),
    'each port shows the new one'
  )
  const good = await Promise.all(ports.map(serialAt))
  writeFileSync(own.cert, 'nonsense')
  host.child.kill('SIGHUP')
  await until(
    () => host.output.stderr.includes('the certificates stay as they were: ZEEK_CONTROLLER_TLS_CERT'),
    'it is said'
  )
  t.same(await Promise.all(ports.map(serialAt)), good)
  t.notMatch(host.output.stderr, /CRASHED|exited/)
  t.ok(isRunning(host.pid))
})

await t.test('SIGHUP at any moment of the start is not its end', async t => {
  const directory = directoryOf(t)
  const [clients, agents] = await freePorts(2)
  const child = spawn(
    process.execPath,
    [
      mainProgram,
      'start',
      '--controller',
      `--management-state-dir=${directory}/state`,
      `--controller-websocket-port=${clients}`,
      `--controller-port=${agents}`
    ],
    { env: cleanEnv, stdio: ['ignore', 'pipe', 'ignore'] }
  )
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await exited
  })
  let stdout = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  // From the moment on at which Node has loaded the program.
  const catches = () =>
    (BigInt(`0x${/^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]}`) & 1n) === 1n
  await until(catches, 'SIGHUP is caught')
  t.equal(stdout, '', 'long before it is ready')
  await until(() => {
    child.kill('SIGHUP')
    return stdout.includes('is ready') || child.exitCode !== null || child.signalCode !== null
  }, 'it is ready')
  t.match(stdout, /is ready/)
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { plainEnv } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { mainProgram } from '../support/environment.js'
import { startAtTerminal } from '../support/terminal.js'
import { until } from '../support/until.js'

const configuration = {
  instances: [{ name: 'sensor-1' }],
  nodes: [
    { name: 'manager', instance: 'sensor-1', role: 'MANAGER' },
    { name: 'worker-1', instance: 'sensor-1', role: 'WORKER', interface: 'lo' },
    { name: 'proxy-1', instance: 'sensor-1', role: 'PROXY', env: { STAND_IN: 'exit=3' } }
  ]
}

await t.test('at a terminal', { timeout: 300_000 }, async t => {
  const { url, settings, controller, ask } = await startTestController(t)
  await startTestAgent(t, 'sensor-1', settings.controller_port, { 'agent-restart-delay': '1.5' })
  await until(() => controller.instances().some(({ connected }) => connected), 'sensor-1 is connected')
  const directory = directoryOf(t)
  const file = join(directory, 'cluster.json')
  writeFileSync(file, JSON.stringify(configuration))
  const env = { ZEEK_CLUSTER_URL: url }
  const start = (line: string, more: NodeJS.ProcessEnv = {}, size: { columns?: number; rows?: number } = {}) =>
    startAtTerminal(t, line.split(' '), { env: { ...env, ...more }, ...size })

  await t.test('deploy draws a bar over all, and leaves what has failed with its lines', async t => {
    const deploying = start(`deploy --no-check ${file}`, { NO_COLOR: '' }, { columns: 60 })
    t.equal(await deploying.ended, 1)
    t.match(deploying.written(), /[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] (manager|worker-1) {2}/, 'the spinner has been there')
    t.match(deploying.written(), '\u001b[31m')
    t.ok(deploying.isCursorVisible())
    const lines = deploying.screen().filter(line => line !== '')
    t.match(lines, [
      /^█{30} 2 of 3, 1 failed$/,
      /^✖ proxy-1 {2}\S/,
      /^✖ proxy-1: exited with code 3/,
      ...lines.slice(3, -1).map(() => /^ {2}\| |^\S/),
      '✖ 1 of 3 nodes have failed'
    ])
    t.equal(lines.filter(line => /\d of 3/.test(line)).length, 2, 'the bar is there once')
  })

  const { state } = await ask('stage_configuration', {
    config: { ...configuration, nodes: configuration.nodes.slice(0, 2) }
  })
  t.equal(state, 'succeeded')
  t.equal((await ask('deploy')).state, 'succeeded')

  await t.test('without colours, in ASCII, and without live lines where a terminal cannot have them', async t => {
    const plain = start('restart worker-1', { LANG: 'C' })
    t.equal(await plain.ended, 0)
    t.match(plain.screen().join('\n'), /^#{30} 1 of 1\n\+ worker-1\n/)
    // eslint-disable-next-line no-control-regex
    t.notMatch(plain.written(), /\u001b\[\d*m/)
    // eslint-disable-next-line no-control-regex
    t.notMatch(plain.written().replace(/\u001b\[[^a-zA-Z]*[a-zA-Z]/g, ''), /[^\0-\x7f]/)
    const dumb = start('restart worker-1', { TERM: 'dumb', NO_COLOR: '' })
    t.equal(await dumb.ended, 0)
    t.notMatch(dumb.written(), '\u001b')
    t.match(dumb.written(), 'worker-1: RUNNING (joined the cluster)\r\n')
  })

  await t.test('status --watch is drawn anew in place, in the size that the terminal has', async t => {
    const watching = start('status --watch', {}, { columns: 60, rows: 12 })
    const shows = async (pattern: RegExp) =>
      await until(() => pattern.test(watching.screen().join('\n')), `${pattern} is shown`)
    await shows(/2 of 2 nodes run/)
    const pid = controller.nodes().find(({ node }) => node === 'worker-1')!.pid!
    process.kill(pid, 'SIGKILL')
    await until(() => watching.written().includes('1 of 2 nodes run'), 'the node is missed')
    await shows(/2 of 2 nodes run/)
    const once = () => {
      const lines = watching.screen()
      t.equal(lines.filter(line => line.startsWith('NODE')).length, 1)
      t.equal(lines.filter(line => line.startsWith('worker-1 ')).length, 1)
    }
    once()
    t.notMatch(watching.screen()[0], 'MEMORY')
    watching.resize(160, 12)
    await shows(/^NODE .* MEMORY /)
    once()
    watching.resize(50, 8)
    await shows(/^NODE((?!MEMORY).)*\n/)
    t.notOk(watching.isCursorVisible())
    watching.type('\u0003')
    t.equal(await watching.ended, 0)
    t.ok(watching.isCursorVisible())
  })

  await t.test('login asks for the token without showing it, and ends with Ctrl-C', async t => {
    const home = { XDG_CONFIG_HOME: directory }
    const asking = start(`login ${url}`, home)
    await until(() => asking.written().includes('Token: '), 'it asks')
    asking.type('not-a-secret-1234')
    asking.type('\r')
    // The controller asks for none, and is content with any.
    t.equal(await asking.ended, 0)
    t.notMatch(asking.written(), 'secret')
    t.match(asking.written(), /^Token: \r\ncontext 127\.0\.0\.1: http/)
    for (const key of ['\u0003', '\u0004']) {
      const leaving = start(`login ${url}`, home)
      await until(() => leaving.written().includes('Token: '), 'it asks')
      leaving.type(key)
      t.equal(await leaving.ended, 130)
    }
  })

  await t.test('the first Ctrl-C says how to come back, and leaves the terminal as it was', async t => {
    const [manager, worker] = configuration.nodes
    const slow = { ...configuration, nodes: [manager, { ...worker, env: { STAND_IN: 'slow=600000' } }] }
    writeFileSync(file, JSON.stringify(slow))
    const deploying = start(`deploy --no-check ${file}`)
    await until(() => deploying.screen().some(line => line.includes('worker-1  ')), 'it is under way')
    deploying.type('\u0003')
    t.equal(await deploying.ended, 130)
    t.ok(deploying.isCursorVisible())
    const [, hint = '', ...more] = deploying.screen().join('').split('the request goes on')
    t.same(more, [])
    const [reqid] = /(?<=request wait )[0-9a-f-]{36}/.exec(hint)!
    t.match(await (await fetch(`${url}/v1/requests/${reqid}`)).json(), { type: 'deploy', state: 'pending' })
  })
})

await t.test('the second Ctrl-C ends at once, and a reader that has seen enough is no trouble', async t => {
  const { url } = await startTestController(t)
  const start = (...args: string[]) =>
    spawn(process.execPath, [mainProgram, ...args], { env: { ...plainEnv, ZEEK_CLUSTER_URL: url } })
  const waiting = start('request', 'test_timeout', '{"with_state":true}', '--timeout', '60')
  let stderr = ''
  waiting.stderr.on('data', chunk => {
    stderr += chunk
  })
  const asked = async () =>
    (await (await fetch(`${url}/v1/requests?type=test_timeout`)).json()) as { requests: object[] }
  await until(async () => (await asked()).requests.length > 0, 'it is submitted')
  const ended = once(waiting, 'exit')
  await until(() => {
    waiting.kill('SIGINT')
    return stderr !== '' || waiting.exitCode !== null
  }, 'it is interrupted')
  waiting.kill('SIGINT')
  t.same(await ended, [130, null])

  const reading = start('events', '--from', 'earliest')
  reading.stdout.once('data', () => reading.stdout.destroy())
  let told = ''
  reading.stderr.on('data', chunk => {
    told += chunk
  })
  const over = once(reading, 'exit')
  await until(async () => {
    await fetch(`${url}/v1/requests/get_instances`, { method: 'POST' })
    return reading.exitCode !== null
  }, 'it ends')
  t.same(await over, [0, null])
  t.equal(told, '')
})

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { openStream } from '../support/client.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'

const logger = (name: string) => ({ name, instance: 'agent-a', role: 'LOGGER' })
const configOf = (...loggers: string[]) => ({
  instances: [{ name: 'agent-a' }],
  nodes: [{ name: 'manager', instance: 'agent-a', role: 'MANAGER' }, ...loggers.map(logger)]
})

type Test = Parameters<typeof startTestController>[0]

async function start(t: Test, flags: Record<string, string>, loggers: readonly string[]) {
  const controller = await startTestController(t)
  const state = directoryOf(t)
  const agent = await startTestAgent(
    t,
    'agent-a',
    controller.settings.controller_port,
    { 'agent-rotation-interval': '1', 'agent-archive-interval': '0.2', ...flags },
    state
  )
  await until(() => controller.controller.instances()[0]?.connected, 'it is connected')
  const stream = await openStream(t, `${controller.url}/v1/events?types=notify_error,notify_log`)
  await stream.next('hello')
  await controller.ask('stage_configuration', { config: configOf(...loggers) })
  t.equal((await controller.ask('deploy')).state, 'succeeded')
  const filesOf = (directory: string) =>
    existsSync(join(state, directory))
      ? readdirSync(join(state, directory), { recursive: true }).map(String).sort()
      : []
  const archived = () => filesOf('logs').filter(file => /^\d{4}-\d\d-\d\d\/[^.].*\.gz$/.test(file))
  const read = (file: string) => gunzipSync(readFileSync(join(state, 'logs', file))).toString()
  return { ...controller, agent, state, stream, archived, read, filesOf }
}

await t.test('logs are rotated by the logger, and archived by the agent', async t => {
  const { state, archived, read, filesOf } = await start(t, {}, ['logger-1'])
  await until(() => archived().length >= 2, 'two logs are archived', 60_000)
  for (const file of archived()) t.match(file, /^\d{4}-\d\d-\d\d\/cluster\.\d\d:\d\d:\d\d-\d\d:\d\d:\d\d\.log\.gz$/)
  t.match(
    read(archived()[0]!),
    /^#separator \\x09\n[^]*#path\tcluster\n[^]*\tlogger-1\tstand-in has started\n[^]*#close\t/
  )
  t.notOk(
    filesOf('nodes/manager').some(file => file.endsWith('.log')),
    'with a logger the manager writes none'
  )
  t.ok(existsSync(join(state, 'nodes/logger-1')))
})

await t.test('a check leaves the logs alone that a logger has open', async t => {
  const { ask, archived, read, filesOf } = await start(t, { 'agent-rotation-interval': '3600' }, ['logger-1'])
  await until(() => filesOf('nodes/logger-1').includes('cluster.log'), 'the logger writes')
  const option = { name: 'logger-1', options: { 'LogAscii::enable_leftover_log_rotation': 'T' } }
  const config = configOf('logger-1')
  for (const nodes of [
    config.nodes,
    config.nodes.map(node => (node.name === option.name ? { ...node, ...option } : node))
  ]) {
    await ask('stage_configuration', { config: { ...config, nodes } })
    t.match(await ask('check'), { state: 'succeeded' })
    t.ok(filesOf('nodes/logger-1').includes('cluster.log'))
  }
  t.same([archived(), filesOf('spool/log-queue').filter(name => name.endsWith('.log'))], [[], []])
  t.match(await ask('stop', { nodes: ['logger-1'] }), { state: 'succeeded' })
  const [log] = await until(() => archived().length > 0 && archived(), 'its log is archived')
  t.match(read(log!), /stand-in has started\n[^]*#close\t/)
  t.equal(archived().length, 1)
})

await t.test("two loggers do not get into each other's way, whatever they are called", async t => {
  const { archived } = await start(t, {}, ['logger-1', 'logger__2'])
  await until(
    () => ['-logger-1.log.gz', '-logger_.2.log.gz'].every(end => archived().some(file => file.endsWith(end))),
    'logs of both are archived',
    60_000
  )
  t.pass('they are')
})

await t.test('without a logger the manager writes the logs', async t => {
  const { archived, read } = await start(t, {}, [])
  await until(() => archived().length > 0, 'a log is archived', 60_000)
  t.match(read(archived()[0]!), /\tmanager\tstand-in has started/)
})

await t.test('what a stopped logger, and a crashed one, has open comes into the archive', async t => {
  const { ask, archived, read, controller, agent } = await start(t, { 'agent-rotation-interval': '86400' }, [
    'logger-1'
  ])
  const pid = () => agent.supervisor.status().find(({ name }) => name === 'logger-1')?.pid
  const starts = () => archived().filter(file => read(file).includes('stand-in has started')).length
  const before = pid()!
  process.kill(before, 'SIGKILL')
  await until(
    () => pid() && pid() !== before && controller.nodes().find(({ node }) => node === 'logger-1')?.state === 'RUNNING',
    'it runs again'
  )
  await until(() => starts() === 1, 'the log of the crashed one is archived', 60_000)
  t.equal((await ask('stop', { nodes: ['logger-1'] })).state, 'succeeded')
  await until(() => starts() === 2, 'the log of the stopped one is archived', 60_000)
  t.pass('they do')
})

await t.test('an archiver that fails is told, and that it works again; the logs are still there', async t => {
  // A file where a directory is to be.
  const blocked = join(directoryOf(t), 'blocked')
  writeFileSync(blocked, '')
  const { stream, filesOf } = await start(t, { 'agent-archive-dir': join(blocked, 'logs') }, ['logger-1'])
  const failed = await stream.next('notify_error')
  t.match(failed?.json, { instance: 'agent-a', message: /^logs cannot be archived: .*ENOTDIR/ })
  const waiting = filesOf('spool/log-queue')
  t.not(waiting.length, 0)
  rmSync(blocked)
  const told = await stream.collect(
    ({ type, message }) => type === 'notify_log' && /^logs are archived again/.test(message)
  )
  t.match(told.at(-1)?.json, { instance: 'agent-a', level: 'INFO' })
  const archived = () =>
    readdirSync(join(blocked, 'logs'), { recursive: true }).filter(file => String(file).endsWith('.gz')).length
  await until(() => archived() >= waiting.length, 'what waited is archived')
})

await t.test(
  "what a node's options say of rotation wins; and an agent that does not archive leaves the queue to others",
  async t => {
    const { ask, archived, filesOf } = await start(
      t,
      { 'agent-archive-logs': 'false', 'agent-rotation-interval': '86400' },
      ['logger-1']
    )
    const config = configOf('logger-1')
    await ask('stage_configuration', {
      config: {
        ...config,
        nodes: config.nodes.map(node =>
          node.role === 'LOGGER' ? { ...node, options: { 'Log::default_rotation_interval': '1sec' } } : node
        )
      }
    })
    t.equal((await ask('deploy')).state, 'succeeded')
    await until(() => filesOf('spool/log-queue').length >= 3, 'logs are rotated', 60_000)
    t.same(archived(), [])
  }
)

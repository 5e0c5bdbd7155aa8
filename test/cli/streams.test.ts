import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { startCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { startProxy } from '../support/proxy.js'
import { until } from '../support/until.js'

const configuration = {
  instances: [{ name: 'sensor-1' }],
  nodes: [
    { name: 'manager', instance: 'sensor-1', role: 'MANAGER' },
    { name: 'worker-1', instance: 'sensor-1', role: 'WORKER', interface: 'lo' }
  ]
}

await t.test('over a network that fails', { timeout: 300_000 }, async t => {
  const { url, settings, controller } = await startTestController(t, { 'controller-events-heartbeat': '1' })
  const agent = await startTestAgent(t, 'sensor-1', settings.controller_port)
  await until(() => controller.instances().some(({ connected }) => connected), 'sensor-1 is connected')
  const proxy = await startProxy(t, Number(new URL(url).port))
  const start = (line: string, stdin = '') =>
    startCommand(line.split(' '), { stdin, env: { ZEEK_CLUSTER_URL: `http://127.0.0.1:${proxy.port}` } })

  await t.test('deploy goes on, whenever it is cut', async t => {
    // After so many packets of the controller, and again after as many.
    for (const packets of [2, 3, 5, 8]) {
      let seen = 0
      let cuts = 0
      proxy.onData = () => {
        if (++seen % packets !== 0 || cuts >= 4) return
        cuts++
        proxy.cut()
      }
      const { code, stderr } = await start('deploy - --force', JSON.stringify(configuration)).ended
      proxy.onData = () => {}
      t.equal(code, 0, stderr)
      t.ok(cuts > 0)
      const lines = stderr.split('\n')
      t.equal(lines.filter(line => line === 'worker-1: RUNNING (joined the cluster)').length, 1, stderr)
      t.match(lines.at(-2), /^✔ deployed: 2 nodes, revision \d+$/)
    }
  })

  await t.test('events are told once, in order, over cuts and silence', async t => {
    const following = start('events --json --types get_instances_request')
    const told = () =>
      following.written.stdout
        .trimEnd()
        .split('\n')
        .filter(line => line !== '')
    await until(() => proxy.connections > 0, 'it is connected')
    const asked: string[] = []
    const ask = async () => asked.push((await controllerAsk()).reqid)
    const controllerAsk = async () =>
      (await (await fetch(`${url}/v1/requests/get_instances`, { method: 'POST' })).json()) as { reqid: string }
    await until(async () => {
      await ask()
      return told().length > 0
    }, 'it follows')
    const from = asked.indexOf(JSON.parse(told()[0]!).reqid)
    for (const fail of [proxy.cut, proxy.swallow, proxy.cut]) {
      fail()
      for (let n = 0; n < 3; n++) await ask()
      await until(() => told().length === asked.length - from, 'all is told')
    }
    t.same(
      told().map(line => JSON.parse(line).reqid),
      asked.slice(from)
    )
    t.match(following.written.stderr, /connection lost \(the controller is silent\); trying again\n/)
    following.interrupt()
    t.equal((await following.ended).code, 0)
  })

  await t.test('lines of nodes are told once, in order, over cuts', async t => {
    const output = join(agent.settings.management_state_dir, 'nodes', 'worker-1', 'stdout')
    const following = start('logs -f -n 5 --stream stdout worker-1')
    const written: string[] = []
    const write = (count: number) => {
      for (let n = 0; n < count; n++) written.push(`line ${written.length}`)
      appendFileSync(output, `${written.slice(-count).join('\n')}\n`)
    }
    const isTold = () => following.written.stdout === `${written.join('\n')}\n`
    write(3)
    await until(isTold, 'it follows')
    for (let n = 0; n < 3; n++) {
      proxy.cut()
      write(10)
      await until(isTold, `all is told after cut ${n}`)
    }
    following.interrupt()
    t.equal((await following.ended).code, 0)
    t.match(following.written.stdout, /^line 0\n/)
  })

  await t.test('a request that is left can be waited for', async t => {
    const deploying = start('deploy --force')
    await until(() => deploying.written.stderr.includes('PENDING'), 'it is under way')
    deploying.interrupt()
    const { code, stderr } = await deploying.ended
    t.equal(code, 130)
    const [, reqid] = /\nthe request goes on; to come back to it: zeek-cluster request wait (\S+)\n$/.exec(stderr) ?? []
    const { code: waited, stdout } = await start(`request wait ${reqid}`).ended
    t.equal(waited, 0)
    t.match(stdout, '✔ worker-1\n')
  })
})

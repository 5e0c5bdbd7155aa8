import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startTestAgent } from '../support/agent.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { standIn } from '../support/environment.js'
import { until } from '../support/until.js'

const config = {
  instances: [{ name: 'agent-a' }],
  nodes: [
    { name: 'manager', instance: 'agent-a', role: 'MANAGER' },
    { name: 'logger-1', instance: 'agent-a', role: 'LOGGER' },
    { name: 'proxy-1', instance: 'agent-a', role: 'PROXY' },
    ...[1, 2].map(n => ({ name: `worker-${n}`, instance: 'agent-a', role: 'WORKER', interface: 'lo' }))
  ]
}

// docs/performance.md says so.
await t.test(
  'a deployment runs zeek once for each node and each kind of node, and asks for its version once',
  async t => {
    const starts = join(directoryOf(t), 'starts')
    const bin = join(directoryOf(t), 'zeek')
    writeFileSync(bin, `#!/bin/sh\necho "$1" >> ${starts}\nexec ${standIn} "$@"\n`, { mode: 0o755 })
    writeFileSync(starts, '')
    /** How zeek was started since this was asked last. */
    const counts = () => {
      const lines = readFileSync(starts, 'utf8')
        .split('\n')
        .filter(line => line !== '')
      writeFileSync(starts, '')
      const count = (pattern: RegExp) => lines.filter(line => pattern.test(line)).length
      return { parses: count(/^-a$/), questions: count(/^--/), nodes: count(/^policy/), all: lines.length }
    }
    const { ask, controller, settings } = await startTestController(t)
    await startTestAgent(t, 'agent-a', settings.controller_port, { bin })
    await until(() => controller.instances()[0]?.connected, 'it is connected')
    t.same(
      counts(),
      { parses: 0, questions: 2, nodes: 0, all: 2 },
      'its version and its search path, at the first hello'
    )

    await ask('stage_configuration', { config })
    const { state, results } = await ask('deploy')
    t.equal(state, 'succeeded', JSON.stringify(results))
    t.same(counts(), { parses: 4, questions: 0, nodes: 5, all: 9 })

    await ask('get_instance_stats')
    await ask('check')
    t.equal((await ask('deploy')).state, 'succeeded')
    t.same(counts(), { parses: 8, questions: 0, nodes: 0, all: 8 }, 'a check, and a deployment of the same')
  }
)

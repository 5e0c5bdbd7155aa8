import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { environmentName } from '../../src/settings.js'
import { packageRoot } from '../../src/util.js'
import { cleanEnv } from '../support/environment.js'
import { freePorts, portFlags } from '../support/ports.js'
import { isRunning } from '../support/running.js'

await t.test(
  'the demo stages, deploys, has a worker crash and come back, and leaves nothing behind',
  { timeout: 300_000 },
  async t => {
    const [http, agents] = await freePorts(2)
    const ports = Object.fromEntries(
      Object.entries(portFlags()).map(([flag, port]) => [environmentName(flag.replaceAll('-', '_')), port])
    )
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [join(packageRoot, 'dist', 'demo', 'demo.js'), '--once'],
      {
        env: {
          ...cleanEnv,
          ...ports,
          ZEEK_CONTROLLER_WEBSOCKET_PORT: String(http),
          ZEEK_CONTROLLER_PORT: String(agents),
          ZEEK_AGENT_CONTROLLER: `127.0.0.1:${agents}`
        }
      }
    )
    t.equal(stderr, '')
    t.match(stdout, /== deployed: succeeded/)
    const pid = Number(/kill -9 (\d+)/.exec(stdout)?.[1])
    t.match(stdout, /notify_change.*"node":"worker-2".*"old_state":"CRASHED","new_state":"PENDING"/)
    t.match(
      stdout
        .split('\n')
        .filter(line => line.includes('"worker-2"'))
        .at(-1),
      /"new_state":"RUNNING"/
    )
    t.notOk(isRunning(pid))
  }
)

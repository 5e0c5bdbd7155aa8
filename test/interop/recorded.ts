import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { packageRoot } from '../../src/util.js'
import { Cluster } from '../flow/cluster.js'
import { portBase, portFlags } from '../support/ports.js'
import { ZeekClient, type Program } from './zeek-client.js'

interface Recording {
  command: string
  exit: number
  stdout: string | null
}

const fixtures = join(packageRoot, 'test', 'fixtures', 'zeek')
const recordings: Recording[] = readFileSync(join(fixtures, 'zeek-client.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line))

/** Every command that was recorded of Zeek's own controller, in its order: zeek-client says the same. */
export async function recorded(t: Test, program: Program): Promise<void> {
  const cluster = new Cluster(t)
  const base = portBase()
  // zeek-client's own time starts again with each frame, a ping too: it must run out all the same.
  await cluster.start(['agent-testbox'], {
    ...portFlags(base),
    'controller-timeout-test-timeout': '1',
    'controller-events-heartbeat': '2'
  })
  const client = new ZeekClient(t, program, cluster)
  for (const file of ['cluster.cfg', 'bad.cfg', 'fail.cfg']) {
    copyFileSync(join(fixtures, file), join(cluster.stateDir('zeek-client'), file))
  }

  const theirs = normalizer()
  const ours = normalizer(base, Number(new URL(cluster.url).port))
  for (const recording of recordings) {
    const { exit, said } = await client.run(recording.command.replace(/^zeek-client /, ''))
    t.equal(exit, recording.exit, `${recording.command}: exit code`)
    t.equal(ours(said), theirs(expected(recording)), `${recording.command}: output`)
  }
}

/** What Zeek's controller said, but for what is meant to be different. */
function expected({ command, stdout }: Recording): string {
  // The output was not kept; the frames tell what it was.
  if (stdout === null) return JSON.stringify({ 'agent-testbox': { host: '127.0.0.1' } }, null, 2)
  if (command !== 'zeek-client deploy' || !stdout.includes('fatal error')) return stdout
  // Zeek's agent waited for a node that had failed already; and its framework warns of its own end.
  return JSON.stringify({ ...JSON.parse(stdout), errors: [] }, null, 2).replace(
    /"warning in [^\n]*\\n(?=fatal error)/,
    '"'
  )
}

/**
 * Makes texts of two clusters comparable: process IDs are any, the same configuration has the same number, ports count
 * from the same.
 */
function normalizer(base = 2200, http = 21490): (text: string) => string {
  const ids: string[] = []
  const number = (id: string) => {
    if (!ids.includes(id)) ids.push(id)
    return `configuration ${ids.indexOf(id) + 1}`
  }
  return text =>
    text
      .replace(/"pid": \d+/g, '"pid": 1')
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, number)
      // The controller's own port: Zeek's was that of an agent, an oddity.
      .replace(/("mgmt_role": "CONTROLLER",\s+"pid": 1,\s+"port": )\d+/g, '$1"agents"')
      .replace(
        /("metrics_port": |metrics_port = )(\d+)/g,
        (_, name, port) => `${name}${base === 2200 ? port : port - base - 25 + 9000}`
      )
      .replace(
        /("port": |\bport = )(\d+)/g,
        (_, name, port) => `${name}${port >= base && port < base + 25 ? port - base + 2200 : port}`
      )
      .replaceAll(`127.0.0.1:${http}`, 'the controller')
}

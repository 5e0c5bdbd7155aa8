import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../src/util.js'
import { median, type Bench } from './row.js'

const run = promisify(execFile)
const program = join(packageRoot, 'dist', 'src', 'main.js')

/** How long commands take from their start to their end, beside a Node that does nothing. */
export const bench: Bench = async function* ({ quick, say }) {
  const rounds = quick ? 3 : 20
  // It answers at once, so that the command is what is measured.
  const server = createServer((request, response) => {
    const isHealth = request.url === '/v1/health'
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(isHealth ? { ready: true, reasons: [], event_cursor: 'a.1' } : nodes))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    for (const [what, args, aim] of [
      ['version', ['version'], 2.5],
      ['status --help', ['status', '--help'], 3.5],
      ['status of 100 nodes', ['status', '--url', url], 5]
    ] as const) {
      say(what)
      const ours: number[] = []
      const theirs: number[] = []
      for (let round = 0; round < rounds; round++) {
        ours.push(await timeOf([program, ...args]))
        theirs.push(await timeOf(['-e', '0']))
      }
      yield {
        what: `zeek-cluster ${what}`,
        figure: 'ms from start to end',
        ours: median(ours),
        baseline: 'node -e 0',
        theirs: median(theirs),
        aim: { atMost: aim },
        rounds: ours.map((ms, round) => ms / theirs[round]!)
      }
    }
  } finally {
    server.close()
  }
}

/** Stopped nodes: no samples are asked for. */
const nodes = {
  nodes: Array.from({ length: 100 }, (_, at) => ({
    instance: `sensor-${at % 10}`,
    node: `worker-${at}`,
    state: 'STOPPED',
    desired_state: 'STOPPED',
    mgmt_role: 'NODE',
    cluster_role: 'WORKER',
    since: '2026-11-22T14:48:56.123Z',
    reason: 'stopped'
  })),
  event_cursor: 'a.1'
}

async function timeOf(args: readonly string[]): Promise<number> {
  const started = performance.now()
  const { NODE_OPTIONS: _options, ...env } = process.env
  await run(process.execPath, [...args], { env })
  return performance.now() - started
}

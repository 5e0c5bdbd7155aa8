/**
 * The API of a started server, tried by schemathesis from its own description: no fault of the server, and no answer
 * that is
 * not described. Not a part of `npm test`: it needs Python, and the network once. FUZZ_RUNS tries that many times as
 * many cases.
 */
import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { roles } from '../../schemas/access.js'
import { packageRoot } from '../../src/util.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, mainProgram } from '../support/environment.js'
import { startHost } from '../support/host.js'
import { freePorts, portFlags } from '../support/ports.js'
import { install } from '../support/install.js'
import { runs } from '../support/runs.js'
import { anyStream } from './streams.js'

const installed = await install('schemathesis', '4.32.5')
if (installed.missing !== undefined) {
  console.error(`skipped: ${installed.missing}: schemathesis (PyPI) does not try the API`)
}
const here = (name: string) => join(packageRoot, 'test', 'fuzz', name)
const seed = process.env['FUZZ_SEED'] ?? String(Math.floor(Math.random() * 2 ** 31))

/**
 * A controller with an agent, whose instance is that of the examples: what they stage is deployed, by the stand-in for
 * Zeek.
 */
async function start(t: Test, flags: Record<string, string> = {}) {
  const directory = directoryOf(t)
  const [http, agents] = await freePorts(2)
  const all = {
    'management-state-dir': directory,
    'management-log-level': 'error',
    'controller-name': 'controller',
    'controller-websocket-port': String(http),
    'controller-port': String(agents),
    'controller-connect-grace': '0.2',
    'controller-timeout-max': '2147483',
    ...portFlags(),
    'agent-name': 'agent-sensor-1',
    'agent-controller': `127.0.0.1:${agents}`,
    'agent-stop-timeout': '2',
    ...flags
  }
  const host = await startHost(t, all)
  return { url: `http://127.0.0.1:${http}`, directory, output: host.output }
}

/** Has schemathesis try the operations, streams apart, and expects that it finds nothing. */
async function tryOut(
  t: Test,
  { url, directory }: { url: string; directory: string },
  examples: number,
  more: string[] = []
): Promise<void> {
  const args = [
    '--config-file',
    here('schemathesis.toml'),
    'run',
    `${url}/openapi.yaml`,
    '--url',
    url,
    '--exclude-operation-id-regex',
    '^stream_',
    '--max-examples',
    String(examples),
    '--seed',
    seed,
    ...more
  ]
  const { code, output } = await new Promise<{ code: unknown; output: string }>(resolve => {
    execFile(
      installed.command,
      args,
      { env: { ...cleanEnv, SCHEMATHESIS_HOOKS: here('hooks.py') }, cwd: directory, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, output: stdout + stderr })
    )
  })
  t.comment(`seed ${seed}: ${/\d+ generated.*/.exec(output)?.[0] ?? 'no cases'}`)
  t.match(output, /[1-9]\d* generated/)
  if (code !== 0) t.comment(/=+ (?:ERRORS|FAILURES) .*/s.exec(output)?.[0] ?? output)
  t.equal(code, 0, 'nothing was found')
}

const options = { timeout: 1_700_000, buffered: true }
// Each has a server of its own.
t.jobs = 2

void t.test('whoever may do everything', { ...options, skip: installed.missing ?? false }, async t => {
  const server = await start(t)
  await tryOut(t, server, runs(4))
  t.notMatch(server.output.stdout + server.output.stderr, /"level":"ERROR"/)
})

void t.test('each role, and who has no token', { ...options, skip: installed.missing ?? false }, async t => {
  const server = await start(t, {
    'controller-authentication': 'token',
    'agent-controller': 'none',
    'agent-port': String((await freePorts(1))[0])
  })
  for (const role of roles) {
    const { stdout } = spawnSync(
      process.execPath,
      [
        mainProgram,
        'token',
        'create',
        '--offline',
        '--role',
        role,
        '--name',
        role === 'agent' ? 'agent-sensor-1' : role,
        `--management-state-dir=${server.directory}`
      ],
      { env: cleanEnv, encoding: 'utf8' }
    )
    await tryOut(t, server, runs(1), [
      '--phases',
      'examples,fuzzing',
      '--header',
      `Authorization: Bearer ${stdout.trim()}`
    ])
  }
  await tryOut(t, server, runs(1), ['--phases', 'examples,fuzzing'])
})

void t.test('streams of events', options, async t => {
  const { url } = await start(t)
  await anyStream(t, url, runs(100))
})

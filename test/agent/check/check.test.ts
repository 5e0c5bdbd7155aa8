import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AssignedNode, Share } from '../../../schemas/agent.js'
import { NodeChecks } from '../../../src/agent/check/check.js'
import type { HostProbes } from '../../../src/agent/check/host-probes.js'
import { goodHost } from '../../support/agent.js'
import { ourScripts } from '../../../src/zeek/command.js'
import { renderOptions } from '../../../src/zeek/options.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv, standIn } from '../../support/environment.js'
import { settingsOf } from '../../support/settings.js'
import { until } from '../../support/until.js'

const none = () => ({ pids: new Set<number>(), ports: new Set<number>() })
const never = new AbortController().signal

function shareOf(...nodes: Partial<AssignedNode>[]): Share {
  const all = nodes.map((node, n): AssignedNode => ({
    name: `worker-${n + 1}`,
    instance: 'agent-a',
    role: 'WORKER',
    interface: 'lo',
    metrics_port: 39_001 + n,
    ...node
  }))
  const layoutNodes = [
    { name: 'manager', role: 'MANAGER' as const, host: '127.0.0.1', port: 39_000 },
    ...all.map(({ name, role }) => ({ name, role, host: '127.0.0.1' }))
  ]
  return {
    config_id: 'c',
    layout: {
      backend: 'zeromq',
      nodes: layoutNodes,
      hub: { node: 'manager', host: '127.0.0.1', xpub_port: 39_200, xsub_port: 39_201 }
    },
    nodes: all
  }
}

/** Checks of an agent with a state directory of its own. */
function start(
  t: Test,
  {
    bin = standIn,
    host = {},
    timeoutMs,
    env = {}
  }: { bin?: string; host?: Partial<HostProbes>; timeoutMs?: number; env?: NodeJS.ProcessEnv } = {}
) {
  const noBundle = async () => {
    throw new Error('there is none')
  }
  const directory = directoryOf(t)
  const settings = settingsOf({ 'management-state-dir': directory, 'agent-name': 'agent-a', bin })
  const checks = new NodeChecks(
    { settings, env: { ...cleanEnv, ...env } },
    { ...goodHost, ...host },
    noBundle,
    timeoutMs
  )
  return {
    directory,
    checks,
    check: (share: Share, signal = never) =>
      checks.check(
        share,
        share.nodes.map(({ name }) => name),
        none,
        signal
      ),
    left: () => readdirSync(join(directory, 'checks'))
  }
}

/** A zeek that does this when it is to parse, and is the stand-in otherwise. */
function zeek(t: Test, script: string): string {
  const path = join(directoryOf(t), 'zeek')
  writeFileSync(path, `#!/bin/sh\nif [ "$1" != -a ]; then exec ${standIn} "$@"; fi\n${script}\n`, { mode: 0o755 })
  return path
}

await t.test('a good node is told so, and nothing is left', async t => {
  const { check, left } = start(t)
  t.same(await check(shareOf({ options: { 'Demo::level': '5' } })), [
    { success: true, instance: 'agent-a', node: 'worker-1', data: { findings: [] } }
  ])
  t.same(left(), [])
})

await t.test('each node has its own outcome, with file and line of what is wrong', async t => {
  const { check } = start(t)
  const file = join(directoryOf(t), 'site.zeek')
  writeFileSync(file, 'event zeek_init()\n\t{\n\t}}\n')
  const outcomes = await check(
    shareOf({ scripts: ['nosuchscript'] }, { options: { 'Foo::bar': '1', 'Foo::baz': '2' } }, { scripts: [file] }, {})
  )
  t.match(outcomes, [
    {
      success: false,
      node: 'worker-1',
      error: "can't find nosuchscript",
      data: { findings: [{ level: 'error', message: "can't find nosuchscript" }] }
    },
    {
      success: false,
      node: 'worker-2',
      error: 'options.zeek:8: "redef" used but not previously defined (Foo::bar)',
      data: { findings: [{}, { message: '"redef" used but not previously defined (Foo::baz)', file: 'options.zeek' }] }
    },
    {
      success: false,
      node: 'worker-3',
      error: `${file}:3: syntax error, at or near "}"`,
      data: { findings: [{ level: 'error', message: 'syntax error, at or near "}"', file, line: 3 }] }
    },
    { success: true, node: 'worker-4' }
  ])
})

await t.test('a node that is not in the share is unknown', async t => {
  const { checks } = start(t)
  t.match(await checks.check(shareOf(), ['ghost'], none, never), [
    { success: false, node: 'ghost', error: 'unknown cluster node' }
  ])
})

await t.test("it is the node's command line and environment, without taskset, with a layout of its own", async t => {
  const { check, directory } = start(t, {
    bin: zeek(
      t,
      'cat /proc/$$/cmdline > "$WITNESS.command"; cat /proc/$$/environ > "$WITNESS.environ"; pwd > "$WITNESS.cwd"; cat "$(echo $ZEEKPATH | cut -d: -f1)/cluster-layout.zeek" > "$WITNESS.layout"; ls "$(echo $ZEEKPATH | cut -d: -f1)" > "$WITNESS.scripts"; cat "$(echo $ZEEKPATH | cut -d: -f1)/nodes/worker-1/options.zeek" > "$WITNESS.options"; true'
    ),
    env: { ZEEK_AGENT_TOKEN: 'secret' }
  })
  const witness = join(directoryOf(t), 'w')
  t.match(
    await check(
      shareOf({ cpu_affinity: 0, scripts: ['local'], options: { 'Demo::x': 'y' }, env: { WITNESS: witness } })
    ),
    [{ success: true }]
  )
  const seen = (what: string) => readFileSync(`${witness}.${what}`, 'utf8')
  const command = seen('command').split('\0')
  t.notOk(command.includes('taskset'))
  t.same(command.slice(command.indexOf('-a'), command.indexOf('-a') + 6), [
    '-a',
    'policy/frameworks/cluster/backend/zeromq',
    'zeek-cluster-defaults.zeek',
    '-i',
    'lo',
    'local'
  ])
  t.same(command.slice(-3), [
    '-e',
    '@load nodes/worker-1/options.zeek\nredef LogAscii::enable_leftover_log_rotation = F;',
    ''
  ])
  t.equal(seen('options'), renderOptions({ 'Demo::x': 'y' }), "its options are in this check's directory")
  const environ = seen('environ').split('\0')
  for (const entry of ['ZEEKCTL_CHECK_CONFIG=1', 'ZEEKCTL_DISABLE_LISTEN=1', 'CLUSTER_NODE=worker-1']) {
    t.ok(environ.includes(entry), entry)
  }
  t.notOk(environ.some(entry => entry.includes('secret')))
  t.notOk(
    environ.some(entry => /^(ZEEK_CLUSTER_CONTROLLER_CHANNEL|INVOCATION_ID)=/.test(entry)),
    'it does not talk with the agent'
  )
  t.match(seen('layout'), /\["worker-1"\]/)
  t.same(seen('scripts').trim().split('\n'), ['cluster-layout.zeek', 'nodes', ...[...ourScripts].sort()])
  t.ok(seen('cwd').startsWith(join(directory, 'checks')))
  const own = join(directory, 'nodes', 'worker-1')
  mkdirSync(own, { recursive: true })
  await check(shareOf({ env: { WITNESS: witness } }))
  t.equal(seen('cwd').trim(), own, 'its own directory, once there is one')
  t.notOk(existsSync(join(directory, 'cluster')), 'the layout of what runs is not touched')
})

await t.test('a zeek that fails without a word of why has its last lines told, or how it ended', async t => {
  const results = async (script: string) => (await start(t, { bin: zeek(t, script) }).check(shareOf({})))[0]
  t.match(await results('echo one >&2; echo two >&2; exit 3'), { success: false, error: 'one\ntwo' })
  t.match(await results('exit 3'), { success: false, error: 'zeek -a exited with code 3' })
  t.match(await results('kill -SEGV $$'), { success: false, error: 'zeek -a was killed by SIGSEGV' })
  t.match(await results('echo warning in /x.zeek, line 7: deprecated >&2'), {
    success: true,
    data: { findings: [{ level: 'warning', file: '/x.zeek', line: 7, message: 'deprecated' }] }
  })
})

await t.test('without zeek, each node says why', async t => {
  const { check } = start(t, { bin: '/nosuchdirectory/zeek' })
  t.match(
    await check(shareOf({}, {})),
    [1, 2].map(n => ({
      success: false,
      node: `worker-${n}`,
      error: '/nosuchdirectory/zeek is not an executable (ZEEK_BIN)',
      data: { findings: [{ level: 'error' }] }
    }))
  )
})

await t.test('what the host says counts, too', async t => {
  const { check } = start(t, {
    host: { interface: async device => (device === 'lo' ? 'up' : 'missing'), free: async () => 3 }
  })
  t.match(await check(shareOf({}, { interface: 'eth9', scripts: ['nosuchscript'] })), [
    { success: true, data: { findings: [{ level: 'warning', message: /^3\.0 % / }] } },
    {
      success: false,
      error: "can't find nosuchscript",
      data: { findings: [{}, { level: 'error', message: 'interface eth9 does not exist' }, { level: 'warning' }] }
    }
  ])
})

const isAlive = (pid: number) =>
  existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))

await t.test('a zeek that hangs is killed, with its children, when its time is over', async t => {
  const pids = join(directoryOf(t), 'pids')
  const { check, left } = start(t, {
    bin: zeek(t, `sleep 1000 & echo $! $$ > ${pids}; echo warning: slow >&2; wait`),
    timeoutMs: 4000
  })
  t.match(await check(shareOf({})), [
    { success: false, error: 'zeek -a has not ended within 4 seconds', data: { findings: [{}, { message: 'slow' }] } }
  ])
  for (const pid of readFileSync(pids, 'utf8').trim().split(' ').map(Number)) {
    await until(() => !isAlive(pid), `${pid} is killed`)
  }
  t.same(left(), [])
})

await t.test('whoever asked gives up: what runs is killed, what waits is not begun', async t => {
  const begun = join(directoryOf(t), 'begun')
  const { check, left } = start(t, { bin: zeek(t, `echo $$ >> ${begun}; sleep 1000`) })
  const asker = new AbortController()
  const count = availableParallelism() + 8
  const share = shareOf(...Array.from({ length: count }, (_, n) => ({ env: { OF_ITS_OWN: String(n) } })))
  const checking = check(share, asker.signal)
  await until(() => existsSync(begun) && readFileSync(begun, 'utf8') !== '', 'one has begun')
  asker.abort()
  const outcomes = await checking
  t.equal(outcomes.length, count)
  t.ok(outcomes.every(({ success, error }) => !success && error === 'request timed out'))
  const pids = readFileSync(begun, 'utf8').trim().split('\n')
  t.ok(pids.length < count, 'no more at a time than there are processors')
  for (const pid of pids) await until(() => !isAlive(Number(pid)), `${pid} is killed`)
  t.same(left(), [])
})

await t.test('a huge stderr is read to its end, and findings are bounded', async t => {
  const { check } = start(t, {
    bin: zeek(
      t,
      'yes "warning in /x.zeek, line 1: deprecated" | head -c 20000000 >&2; echo "error: the last" >&2; exit 1'
    )
  })
  const [outcome] = await check(shareOf({}))
  t.match(outcome, { success: false, error: 'the last' })
  t.equal(outcome!.data!.findings!.length, 100)
})

await t.test('two checks at once do not disturb each other', async t => {
  const { check, left } = start(t)
  const outcomes = await Promise.all([check(shareOf({ scripts: ['nosuchscript'] })), check(shareOf({}))])
  t.same(
    outcomes.map(([outcome]) => outcome!.success),
    [false, true]
  )
  t.same(left(), [])
})

await t.test('what a killed agent has left is cleaned up', async t => {
  const { directory, checks } = start(t)
  const left = join(directory, 'checks', 'check-123456')
  mkdirSync(left, { recursive: true })
  const [orphan, other] = [left, join(directory, 'cluster')].map(scripts =>
    spawn('sleep', ['1000'], { env: { PATH: process.env.PATH, ZEEKPATH: `${scripts}:.` } })
  )
  t.teardown(() => other!.kill('SIGKILL'))
  const gone = once(orphan!, 'exit')
  await checks.clean()
  t.same((await gone)[1], 'SIGKILL')
  t.equal(other!.signalCode, null, 'a node is left alone')
  t.notOk(existsSync(join(directory, 'checks')))
})

await t.test('secrets that Zeek quotes are masked', async t => {
  const { check } = start(t, {
    bin: zeek(t, 'echo "error in <params>, line 1: syntax error, at or near \\"hunter2-hunter2\\"" >&2; exit 1')
  })
  t.match(await check(shareOf({ options: { 'Demo::password': 'hunter2-hunter2' } })), [
    { success: false, error: '<params>:1: syntax error, at or near "********"' }
  ])
})

/** A zeek that writes down, in the order in which they begin, the node of each parse. */
function counted(t: Test, then = 'true') {
  const file = join(directoryOf(t), 'parses')
  writeFileSync(file, '')
  return {
    bin: zeek(t, `echo $CLUSTER_NODE >> ${file}; ${then}; exec ${standIn} "$@"`),
    parses: () => readFileSync(file, 'utf8').trim().split('\n')
  }
}

await t.test('what is the same to a parse is parsed once, and found of each node', async t => {
  const { bin, parses } = counted(t)
  const { check } = start(t, { bin })
  const same = { scripts: ['nosuchscript'], options: { 'Demo::level': '5' }, env: { X: '1', Y: '2' } }
  const outcomes = await check(
    shareOf(
      same,
      { ...same, interface: 'any', cpu_affinity: 0, metrics_port: 39_900 },
      { ...same, env: { Y: '2', X: '1' } }
    )
  )
  t.match(
    outcomes,
    [1, 2, 3].map(n => ({ success: false, node: `worker-${n}`, error: "can't find nosuchscript" }))
  )
  t.same(parses(), ['worker-1'])
})

await t.test('nodes that differ in scripts, options, environment or role are parsed apart', async t => {
  const { bin, parses } = counted(t)
  await start(t, { bin }).check(
    shareOf({}, { scripts: ['local'] }, { options: { 'Demo::level': '5' } }, { env: { X: '1' } }, { role: 'PROXY' }, {})
  )
  t.same(parses().sort(), ['worker-1', 'worker-2', 'worker-3', 'worker-4', 'worker-5'])
})

await t.test('facts of its host are of each node, however many are parsed as one', async t => {
  const { check } = start(t, {
    host: {
      interface: async device => (device === 'eth9' ? 'missing' : 'up'),
      unpinnable: async cpu => (cpu === 7 ? 'no processor 7' : undefined)
    }
  })
  t.match(await check(shareOf({}, { interface: 'eth9' }, { cpu_affinity: 7 })), [
    { success: true },
    { error: 'interface eth9 does not exist' },
    { error: 'no processor 7' }
  ])
})

await t.test('nodes whose scripts ask in an @if which node they are are parsed each', async t => {
  const { bin, parses } = counted(t)
  const directory = directoryOf(t)
  writeFileSync(join(directory, 'site.zeek'), '@load ./inner\n')
  const load = (text: string) => {
    writeFileSync(join(directory, 'inner.zeek'), text)
    return start(t, { bin }).check(
      shareOf({ scripts: [join(directory, 'site.zeek')] }, { scripts: [join(directory, 'site.zeek')] })
    )
  }
  await load('@if ( Cluster::local_node_type() == Cluster::WORKER )\nprint Cluster::node;\n@endif\n')
  t.same(parses(), ['worker-1'], 'the role is the same')
  await load('@if ( T &&\n  Cluster::node == "worker-2" )\n@load nosuchscript\n@endif\n')
  t.same(parses().sort(), ['worker-1', 'worker-1', 'worker-2'])
})

await t.test('a script in the directory of one node does not speak for the others', async t => {
  const { bin, parses } = counted(t)
  const { check, directory } = start(t, { bin })
  mkdirSync(join(directory, 'nodes', 'worker-2'), { recursive: true })
  writeFileSync(join(directory, 'nodes', 'worker-2', 'own.zeek'), '')
  t.match(await check(shareOf({ scripts: ['own'] }, { scripts: ['own'] })), [
    { success: false, error: "can't find own" },
    { success: true }
  ])
  t.same(parses().sort(), ['worker-1', 'worker-2'])
})

await t.test(
  'what took longest last time is begun first',
  { skip: availableParallelism() < 2 && 'one at a time' },
  async t => {
    const [directory, count] = [directoryOf(t), availableParallelism() + 2]
    const [ends, slow, quick] = ['ends', 'slow.zeek', 'quick.zeek'].map(name => join(directory, name)) as [
      string,
      string,
      string
    ]
    // It ends when all the others have, which take their turns beside it: so it takes longer than each of them.
    const { bin, parses } = counted(
      t,
      `if [ -n "$QUICK" ]; then echo >> ${ends}; exit 0; fi; while [ $(wc -l < ${ends}) -lt ${count} ]; do sleep 0.05; done; exit 0`
    )
    const { check } = start(t, { bin })
    const share = shareOf(
      ...Array.from({ length: count }, (_, n) => ({ scripts: [quick], env: { QUICK: String(n) } })),
      { scripts: [slow] }
    )
    const run = async (larger: string, smaller: string) => {
      for (const [path, text] of [
        [`${larger}.other.zeek`, ''],
        [larger, `@load ${larger}.other.zeek`],
        [smaller, ''],
        [ends, '']
      ] as const) {
        writeFileSync(path, text)
      }
      const before = parses()
      t.ok((await check(share)).every(({ success }) => success))
      return parses().slice(before[0] === '' ? 0 : before.length)
    }
    const name = share.nodes.at(-1)!.name
    t.ok((await run(slow, quick)).slice(0, availableParallelism()).includes(name), 'it has more scripts')
    t.ok(
      (await run(quick, slow)).slice(0, availableParallelism()).includes(name),
      'it has fewer, but its time is known'
    )
  }
)

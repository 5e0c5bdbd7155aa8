import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AssignedNode } from '../../../schemas/agent.js'
import { Replays } from '../../../src/agent/check/replays.js'
import { useOf } from '../../../src/bundles/use.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv, standIn } from '../../support/environment.js'
import { pcapOf } from '../../support/pcap.js'
import { settingsOf } from '../../support/settings.js'
import { until } from '../../support/until.js'

const never = new AbortController().signal
const id = 'a'.repeat(64)

/** An agent's readings, of a bundle with these files. */
function start(t: Test, { bin = standIn, flags = {}, files = {} }: Given = {}) {
  const [state, bundle] = [directoryOf(t), directoryOf(t)]
  const all: Record<string, string | Buffer> = { 'checks/three.pcap': pcapOf(3), ...files }
  for (const part of ['checks', 'scripts']) mkdirSync(join(bundle, part))
  for (const [path, content] of Object.entries(all)) writeFileSync(join(bundle, path), content)
  const listed = Object.keys(all).map(path => ({ path, executable: false, size: 0, sha256: '' }))
  const settings = settingsOf({ 'management-state-dir': state, 'agent-name': 'agent-a', bin, ...flags })
  const replays = new Replays({ settings, env: cleanEnv }, async () => useOf(bundle, listed))
  return {
    state,
    bundle,
    left: () => (existsSync(join(state, 'checks')) ? readdirSync(join(state, 'checks')) : []),
    replay: async (file = 'checks/three.pcap', node: Partial<AssignedNode> = {}, signal = never) => {
      const worker: AssignedNode = { name: 'worker-1', instance: 'agent-a', role: 'WORKER', interface: 'lo', ...node }
      const layout = {
        backend: 'zeromq' as const,
        nodes: [{ name: 'worker-1', role: 'WORKER' as const, host: '127.0.0.1' }]
      }
      const share = async () => ({ config_id: 'c', layout, bundle: id, nodes: [worker] })
      return await replays.replay(share, { node: 'worker-1', bundle: id, file }, signal)
    }
  }
}
interface Given {
  bin?: string
  flags?: Record<string, string>
  files?: Record<string, string | Buffer>
}

/** A zeek that does this when it is to read a capture, and is the stand-in otherwise. */
function zeek(t: Test, script: string): string {
  const path = join(directoryOf(t), 'zeek')
  writeFileSync(path, `#!/bin/sh\nif [ "$1" != -C ]; then exec ${standIn} "$@"; fi\n${script}\n`, { mode: 0o755 })
  return path
}

await t.test('the lines of each log are counted, and nothing is left', async t => {
  const { replay, left } = start(t)
  const { seconds, memory_bytes: memory, ...rest } = await replay()
  t.same(rest, {
    logs: [
      { log: 'conn', lines: 3 },
      { log: 'packet_filter', lines: 1 }
    ],
    findings: []
  })
  // A short one may have been looked at only in its first moments.
  t.ok(seconds > 0 && memory > 0, `${seconds} s, ${memory} bytes`)
  t.same(left(), [])
})

await t.test('what the node loads counts, wherever its logs go otherwise', async t => {
  const { replay, state } = start(t, {
    files: { 'scripts/local.zeek': 'event zeek_init() { Log::disable_stream(Conn::LOG); }\n' }
  })
  const elsewhere = join(state, 'elsewhere')
  mkdirSync(elsewhere)
  const options = { 'Log::default_logdir': elsewhere, 'Cluster::Backend::ZeroMQ::ipv6': 'T', 'Demo::level': '5' }
  t.match(await replay(undefined, { options }), { logs: [{ log: 'packet_filter', lines: 1 }], error: undefined })
  t.same(readdirSync(elsewhere), [])
  t.match(await replay(undefined, { options: { 'Foo::bar': '1' } }), {
    error: 'zeek exited with code 1: "redef" used but not previously defined (Foo::bar)',
    findings: [{ level: 'error', file: 'options.zeek' }]
  })
})

await t.test('it is no node of the cluster, reads no interface, and has others go first', async t => {
  const file = join(directoryOf(t), 'seen')
  const bin = zeek(t, `{ echo "$@"; env; ps -o ni= -p $$; } > ${file}`)
  const { replay, bundle } = start(t, { bin })
  await replay(undefined, { scripts: ['./beside.zeek'], env: { SITE: 'berlin' } })
  const [command, ...rest] = readFileSync(file, 'utf8').trim().split('\n')
  t.match(
    command,
    new RegExp(`^-C -r ${bundle}/checks/three.pcap zeek-cluster-defaults.zeek /.*/nodes/worker-1/beside.zeek `)
  )
  t.notMatch(command, / -i | zeromq|backend/)
  const names = rest.map(line => line.split('=')[0])
  t.notOk(
    names.some(name => /^CLUSTER_NODE$|^ZEEK_CLUSTER_CONTROLLER_/.test(name!)),
    names.join(' ')
  )
  t.ok(rest.includes('SITE=berlin') && rest.includes('ZEEKCTL_DISABLE_LISTEN=1'))
  t.ok(Number(rest.at(-1)) >= 10)
})

await t.test('logs that are rotated and stores stay where it reads, whatever the node has', async t => {
  const seen = join(directoryOf(t), 'seen')
  const { replay } = start(t, {
    bin: zeek(t, `cat "$(echo $ZEEKPATH | cut -d: -f1)/nodes/worker-1/options.zeek" > ${seen}`)
  })
  const options = {
    'Cluster::default_store_dir': '/var/stores',
    'Log::default_rotation_dir': '/var/log-queue',
    'Log::default_rotation_postprocessor_cmd': 'archive'
  }
  t.equal((await replay(undefined, { options })).error, undefined)
  const set = [...readFileSync(seen, 'utf8').matchAll(/^redef (\S+) = "(.*)";$/gm)].map(([, name, value]) => [
    name,
    value
  ])
  t.match(Object.fromEntries(set), {
    'Cluster::default_store_dir': '.',
    'Log::default_rotation_dir': /^$/,
    'Log::default_rotation_postprocessor_cmd': /^$/
  })
})

await t.test('what keeps Zeek from reading it is its error', async t => {
  const files = { 'checks/text.pcap': 'no packets at all', 'checks/cut.pcap': pcapOf(2).subarray(0, 100) }
  const { replay, left } = start(t, { files })
  t.match(
    (await replay('checks/text.pcap')).error,
    /^zeek exited with code 1: problem with trace file .*unknown file format/
  )
  t.match((await replay('checks/none.pcap')).error, / \(unable to open .*none.pcap: No such file or directory\)$/)
  t.match(await replay('checks/cut.pcap'), { error: /failed to read a packet/, logs: [{ log: 'packet_filter' }] })
  t.match((await replay(undefined, { name: 'other' })).error, 'unknown cluster node')
  t.match((await replay(undefined, { env: { STAND_IN: 'exit=3' } })).error, 'zeek exited with code 3: told to exit')
  t.match((await start(t, { bin: '/no/zeek' }).replay()).error, '/no/zeek is not an executable')
  t.same(left(), [])
})

await t.test('reports that say the same are told once, and secrets not at all', async t => {
  const line = '1700000000.100000 warning in /x.zeek, line 6: key is verysecret'
  const { replay } = start(t, { bin: zeek(t, `for i in 1 2 3; do echo "${line}" >&2; done; echo text >&2`) })
  t.same((await replay(undefined, { options: { 'Demo::api_key': 'verysecret' } })).findings, [
    { level: 'warning', message: 'key is ********', file: '/x.zeek', line: 6 }
  ])
})

await t.test('it ends at its limits, with what it has started', async t => {
  const pid = join(directoryOf(t), 'pid')
  const bin = zeek(t, `sleep 600 & echo $! > ${pid}; wait`)
  const isGone = async () =>
    await until(() => !existsSync(`/proc/${readFileSync(pid, 'utf8').trim()}`), 'its child is gone')
  const slow = start(t, { bin, flags: { 'agent-capture-timeout': '0.5' } })
  t.equal((await slow.replay()).error, 'zeek has not ended within 0.5 seconds (agent_capture_timeout)')
  await isGone()
  t.same(slow.left(), [])

  const large = start(t, { flags: { 'agent-capture-memory-max': '1000000' } })
  const { error, memory_bytes: memory } = await large.replay(undefined, { env: { STAND_IN: 'hang' } })
  t.equal(error, 'zeek uses more than 1000000 bytes of memory (agent_capture_memory_max)')
  t.ok(memory > 1_000_000)
  t.same(large.left(), [])
})

await t.test('half of a secret in a line that was cut is not told either', async t => {
  const { replay } = start(t, { bin: zeek(t, `printf '%4090sverysecret\\nthe end\\n' '' >&2; exit 1`) })
  const { error } = await replay(undefined, { options: { 'Demo::api_key': 'verysecret' } })
  t.match(error, /\*{8}\nthe end$/)
  t.notMatch(error, 'verys')
})

await t.test('what a script of zeek has started counts as its memory', async t => {
  const bin = zeek(t, `${standIn} "$@" & wait`)
  const { replay } = start(t, { bin, flags: { 'agent-capture-memory-max': '20000000' } })
  t.match(
    (await replay(undefined, { env: { STAND_IN: 'hang' } })).error,
    /^zeek uses more than 20000000 bytes of memory/
  )
})

await t.test('it writes no more than it may, wherever in its directory, and however it is called', async t => {
  const flags = { 'agent-capture-disk-max': '3000000', 'agent-capture-timeout': '30' }
  const many = 'for i in $(seq 1000); do : > $i.txt; done; sleep 60'
  for (const script of ['yes > conn.log', 'mkdir more; yes > more/$(printf "\\377")', many]) {
    const { replay, left } = start(t, { bin: zeek(t, script), flags })
    t.equal(
      (await replay()).error,
      'zeek writes more than 3000000 bytes (agent_capture_disk_max, or half of what is free)'
    )
    t.same(left(), [])
  }
})

await t.test('only files are logs, and any name is one', async t => {
  const script =
    'mkdir a.log; mkfifo b.log; ln -s /dev/zero c.log; echo 1 > "$(printf "d\\377").log"; echo 1 > "e f.log"'
  t.match(await start(t, { bin: zeek(t, script) }).replay(), {
    error: undefined,
    logs: [
      { log: 'd\ufffd', lines: 1 },
      { log: 'e f', lines: 1 }
    ]
  })
})

await t.test('logs that cannot all be told are an error: one that is left out would look lost', async t => {
  const { replay } = start(t, { bin: zeek(t, 'for i in $(seq 1001); do echo 1 > $i.log; done') })
  t.match(await replay(), { error: 'zeek has written 1001 logs: 1000 can be compared', logs: [] })
})

await t.test('what Zeek has started ends with it, wherever it is', async t => {
  const pid = join(directoryOf(t), 'pid')
  const command = `while :; do echo line >> "$0.$$"; done`
  const { replay, left } = start(t, {
    bin: zeek(t, `setsid sh -c '${command}' "$PWD/more" > /dev/null 2>&1 & echo $! > ${pid}; sleep 0.2`)
  })
  t.equal((await replay()).error, undefined)
  await until(() => !existsSync(`/proc/${readFileSync(pid, 'utf8').trim()}`), 'it is gone')
  t.same(left(), [])
})

await t.test('it ends with its request, and so does one that waits for its turn', async t => {
  const { replay, left } = start(t, { bin: zeek(t, 'sleep 600') })
  const [first, second] = [new AbortController(), new AbortController()]
  const both = Promise.allSettled([replay(undefined, {}, first.signal), replay(undefined, {}, second.signal)])
  await until(() => left().length === 1, 'one is read, and one only')
  second.abort()
  first.abort()
  const late = { status: 'rejected', reason: { code: 'timeout', message: 'request timed out' } }
  t.match(await both, [late, late])
  t.same(left(), [])
})

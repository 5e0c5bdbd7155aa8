import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AssignedNode } from '../../../schemas/agent.js'
import type { Outcome } from '../../../schemas/types.js'
import type { ManagedNode } from '../../../src/agent/nodes/managed-node.js'
import type { NodeTable } from '../../../src/agent/nodes/node-table.js'
import { OutputFollower } from '../../../src/agent/outputs/output-follower.js'
import { getNodeOutput } from '../../../src/agent/outputs/outputs.js'
import { secretNames } from '../../../src/security/secret-names.js'
import { mask } from '../../../src/security/secrets.js'
import { Output } from '../../../src/supervisor/output.js'
import { directoryOf } from '../../support/directory.js'
import { until } from '../../support/until.js'

/** Nodes as the table has them, each with a directory; the node `it` by default. */
function nodesIn(directory: string, names = ['it'], more: Partial<AssignedNode> = {}) {
  const nodes = new Map(
    names.map(name => {
      mkdirSync(join(directory, name), { recursive: true })
      return [
        name,
        {
          node: { name, ...more },
          program: { cwd: join(directory, name) },
          runtimeOptions: []
        } as unknown as ManagedNode
      ]
    })
  )
  const each = async (names: readonly string[], job: (node: ManagedNode) => Promise<object>) =>
    await Promise.all(
      names.map(
        async (node): Promise<Outcome> =>
          await job(nodes.get(node)!).then(
            data => ({ success: true, node, data }),
            error => ({ success: false, node, error: error.message })
          )
      )
    )
  const table = { get: (name: string) => nodes.get(name), each } as unknown as NodeTable
  return { nodes, table, path: (file: string, name = 'it') => join(directory, name, file) }
}

function start(t: Test, more: Partial<AssignedNode> = {}, names = ['it']) {
  const directory = directoryOf(t)
  const { nodes, table, path } = nodesIn(directory, names, more)
  const ask = async (params: Partial<Parameters<typeof getNodeOutput>[1]> = {}) =>
    await getNodeOutput(
      table,
      { nodes: names, lines: 100, incarnation: 0, ...params },
      { signal: new AbortController().signal, part: () => {} }
    )
  return { directory, nodes, table, path, ask, first: async (params = {}) => (await ask(params))[0]! }
}

/** A follow request, what it has told so far, and how to give it up. */
function follow(
  t: Test,
  table: NodeTable,
  params: Partial<Parameters<typeof getNodeOutput>[1]> = {},
  limits: { duration?: number; max_lines?: number } = {}
) {
  const abort = new AbortController()
  const parts: { node: string; stream: string; lines: string[] }[] = []
  const answer = getNodeOutput(
    table,
    {
      nodes: ['it'],
      stream: 'stdout',
      lines: 10,
      incarnation: 0,
      follow: { duration: 3600, max_lines: 100_000, ...limits },
      ...params
    },
    { signal: abort.signal, part: part => parts.push(part as (typeof parts)[number]) }
  )
  t.teardown(async () => {
    abort.abort()
    await answer
  })
  const lines = (stream = 'stdout', node = 'it') =>
    parts.filter(part => part.stream === stream && part.node === node).flatMap(part => part.lines)
  const hears = (line: string) =>
    until(() => parts.some(part => part.lines.includes(line)), `it hears ${line.slice(0, 40)}`)
  /** Resolves once it follows: what is written from now on is told. */
  const begun = async (file: string) => {
    for (let n = 0; parts.length === 0; n++) {
      appendFileSync(file, `begun ${n}\n`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    parts.length = 0
    appendFileSync(file, 'now\n')
    await hears('now')
    parts.length = 0
  }
  return { abort, answer, parts, lines, hears, begun }
}

/** The files below a directory that this process holds open. */
const openFiles = (directory: string) =>
  readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory)
    } catch {
      return false
    }
  })

await t.test('the last lines of both outputs, or of the one that is asked for', async t => {
  const { path, first } = start(t)
  writeFileSync(path('stdout'), 'one\ntwo\nthree\n')
  writeFileSync(path('stderr'), 'oh\n')
  t.same(await first({ lines: 2 }), { success: true, node: 'it', data: { stdout: 'two\nthree', stderr: 'oh' } })
  t.same((await first({ stream: 'stderr' })).data, { stderr: 'oh' })
  t.same((await first({ lines: 0 })).data, { stdout: '', stderr: '' })
})

await t.test('earlier incarnations, and an error that tells which there are', async t => {
  const { path, first } = start(t)
  t.equal((await first()).error, 'node it has not run yet')
  writeFileSync(path('stdout'), 'latest\n')
  writeFileSync(path('stdout.1'), 'before\n')
  writeFileSync(path('stderr.2'), 'long ago\n')
  t.same((await first({ incarnation: 1 })).data, { stdout: 'before', stderr: '' })
  t.same((await first({ incarnation: 2 })).data, { stdout: '', stderr: 'long ago' })
  t.equal((await first({ incarnation: 3 })).error, 'there is no output of incarnation 3 of node it: 0, 1, 2 are kept')
  t.match((await first({ incarnation: 1, follow: { duration: 1, max_lines: 1 } })).error, /^incarnation must be 0/)
})

await t.test('what was just rotated is shown with what came after it', async t => {
  const { path, first } = start(t)
  writeFileSync(path('stdout.old'), 'one\ntw')
  writeFileSync(path('stdout'), 'o\nthree\n')
  t.equal((await first({ stream: 'stdout' })).data?.stdout, 'one\ntwo\nthree')
})

await t.test('no more than 256 KiB of each, cut at a line; less of each when there are many', async t => {
  const { path, ask } = start(
    t,
    {},
    Array.from({ length: 100 }, (_, n) => `n${n}`)
  )
  const line = 'x'.repeat(99)
  writeFileSync(path('stdout', 'n0'), `${line}\n`.repeat(10_000))
  const [{ data } = {}] = await ask({ nodes: ['n0'], stream: 'stdout', lines: 10_000 })
  const lines = data!.stdout!.split('\n')
  t.ok(lines.length > 2600 && lines.length <= 2622)
  t.ok(lines.every(text => text === line))
  t.equal(data!.truncated, true)
  t.equal(
    (await ask({ nodes: ['n0'], stream: 'stdout', lines: 10 }))[0]!.data!.truncated,
    undefined,
    'it has all that was asked for'
  )
  const [first] = await ask({ lines: 10_000 })
  t.ok(first!.data!.stdout!.length < 50_000, 'together they stay below 8 MiB')
})

await t.test('one endless line is cut, and bytes that are no text do no harm', async t => {
  const { path, first } = start(t)
  writeFileSync(path('stdout'), 'x'.repeat(1_000_000))
  writeFileSync(path('stderr'), Buffer.from([0xff, 0x41, 0x00, 0x0a, 0xc3]))
  const { data } = await first()
  t.equal(data!.stdout!.length, 256 * 1024)
  t.equal(data!.stderr, '\ufffdA\0\n\ufffd')
})

await t.test('secrets of a node are masked in what it writes', async t => {
  const { path, first, table } = start(t, {
    env: { API_TOKEN: 'hunter22', COLOUR: 'blue' },
    options: { 'Foo::password': 'swordfish', 'Foo::key_secret': 'no' }
  })
  writeFileSync(path('stdout'), 'hunter22 and swordfish are no blue\n')
  const masked = `${mask} and ${mask} are no blue`
  t.equal((await first()).data?.stdout, masked)
  const following = follow(t, table)
  await following.begun(path('stdout'))
  appendFileSync(path('stdout'), 'hunter22 and swordfish are no blue\n')
  await following.hears(masked)
})

await t.test('names of the setting, and what a node inherits, are secret, too', async t => {
  const { path, nodes, first } = start(t, { options: { 'Site::community': 'swordfish' } })
  Object.assign(nodes.get('it')!, {
    isSecret: secretNames('Site::community'),
    program: {
      cwd: nodes.get('it')!.program.cwd,
      env: { ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_SERVER_SECRETKEY: 'hunter22' }
    }
  })
  writeFileSync(path('stdout'), 'hunter22 and swordfish\n')
  t.equal((await first()).data?.stdout, `${mask} and ${mask}`)
})

await t.test('a secret of several lines, or in a line that comes in pieces, is masked in what is followed', async t => {
  const { path, table } = start(t, { env: { SSL_KEY: 'first of it\nsecond of it', API_TOKEN: 'hunter22-swordfish' } })
  const { begun, hears, lines } = follow(t, table)
  await begun(path('stdout'))
  appendFileSync(path('stdout'), 'a first of it\n')
  await hears(`a ${mask}`)
  appendFileSync(path('stdout'), 'second of it\n')
  await hears(mask)
  for (let at = 16 * 1024 - 20; at < 16 * 1024 + 2; at++) {
    appendFileSync(path('stdout'), `${'x'.repeat(at)}hunter22-swordfish${'y'.repeat(20_000)}\n`)
    appendFileSync(path('stdout'), `end ${at}\n`)
    await hears(`end ${at}`)
  }
  const told = lines().join('')
  t.notMatch(told, /hun|nter|ter2|r22|22-|-sw|swor|rdfi|fish/)
  t.equal(told.replaceAll(mask, '').match(/y/g)!.length, 22 * 20_000, 'and nothing else is missing')
})

await t.test('a secret that is cut at the beginning of what is shown is masked', async t => {
  const { path, first } = start(t, { env: { API_TOKEN: 'hunter22-swordfish' } })
  for (let left = 17; left >= 3; left--) {
    writeFileSync(path('stdout'), `${'x'.repeat(50)}hunter22-swordfish${'y'.repeat(256 * 1024 - left)}`)
    t.match((await first()).data?.stdout, /^\*{8}y+$/, `${left} characters are left`)
  }
})

await t.test('following tells the lines that come, after the ones that were there, until there are enough', async t => {
  const { path, table, directory } = start(t)
  writeFileSync(path('stdout'), 'one\ntwo\n')
  writeFileSync(path('stderr'), '')
  const { begun, parts, hears, answer, lines } = follow(t, table, { stream: undefined, lines: 1 }, { max_lines: 1000 })
  await begun(path('stdout'))
  appendFileSync(path('stdout'), 'three\nfo')
  await hears('three')
  appendFileSync(path('stderr'), 'oh\n')
  await hears('oh')
  appendFileSync(path('stdout'), `ur\n${'more\n'.repeat(1000)}`)
  t.match(await answer, [{ success: true, node: 'it', data: { stdout: String, stderr: '', truncated: true } }])
  t.same(lines().slice(0, 3), ['three', 'four', 'more'])
  t.ok(lines().length < 1000)
  t.same(lines('stderr'), ['oh'])
  t.ok(parts.every(part => part.lines.length > 0))
  t.same(openFiles(directory), [])
})

await t.test(
  'the last lines are told at once, in order with those that come, and are none of the most that may come',
  async t => {
    const { path, table } = start(t)
    writeFileSync(path('stdout'), 'one\ntwo\nthree\nfo')
    const { answer, hears, lines } = follow(t, table, { lines: 2 }, { max_lines: 2 })
    await hears('three')
    appendFileSync(path('stdout'), 'ur\nfive\nsix\n')
    t.match(await answer, [{ success: true, data: { stdout: 'two\nthree', truncated: true } }])
    t.same(lines(), ['two', 'three', 'four', 'five'])
  }
)

await t.test('an empty line at the end of what is there is told, too', async t => {
  const { path, table } = start(t)
  writeFileSync(path('stdout'), 'one\n\n')
  const { hears, lines } = follow(t, table)
  await hears('one')
  appendFileSync(path('stdout'), 'two\n')
  await hears('two')
  t.same(lines(), ['one', '', 'two'])
})

await t.test('the lines at the start and those that come fit together, in the middle of a line, too', async t => {
  const directory = directoryOf(t)
  const file = join(directory, 'stdout')
  const follower = new OutputFollower(directory, 'stdout')
  t.teardown(() => follower.end())
  t.equal(await follower.begin(10, 1000), '', 'it has not run yet')
  t.equal(await follower.next(), undefined)
  writeFileSync(file, 'one\ntwo\nunfini')
  t.same(await follower.next(), ['one', 'two'])
  const later = new OutputFollower(directory, 'stdout')
  t.teardown(() => later.end())
  t.equal(await later.begin(1, 1000), 'two')
  t.equal(await later.next(), undefined)
  appendFileSync(file, 'shed\n')
  t.same([await later.next(), await follower.next()], [['unfinished'], ['unfinished']])
})

await t.test('a new run is followed from its first line, and what the one before left unfinished is told', async t => {
  const { path, table, directory } = start(t)
  const output = new Output(join(directory, 'it'), 1 << 20)
  output.open()
  const { begun, hears, lines } = follow(t, table)
  await begun(path('stdout'))
  appendFileSync(path('stdout'), 'one\nlast words')
  output.open()
  appendFileSync(path('stdout'), 'two\n')
  await hears('two')
  for (const name of ['three', 'four', 'five']) {
    output.open()
    appendFileSync(path('stdout'), `${name}\n`)
  }
  await hears('five')
  t.same(lines(), ['one', 'last words', 'two', 'three', 'four', 'five'])
})

await t.test('a rotation is followed without a line lost or told twice', async t => {
  const { path, table, directory } = start(t)
  const output = new Output(join(directory, 'it'), 100)
  output.open()
  const { begun, hears, lines } = follow(t, table)
  await begun(path('stdout'))
  const written = Array.from({ length: 12 }, (_, n) => `line ${n} ${'x'.repeat(90 + n)}`)
  for (const [n, line] of written.entries()) {
    appendFileSync(path('stdout'), `${line}\nunfin`)
    output.rotate()
    appendFileSync(path('stdout'), `ished ${n}\n`)
    await hears(`unfinished ${n}`)
  }
  t.same(
    lines(),
    written.flatMap((line, n) => [line, `unfinished ${n}`])
  )
})

await t.test('a file that someone else empties, or removes, is followed on', async t => {
  const { path, table, directory } = start(t)
  const output = new Output(join(directory, 'it'), 1 << 20)
  output.open()
  const { begun, hears } = follow(t, table)
  await begun(path('stdout'))
  truncateSync(path('stdout'))
  appendFileSync(path('stdout'), 'after\n')
  await hears('after')
  renameSync(path('stdout'), path('elsewhere'))
  writeFileSync(path('stdout'), 'new\n')
  await hears('new')
  rmSync(join(directory, 'it'), { recursive: true })
})

await t.test('a line without an end is told in pieces, none of which cuts a character', async t => {
  const { path, table } = start(t)
  writeFileSync(path('stdout'), '')
  const { begun, lines, parts } = follow(t, table)
  await begun(path('stdout'))
  const text = 'a' + 'ä'.repeat(50_000)
  appendFileSync(path('stdout'), text)
  await until(() => lines().join('').length > 40_000, 'most is told')
  appendFileSync(path('stdout'), '\n')
  await until(() => lines().join('').length === text.length, 'all is told')
  t.equal(lines().join(''), text)
  t.ok(parts.every(part => Buffer.byteLength(part.lines.join('\n')) <= 64 * 1024))
})

await t.test('a flood is told in parts of some size, and ends at four MiB', async t => {
  const { path, table } = start(t)
  writeFileSync(path('stdout'), '')
  const { begun, answer, parts } = follow(t, table, {}, { max_lines: 1e7 })
  await begun(path('stdout'))
  appendFileSync(path('stdout'), 'y\n'.repeat(3_000_000))
  t.match(await answer, [{ success: true, node: 'it', data: { stdout: String, truncated: true } }])
  const told = parts.flatMap(({ lines }) => lines)
  t.ok(told.length * 2 >= 4 * 1024 * 1024 && told.length * 2 < 5 * 1024 * 1024)
  t.ok(parts.every(({ lines }) => lines.length <= 500))
  t.ok(told.every(line => line === 'y'))
})

await t.test('a node that floods one output is heard on the other', async t => {
  const { path, table } = start(t)
  writeFileSync(path('stdout'), '')
  writeFileSync(path('stderr'), '')
  const { begun, answer, lines } = follow(t, table, { stream: undefined }, { max_lines: 1e7 })
  await begun(path('stdout'))
  appendFileSync(path('stderr'), 'oh\n')
  appendFileSync(path('stdout'), 'y\n'.repeat(3_000_000))
  await answer
  t.same(lines('stderr'), ['oh'])
})

await t.test(
  'two follow at once, each node by itself, until its time is over, it is given up or the node is none any more',
  async t => {
    const { path, table, nodes, directory } = start(t, {}, ['it', 'other'])
    for (const name of ['it', 'other']) writeFileSync(path('stdout', name), 'start\n')
    const one = follow(t, table, { nodes: ['it', 'other'] })
    const two = follow(t, table)
    await one.begun(path('stdout'))
    await until(() => two.parts.length > 0, 'the other follows, too')
    appendFileSync(path('stdout', 'other'), 'from the other\n')
    appendFileSync(path('stdout'), 'for both\n')
    await Promise.all([one.hears('for both'), two.hears('for both'), one.hears('from the other')])
    t.same(two.lines('stdout', 'other'), [])
    two.abort.abort()
    t.match(await two.answer, [{ success: true, data: { truncated: true } }])
    nodes.delete('other')
    nodes.delete('it')
    t.match(await one.answer, [
      { success: true, data: { stdout: 'start', truncated: undefined } },
      { success: true, data: { stdout: 'start', truncated: undefined } }
    ])
    t.same(openFiles(directory), [])
    const short = nodesIn(directory)
    t.match(await follow(t, short.table, {}, { duration: 0.05 }).answer, [
      { success: true, data: { stdout: String, truncated: undefined } }
    ])
  }
)

await t.test('a follower knows where a line ends that was begun before a run, a rotation and a run', async t => {
  const directory = directoryOf(t)
  const output = new Output(directory, 10)
  const file = join(directory, 'stdout')
  output.open()
  const follower = new OutputFollower(directory, 'stdout')
  t.teardown(() => follower.end())
  t.equal(await follower.begin(10, 1000), '')
  const all = async () => {
    const lines = []
    for (let next; (next = await follower.next()) !== undefined;) lines.push(...next)
    return lines
  }
  appendFileSync(file, 'a long first run\nand its end')
  output.open()
  appendFileSync(file, 'a long second run')
  output.rotate()
  appendFileSync(file, ' goes on\n')
  t.same(await all(), ['a long first run', 'and its end', 'a long second run goes on'])
  t.same(await all(), [])
})

await t.test('nodes share the bytes that the controller leaves to an instance', async t => {
  const { ask, path } = start(t, {}, ['a', 'b'])
  for (const name of ['a', 'b']) writeFileSync(path('stdout', name), '0123456789\n'.repeat(1000))
  for (const { data } of await ask({ stream: 'stdout', lines: 1000, max_bytes: 2000 })) {
    t.ok(data!.stdout!.length > 900 && data!.stdout!.length <= 1000, `${data?.stdout?.length}`)
    t.equal(data?.truncated, true)
  }
  for (const { data } of await ask({ stream: 'stdout', lines: 1000 })) t.equal(data?.stdout?.length, 10_999)
})

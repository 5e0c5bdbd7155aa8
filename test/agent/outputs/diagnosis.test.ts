import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Diagnosis } from '../../../schemas/operations.js'
import { backtrace } from '../../../src/agent/outputs/backtrace.js'
import { coreLimitNote, newestCore, placesOf, readCorePattern } from '../../../src/agent/outputs/core-files.js'
import { diagnose } from '../../../src/agent/outputs/diagnosis.js'
import type { ManagedNode } from '../../../src/agent/nodes/managed-node.js'
import type { NodeTable } from '../../../src/agent/nodes/node-table.js'
import { mask } from '../../../src/security/secrets.js'
import { History } from '../../../src/supervisor/history.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv } from '../../support/environment.js'
import { isRunning } from '../../support/running.js'
import { until } from '../../support/until.js'

const plain = { pattern: 'core', usesPid: false }
const forever = new AbortController().signal

/** The header of a core file. */
function core(path: string, time?: number): void {
  const header = Buffer.alloc(64)
  header.write('\x7fELF\x02\x01\x01', 'latin1')
  header.writeUInt16LE(4, 16)
  writeFileSync(path, header)
  if (time !== undefined) utimesSync(path, time, time)
}

/** A PATH on which gdb is such a script. */
function fakeGdb(t: Test, script: string): string {
  const bin = directoryOf(t)
  writeFileSync(join(bin, 'gdb'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(bin, 'gdb'), 0o755)
  return `${bin}:/usr/bin:/bin`
}

await t.test('where core files are follows from kernel.core_pattern', async t => {
  const places = (pattern: string, usesPid = false) => {
    const {
      places: [usual, place],
      notes
    } = placesOf({ pattern, usesPid }, '/nodes/w')
    t.match(usual, { directory: '/nodes/w', isShared: false })
    return {
      place,
      notes,
      finds: (name: string) =>
        place?.name
          .exec(name)
          ?.slice(1)
          .filter(id => id !== undefined)
    }
  }
  t.match(places('core').place, { directory: '/nodes/w', isShared: false })
  t.same(places('core', true).finds('core.17'), ['17'])
  const absolute = places('/var/crash/c++.%e.%p.%t')
  t.match(absolute.place, { directory: '/var/crash', isShared: true })
  t.same(absolute.finds('c++.zeek.17.1700'), ['17'])
  t.equal(absolute.finds('ccc.zeek.17.1700'), undefined)
  t.match(places('cores/core.%P').place, { directory: '/nodes/w/cores', isShared: true })
  t.same(places('100%%-%p').finds('100%-3'), ['3'])
  for (const [pattern, note] of [
    ['|/usr/lib/systemd/systemd-coredump %P %u', /coredumpctl/],
    ['/cores/%e/core.%p', /directory differs/],
    ['/var/crash/core', /without a process ID/]
  ] as const) {
    const { place, notes } = places(pattern)
    t.equal(place, undefined)
    t.match(notes, [note])
  }
})

await t.test('the newest core file is found, among files that only look like one', async t => {
  const directory = directoryOf(t)
  core(join(directory, 'core'), 1000)
  core(join(directory, 'core.17'), 3000)
  core(join(directory, 'core.18'), 2000)
  core(join(directory, 'elsewhere'), 9000)
  writeFileSync(join(directory, 'core.log'), 'not one, and newer')
  writeFileSync(join(directory, 'core.empty'), '')
  mkdirSync(join(directory, 'core.d'))
  symlinkSync(join(directory, 'elsewhere'), join(directory, 'core.link'))
  t.same(await newestCore(plain, directory, []), {
    core: { path: join(directory, 'core.17'), time: new Date(3_000_000) },
    notes: []
  })
  t.same(
    await newestCore({ pattern: '|/bin/handler', usesPid: false }, directory, []).then(({ core }) => core?.path),
    join(directory, 'core.17'),
    'those of before the pattern was changed, too'
  )
  t.same(
    await newestCore({ pattern: 'else%e', usesPid: false }, directory, []).then(({ core }) => core?.path),
    join(directory, 'elsewhere')
  )
})

await t.test('in a directory that others use the process ID tells whose core file it is', async t => {
  const [own, shared] = [directoryOf(t), directoryOf(t)]
  for (const pid of [17, 18, 19]) core(join(shared, `core.${pid}`), pid)
  t.equal(
    (await newestCore({ pattern: `${shared}/core.%p`, usesPid: false }, own, [17, 18])).core?.path,
    join(shared, 'core.18')
  )
  t.same(await newestCore({ pattern: `${shared}/core`, usesPid: true }, own, [3]), {
    notes: [`there is no core file in ${own} or ${shared}`]
  })
  t.match(await newestCore({ pattern: '/not/there/core.%p', usesPid: false }, own, [3]), {
    core: undefined,
    notes: [/cannot look for core files: .*\/not\/there/, /there is no core file/]
  })
})

await t.test(
  'a limit of 0 is told, of the node or of its agent, unless the kernel hands core files to a program',
  async t => {
    const child = spawn('/bin/sh', ['-c', 'ulimit -c 0; echo ready; exec sleep 1000'], {
      env: cleanEnv,
      stdio: ['ignore', 'pipe', 'ignore']
    })
    t.teardown(() => child.kill())
    await once(child.stdout, 'data')
    t.match(await coreLimitNote(plain, child.pid), [/limit of core files is 0 \(of the node\)/])
    t.same(await coreLimitNote({ pattern: '|/bin/handler', usesPid: false }, child.pid), [])
    t.same(await coreLimitNote(plain, 2 ** 22 + 1), ['the limit of core files cannot be read'])
    const own = spawnSync('/bin/sh', ['-c', 'ulimit -S -c'], { encoding: 'utf8' }).stdout.trim()
    t.equal((await coreLimitNote(plain, undefined)).length, own === '0' ? 1 : 0)
  }
)

await t.test(
  'gdb is asked for the core file of the program, and what it says of the command line is left out',
  async t => {
    const path = fakeGdb(
      t,
      'printf "%s\\n" "$@"; echo "Core was generated by \\`zeek a=secret\'."; echo "#0 main ()"; env'
    )
    const { text, notes } = await backtrace('/bin/sleep', '/the/core', path, forever)
    t.same(notes, [])
    t.match(text, /--batch\n-nx\n[\s\S]*\nthread apply all bt\n--core\n\/the\/core\n\/bin\/sleep\n#0 main \(\)/)
    t.notMatch(text, 'secret')
    t.notMatch(text, 'DEBUGINFOD')
    const script = await backtrace(join(directoryOf(t), 'zeek'), '/the/core', path, forever)
    t.match(script.notes, [/is no ELF file/])
    t.notMatch(script.text, '/zeek\n')
  }
)

await t.test('what keeps gdb from a backtrace is told', async t => {
  t.same(await backtrace('/bin/sleep', '/the/core', directoryOf(t), forever), { notes: ['gdb is not installed'] })
  t.same(
    await backtrace('/bin/sleep', '/the/core', fakeGdb(t, 'echo first >&2; echo "no such core" >&2; exit 1'), forever),
    { notes: ['gdb: no such core'] }
  )
})

await t.test('gdb that hangs is killed with all that it has started when the time is over', async t => {
  const file = join(directoryOf(t), 'pid')
  const abort = new AbortController()
  const answer = backtrace(
    '/bin/sleep',
    '/the/core',
    fakeGdb(t, `echo "#0 begun"; sleep 1000 & echo $! > ${file}; wait`),
    abort.signal
  )
  const pid = Number(await until(() => existsSync(file) && readFileSync(file, 'utf8'), 'gdb hangs'))
  t.ok(isRunning(pid))
  abort.abort()
  t.match(await answer, { notes: ['gdb was given up, since the time of the request is over'] })
  await until(() => !isRunning(pid) || readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z'), 'its child is gone')
  t.match(await backtrace('/bin/sleep', '/the/core', fakeGdb(t, 'exec sleep 1000'), abort.signal), {
    text: undefined,
    notes: [/given up/]
  })
})

await t.test('a backtrace that does not end is cut', async t => {
  const { text, notes } = await backtrace(
    '/bin/sleep',
    '/the/core',
    fakeGdb(t, 'while :; do echo "#0 again and again"; done'),
    forever
  )
  t.ok(text!.length > 60 * 1024 && text!.length <= 64 * 1024)
  t.same(notes, ['the backtrace is longer than what is shown of it'])
})

/** A node that has run in a directory of its own, and its diagnosis. */
async function diagnosisOf(directory: string, env: NodeJS.ProcessEnv = { PATH: '/nowhere' }, more: object = {}) {
  const node = {
    node: { name: 'it', env: { API_TOKEN: 'hunter22' }, options: { 'Foo::password': 'swordfish', 'Foo::level': '5' } },
    program: { cwd: directory, command: ['taskset', '-c', '1', '/bin/sleep', '1000'] },
    runtimeOptions: [],
    status: { state: 'CRASHED' },
    ...more
  } as unknown as ManagedNode
  const table = {
    each: async (_: string[], job: (node: ManagedNode) => Promise<object>) => [{ success: true, data: await job(node) }]
  } as unknown as NodeTable
  const [outcome] = await diagnose(table, ['it'], env, forever)
  return outcome!.data as { diagnosis: Diagnosis; stdout?: string; stderr?: string }
}

await t.test(
  'a diagnosis tells the state, the command line, the options without secrets, the runs and the outputs',
  async t => {
    const directory = directoryOf(t)
    const history = new History(directory)
    history.begin(17)
    history.end('killed by SIGSEGV')
    writeFileSync(join(directory, 'stdout'), 'one\n')
    writeFileSync(join(directory, 'stderr'), 'swordfish is wrong\n')
    const { diagnosis, stdout, stderr } = await diagnosisOf(directory)
    t.match(diagnosis, {
      state: 'CRASHED',
      directory,
      command: ['taskset', '-c', '1', '/bin/sleep', '1000'],
      options: { 'Foo::password': mask, 'Foo::level': '5' },
      runs: [{ pid: 17, reason: 'killed by SIGSEGV' }],
      core: undefined,
      backtrace: undefined
    })
    t.ok(diagnosis.notes.some(note => note.startsWith('there is no core file in')))
    t.same([stdout, stderr], ['one', `${mask} is wrong`])
  }
)

await t.test('a core file comes with its backtrace, in which secrets are masked', async t => {
  const directory = directoryOf(t)
  const history = new History(directory)
  history.begin(17)
  core(join(directory, 'core'))
  history.end('killed by SIGSEGV')
  const { diagnosis } = await diagnosisOf(directory, {
    PATH: fakeGdb(t, 'echo "#0 set (value=\\"swordfish\\") for hunter22"')
  })
  t.match(diagnosis, { core: join(directory, 'core'), backtrace: `#0 set (value="${mask}") for ${mask}` })
  t.notOk(diagnosis.notes.some(note => note.includes('of none of these processes')))
})

await t.test('a node that has not run, and a core file of a run that nobody remembers', async t => {
  const directory = directoryOf(t)
  core(join(directory, 'core'), 1000)
  const { diagnosis, ...outputs } = await diagnosisOf(directory)
  t.same(outputs, {})
  t.match(diagnosis, { runs: [], core: join(directory, 'core') })
  t.same(
    diagnosis.notes.filter(note => !note.includes('limit')),
    ['the core file is of 1970-01-01T00:16:40.000Z: of none of these processes', 'gdb is not installed']
  )
})

await t.test('the backtrace of a real core file, by the real gdb', async t => {
  const directory = directoryOf(t)
  const { pattern } = await readCorePattern()
  if (spawnSync('gdb', ['--version']).status !== 0 || pattern.startsWith('|')) {
    return t.comment('skipped: there is no gdb, or the kernel hands core files to a program')
  }
  const history = new History(directory)
  const child = spawn('/bin/sh', ['-c', 'ulimit -c unlimited && echo ready && exec /bin/sleep 1000'], {
    cwd: directory,
    env: cleanEnv,
    stdio: ['ignore', 'pipe', 'ignore']
  })
  t.teardown(() => child.kill('SIGKILL'))
  history.begin(child.pid!)
  if (
    (await Promise.race([once(child.stdout, 'data').then(() => true), once(child, 'exit').then(() => false)])) === false
  ) {
    return t.comment('skipped: core files are forbidden here')
  }
  await until(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8') === 'sleep\n', 'it has become the program')
  child.kill('SIGSEGV')
  await once(child, 'exit')
  history.end('killed by SIGSEGV')
  const { diagnosis } = await diagnosisOf(directory, { PATH: process.env.PATH })
  if (!diagnosis.core) return t.comment(`skipped: ${diagnosis.notes.join('; ')}`)
  t.match(diagnosis.backtrace, /Program terminated with signal SIGSEGV[\s\S]*#0 /)
  t.match(diagnosis.backtrace, /Thread 1 /)
  t.notMatch(diagnosis.backtrace, /generated by/)
  t.notOk(
    diagnosis.notes.some(note => /gdb|none of these/.test(note)),
    diagnosis.notes.join('; ')
  )
})

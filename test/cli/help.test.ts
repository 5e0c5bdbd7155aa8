import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { CommandUnknownOpts } from '@commander-js/extra-typings'
import fc from 'fast-check'
import t from 'tap'
import { examplesOf } from '../../src/cli/examples.js'
import { allSettings } from '../../src/cli/flags.js'
import { nameList, positive, wholeFrom } from '../../src/cli/options.js'
import { allCommands } from '../../src/cli/program.js'
import { startsServer } from '../../src/cli/starts-server.js'
import { flagName } from '../../src/settings.js'
import { configurationOf } from '../flow/cluster.js'
import { fakeIo, runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, mainProgram } from '../support/environment.js'
import { runs } from '../support/runs.js'

/** Words of a line of a shell, up to what is for the shell alone. */
function wordsOf(line: string): string[] {
  const words = line.match(/'[^']*'|\S+/g) ?? []
  const end = words.findIndex(word => /^[<>|]$/.test(word))
  return (end < 0 ? words : words.slice(0, end)).map(word => word.replace(/^'(.*)'$/, '$1'))
}

const { io } = fakeIo()
const program: CommandUnknownOpts = await allCommands(io)

function* everyCommand(command: CommandUnknownOpts = program): Generator<CommandUnknownOpts> {
  for (const each of command.commands) {
    if (each.name() === 'complete') continue
    yield each
    yield* everyCommand(each)
  }
}

await t.test('every command says what it is, with examples that can be typed', async t => {
  /** Has all commands parse without doing anything. */
  const parsing = async (words: string[]) => {
    const fresh: CommandUnknownOpts = await allCommands(fakeIo().io)
    const disarm = (command: CommandUnknownOpts) => {
      if (command !== fresh) command.action(() => {})
      command.commands.forEach(disarm)
    }
    disarm(fresh)
    await fresh.parseAsync(words, { from: 'user' })
  }
  for (const command of everyCommand()) {
    const name = `${command.parent?.name()} ${command.name()}`
    t.match(command.summary(), /^[a-z].*[^.]$/, name)
    t.match(command.description(), /^[A-Z][^]*\.\)?$/, name)
    t.ok(examplesOf(command).length >= 2, name)
    for (const [line] of examplesOf(command)) {
      // What the shell reads the output of is a command as well.
      const [tool, ...words] = wordsOf(line.replace(/^source <\((.*)\)$/, '$1'))
      if (tool === 'zeek-archiver') continue
      t.equal(tool, 'zeek-cluster', line)
      if (line.includes('--offline') || (words[0] === 'start' && startsServer(words.slice(1)))) continue
      await t.resolves(parsing(words), line)
    }
    for (const { long, description } of command.options) t.ok(description, `${name} ${long}`)
  }
})

await t.test('help is there for all, and no wider than the terminal', async t => {
  const { code, stdout } = await runCommand(['--help'])
  t.equal(code, 0)
  for (const { name } of program.commands.map(command => ({ name: command.name() }))) {
    t.equal(new RegExp(`^ {2}${name}\\b`, 'm').test(stdout), name !== 'complete', name)
  }
  t.same(await runCommand(['help', 'status']), await runCommand(['status', '--help']))
  t.match((await runCommand(['status', '-h'])).stdout, /\nExamples:\n {2}zeek-cluster status /)
  t.match(await runCommand(['context', '--help']), { code: 0, stdout: /\n {2}use <name>/ })
  t.match(await runCommand(['diagnose', '--help']), { code: 0, stdout: /^Usage: zeek-cluster diag/ })
  const options = (await runCommand(['deploy', '-h'], { columns: 80 })).stdout.split('\nExamples:')[0]!
  t.ok(options.split('\n').every(line => line.length <= 80))
  t.match(await runCommand([]), { code: 2, stdout: '' })
  for (const args of [['version'], ['-V'], ['--version']]) {
    t.match(await runCommand(args), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
  }
  t.match((await runCommand(['settings'])).stdout, /^--management-state-dir, ZEEK_MANAGEMENT_STATE_DIR/)
})

await t.test(
  'start starts the server with all of its settings, and nodes when these are named or selected',
  async t => {
    const flags = Object.keys(allSettings).map(flagName)
    const value = fc.oneof(fc.string(), fc.constantFrom('worker-1', '--role', '--all', '-x', ''))
    const setting = fc.oneof(
      fc.constantFrom(['--controller'], ['--agent']),
      fc.tuple(fc.constantFrom(...flags, '--config'), value).map(([flag, value]) => [flag, value]),
      fc.tuple(fc.constantFrom(...flags, '--config'), value).map(([flag, value]) => [`${flag}=${value}`])
    )
    const settings = fc.array(setting, { maxLength: 5 }).map(parts => parts.flat())
    fc.assert(
      fc.property(settings, args => startsServer(args)),
      { numRuns: runs(200) }
    )
    const nodes = fc.oneof(
      fc.string({ minLength: 1 }).filter(text => !text.startsWith('-')),
      fc.constantFrom(
        '--all',
        '--role',
        '--role=worker',
        '--instance',
        '--json',
        '--url=x',
        '--no-wait',
        '--help',
        '-h'
      )
    )
    fc.assert(
      fc.property(settings, nodes, (args, node) => !startsServer([...args, node])),
      { numRuns: runs(200) }
    )
    // The options that start has for nodes are told apart by a list of their own, read before anything is loaded.
    const { options } = program.commands.find(command => command.name() === 'start')!
    t.same(
      options.filter(({ long }) => startsServer([long!, 'x'])).map(({ long }) => long),
      []
    )
  }
)

await t.test('options are numbers and names, and nothing else', async t => {
  const whole = wholeFrom(1)
  t.same([positive('0.5'), positive('1e3'), whole('1'), whole('10')], [0.5, 1000, 1, 10])
  for (const text of ['', '0', '-1', 'NaN', 'five', '1,5']) {
    t.throws(() => positive(text), { code: 'commander.invalidArgument' }, text)
  }
  for (const text of ['', '0', '1.5', '-1', 'NaN', 'Infinity', '9007199254740993', 'x']) {
    t.throws(() => whole(text), { code: 'commander.invalidArgument' }, text)
  }
  fc.assert(
    fc.property(fc.array(fc.array(fc.constantFrom('a', 'b-1'))), lists => {
      const names = lists.reduce((before: string[], list) => nameList(list.join(), before), [])
      return names.join() === lists.flat().join()
    })
  )
})

await t.test('words are completed', async t => {
  const { url, ask } = await startTestController(t)
  await ask('stage_configuration', { config: configurationOf(['sensor-1', 'sensor-2']) })
  // Without agents it fails, and is what is to be.
  await ask('deploy', { check: false }, '?timeout=10')
  const home = directoryOf(t)
  const env = { ZEEK_CLUSTER_URL: url, XDG_CONFIG_HOME: home }
  for (const name of ['site-1', 'site-2']) await runCommand(['login', url, '--no-token', '--name', name], { env })
  const complete = async (line: string, more: NodeJS.ProcessEnv = {}) =>
    (await runCommand(['complete', '--', ...line.split(' ')], { env: { ...env, ...more } })).stdout
      .trimEnd()
      .split('\n')

  t.ok((await complete('')).length >= 20)
  t.same(await complete('st'), ['start', 'status', 'stop'])
  t.same(await complete('con'), ['config', 'context', 'convert'])
  t.same(await complete('context '), ['list', 'remove', 'use'])
  t.same(await complete('status --w'), ['--watch'])
  t.same(await complete('restart --ro'), ['--role', '--rolling'])
  t.same(await complete('status --role '), ['logger', 'manager', 'proxy', 'worker'])
  t.same(await complete('token create --role a'), ['admin', 'agent'])
  t.same(await complete('restart '), ['logger-1', 'manager', 'worker-1'])
  t.same(await complete('restart worker-1 '), ['logger-1', 'manager'], 'not again')
  t.same(await complete('status --instance '), ['sensor-1', 'sensor-2'])
  t.same(await complete('events --node w'), ['worker-1'])
  t.same(await complete('status --context '), ['site-1', 'site-2'])
  t.same(await complete('context use '), ['site-1', 'site-2'])
  t.same(await complete('config get '), ['deployed', 'ready', 'staged'])
  t.same(await complete('completion '), ['bash', 'fish', 'zsh'])
  t.match(await complete('request wait '), [/^[0-9a-f-]{36}$/])
  t.same(await complete('deploy '), [''])
  t.same(await complete('rollback '), ['1'])
  t.same(await complete('deploy --revision '), ['1'])
  t.same(await complete('restart ', { ZEEK_CLUSTER_URL: 'http://127.0.0.1:1' }), [''], 'without a controller')

  for (const [shell, question] of [
    // eslint-disable-next-line no-template-curly-in-string
    ['bash', 'COMP_WORDS=(zeek-cluster restart wo); COMP_CWORD=2; _zeek_cluster; echo "${COMPREPLY[@]}"'],
    ['zsh', 'words=(zeek-cluster restart wo); CURRENT=3; _zeek_cluster'],
    ['fish', 'complete -C "zeek-cluster restart wo"']
  ] as const) {
    if (spawnSync(shell, ['-c', 'true']).status !== 0) {
      t.comment(`${shell} is not installed here`)
      continue
    }
    const directory = directoryOf(t)
    writeFileSync(join(directory, 'zeek-cluster'), `#!/bin/sh\nexec '${process.execPath}' '${mainProgram}' "$@"\n`, {
      mode: 0o755
    })
    const { stdout: script } = await runCommand(['completion', shell])
    // In zsh, what there is to complete with is there only while something is completed.
    const prelude =
      // eslint-disable-next-line no-template-curly-in-string
      shell === 'zsh' ? 'compdef() { : }; compadd() { print -l -- ${(P)2} }\n' : ''
    // It asks the controller in this process.
    const { stdout, stderr } = await promisify(execFile)(shell, ['-c', `${prelude}${script}\n${question}`], {
      env: { ...cleanEnv, ...env, PATH: `${directory}:${cleanEnv['PATH']}` }
    })
    t.match(stdout, /\bworker-1\b/, `${shell}: ${stderr}`)
  }
})

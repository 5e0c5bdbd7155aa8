import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import type { ClusterNode } from '../../schemas/types.js'
import { nodeScript } from '../../src/zeek/command.js'
import { hasOptions, optionsScript, renderOptions } from '../../src/zeek/options.js'
import { packageRoot } from '../../src/util.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv } from '../support/environment.js'

await t.test('only what has options needs a script for them', async t => {
  const nodes: Pick<ClusterNode, 'options'>[] = [{}, { options: {} }, { options: { 'A::b': '' } }]
  t.same(nodes.map(hasOptions), [false, false, true])
})

await t.test('each node has a script of its own, whatever Zeek appends to its name', async t => {
  const scripts = ['a', 'a.zeek', 'a.zeek.zeek'].map(optionsScript)
  for (const script of scripts) t.notOk(scripts.includes(`${script}.zeek`), script)
})

await t.test('an option is quoted where Zeek knows a string, and told where it knows nothing', async t => {
  t.equal(
    renderOptions({ 'A::b': 'x; y' }),
    `@ifdef ( A::b )
@if ( ZeekClusterController::is_text([$f() = { return A::b; }]$f) )
redef A::b = "x\\x3b y";
@else
redef A::b = x\\x3b y;
@endif
@else
redef A::b = T;
@endif
`
  )
  t.equal(renderOptions({ a: '', b: ' ' }), 'redef a = "";\nredef b = " ";\n', 'nothing is a string')
})

const parser = spawnSync('zeek-format', ['/dev/null'], { env: cleanEnv })
await t.test(
  "options parse with Zeek's grammar",
  { skip: parser.error ? 'zeek-format (PyPI: zeekscript) is not on the PATH' : false },
  async t => {
    const path = join(directoryOf(t), 'options.zeek')
    writeFileSync(path, renderOptions({ 'A::b': 'text', c: '5', 'D::e': '' }))
    const { status, stderr } = spawnSync('zeek-format', [path], { env: cleanEnv, encoding: 'utf8' })
    t.equal(status, 0, stderr)
  }
)

const version = spawnSync('zeek', ['--version'], { env: cleanEnv, encoding: 'utf8' })
const skip = version.status === 0 && !/stand-in/.test(version.stdout) ? false : 'there is no zeek on the PATH'

/** Types of identifiers, with values that operators give them as arguments. */
const values: readonly [type: string, ...values: string[]][] = [
  ['bool', 'T', 'F', '! T'],
  ['int', '-5', '+5'],
  ['count', '0', '18446744073709551615', '1 + 2', '|"abc"|', '0x1f'],
  ['double', '1.5', '-1e3', '7'],
  ['interval', '5min', '1 hr', '-2.5secs', '1day + 2hrs', '0secs'],
  ['addr', '127.0.0.1', '[2001:db8::1]', '[::]'],
  ['subnet', '10.0.0.0/8', '[2001:db8::]/32'],
  ['port', '80/tcp', '99/udp', '0/unknown'],
  ['pattern', '/a+\\/b/', '/^x\\.y$/i', '/[\\x3b"]/ | /b/', '/a;b@c#d/'],
  ['Test::Color', 'Test::RED', 'Test::BLUE'],
  ['set[string]', '{"a","b c"}', '{}', 'set("x")', '{"a;b", "c#d", "e@f", "g\\"h", "i\\\\"}'],
  ['set[count, addr]', '{[1, 1.2.3.4]}'],
  ['set[subnet]', '{10.0.0.0/8, 192.168.0.0/16}'],
  ['vector of string', 'vector("a", "b")', '["a"]', 'vector()'],
  ['vector of count', '[1, 2]'],
  ['table[string] of count', '{["x"]=1, ["y;z"]=2}', 'table(["x"] = 1)'],
  ['Test::Point', '[$x=1, $name="o;p"]', 'Test::Point($x=2)'],
  ['any', '5', '"text"'],
  ...['string', 'Test::Text'].map((type): [string, ...string[]] => [
    type,
    '',
    ' ',
    'hello world',
    'hello',
    'T',
    '5',
    '{x}',
    "it's; it is # not @load x",
    'a\\"b',
    '\\"',
    'tab\\tend',
    '\\x41\\101',
    'C:\\\\dir',
    '/not a pattern/',
    '%s %d %',
    'ops@example.org',
    'grüße',
    '=a=b'
  ])
]

const definitions = `module Test;
export {
  type Color: enum { RED, BLUE };
  type Text: string;
  type Point: record { x: count; name: string &default="none"; };
  const color = RED &redef;
  const text = "" &redef;
  const number = 1 &redef;
  const fixed = 1;
  global unset_text: string &redef;
  global unset_number: count &redef;
  const anything: any = "text" &redef;
  const some: set[string] = { "a" } &redef;
}
`

interface End {
  code: number
  said: string
}

const zeekPath = /\$ZEEKPATH +\| file search path \((.*)\)/.exec(
  spawnSync('zeek', ['--help'], { env: cleanEnv, encoding: 'utf8' }).stdout ?? ''
)?.[1]

/** Runs Zeek in a directory, with the same random numbers each time. */
async function zeek(directory: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<End> {
  const path = `${directory}:${join(packageRoot, 'src', 'zeek')}:${zeekPath}`
  const all = { cwd: directory, env: { ...cleanEnv, ZEEKPATH: path, ...env } }
  return await new Promise(resolve => {
    execFile('zeek', ['-b', '-D', ...args], all, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), said: stdout + stderr })
    )
  })
}

/** A directory with a script, and one that sets options. */
function scripts(t: Test, script: string, options: Record<string, string>): string {
  const directory = directoryOf(t)
  const path = join(directory, optionsScript('n'))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, renderOptions(options))
  writeFileSync(join(directory, 'test.zeek'), script)
  return directory
}
const load = ['-e', `@load ${optionsScript('n')}`]

/** As nodes got their options before: every user of the host could see them. */
const asArguments = (options: Record<string, string>) =>
  Object.entries(options).map(
    ([name, value]) =>
      `${name}=${value.replace(/\\?([;#@])|\\./gs, (all, mark?: string) => (mark ? `\\x${mark.charCodeAt(0).toString(16)}` : all))}`
  )

/** What Zeek does with options as arguments, and with those of a script: it prints the values of identifiers. */
async function both(t: Test, options: Record<string, string>, ids: readonly string[] = [], more = '') {
  const print = `event zeek_init() { ${ids.map(id => `print "${id}", ${id};`).join(' ')} }\n`
  const directory = scripts(t, `${definitions}${more}${print}`, options)
  const files = ['./test.zeek', nodeScript]
  const [argument, script] = await Promise.all([
    zeek(directory, [...files, ...asArguments(options)]),
    zeek(directory, [...files, ...load])
  ])
  return { argument, script }
}

await t.test('Zeek takes every kind of value as it takes arguments', { skip }, async t => {
  const all = values.flatMap(([type, ...given], at) =>
    given.map((value, n) => ({ id: `V${at}::v${n}`, type, value, module: `V${at}` }))
  )
  const declared = all.map(({ id, type, module }) => `module ${module}; export { global ${id}: ${type} &redef; }\n`)
  const { argument, script } = await both(
    t,
    Object.fromEntries(all.map(({ id, value }) => [id, value])),
    all.map(({ id }) => id),
    declared.join('')
  )
  t.equal(argument.code, 0, argument.said)
  t.equal(script.said, argument.said)
  t.equal(argument.said.match(/^V\d+::v\d+, /gm)?.length, all.length)
})

await t.test('Zeek refuses what it refuses as an argument, in the same words', { skip }, async t => {
  const wrong: Record<string, string>[] = [
    { 'Test::number': 'x' },
    { 'Test::number': '"x"' },
    { 'Test::number': '5 6' },
    { 'Test::number': '-1' },
    { 'Test::number': '5; redef Test::text = "no"' },
    { 'Test::color': 'GREEN' },
    { 'Test::color': '5' },
    { 'Test::text': 'a"b"c' },
    { 'Test::text': '"quoted"' },
    { 'Test::fixed': '5' },
    { 'Test::unset_number': 'text' },
    { 'Test::anything': 'text' },
    { 'Test::some': '5' },
    { 'Test::some': '{5}' },
    { 'Test::Point': '5' },
    { 'Test::Color': '5' },
    { 'Test::RED': '5' },
    { zeek_init: '5' },
    { lookup_ID: '5' }
  ]
  for (const options of wrong) {
    const { argument, script } = await both(t, options)
    t.not(argument.code, 0, argument.said)
    t.equal(script.code, argument.code)
    const place = /\S+options\.zeek, line \d+/g
    t.equal(script.said.replaceAll(place, '<params>, line 1'), argument.said, JSON.stringify(options))
  }
})

await t.test('Zeek names all that it does not know, and what needs a value, and ends', { skip }, async t => {
  const { argument, script } = await both(t, { 'No::one': '1', 'Test::number': '', none: 'two words', 'No::two': '' })
  t.equal(script.code, argument.code)
  for (const name of ['No::one', 'none', 'No::two', 'Test::number']) t.match(script.said, name)
})

await t.test('options come after all scripts, those of prefixes too, and after arguments', { skip }, async t => {
  const directory = scripts(t, 'const a = "" &redef; const b = "" &redef; event zeek_init() { print a, b; }', {
    a: 'option'
  })
  writeFileSync(join(directory, 'site.test.zeek'), 'redef a = "prefix"; redef b = "prefix";')
  writeFileSync(join(directory, 'other.zeek'), 'redef a = "other"; redef b = "other";')
  const args = ['a=argument', 'test.zeek', nodeScript, 'other.zeek']
  t.match(await zeek(directory, [...args, ...load], { ZEEK_PREFIXES: 'site' }), { said: /^option, prefix$/m })
})

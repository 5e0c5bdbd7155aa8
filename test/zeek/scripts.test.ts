import { mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { ScriptFiles } from '../../src/zeek/scripts.js'
import { directoryOf } from '../support/directory.js'

/** Files by path, in a directory that is the first of ZEEKPATH but for the node's own. */
function make(t: Test, files: Record<string, string>) {
  const root = directoryOf(t)
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  for (const [path, text] of Object.entries(files)) write(path, text)
  const scripts = new ScriptFiles()
  const place = { cwd: join(root, 'node'), zeekPath: `.:${root}:${root}/policy:${root}/site` }
  return {
    root,
    write,
    scripts,
    place,
    find: async (...names: string[]) =>
      [...(await scripts.find(names, place)).keys()].map(path => path.slice(root.length + 1))
  }
}

await t.test(
  'a name is found along ZEEKPATH as Zeek finds it: with .zeek first, of a directory its __load__',
  async t => {
    const { find, root } = make(t, {
      'a.zeek': '',
      a: '',
      'site/local.zeek': '',
      'pack/__load__.zeek': '',
      'node/mine.zeek': '',
      'b.sig': '',
      empty: ''
    })
    t.same(await find('a', 'local', 'pack', 'mine', './mine', 'b.sig', 'nothing'), [
      'a.zeek',
      'site/local.zeek',
      'pack/__load__.zeek',
      'node/mine.zeek',
      'b.sig'
    ])
    t.same(
      await find(join(root, 'pack'), join(root, 'site', 'local')),
      ['pack/__load__.zeek'],
      'to an absolute path nothing is added'
    )
  }
)

await t.test('what a script loads counts, each file once, but not what comes with Zeek', async t => {
  const { find } = make(t, {
    'site/local.zeek':
      '@load ./one\n  @load two # why\n@load policy/shipped\n@load shipped\n@load base/x\n# @load three\n@load nothing',
    'site/one.zeek': '@load ../deep/',
    'deep/__load__.zeek': '@load ./local\n@load local',
    'deep/local.zeek': '',
    'two.zeek': '@load two',
    'three.zeek': '',
    'base/x.zeek': '',
    'policy/shipped.zeek': '@load ./beside',
    'policy/beside.zeek': ''
  })
  t.same(await find('local'), ['site/local.zeek', 'site/one.zeek', 'deep/__load__.zeek', 'deep/local.zeek', 'two.zeek'])
  t.same(await find('shipped'), ['policy/shipped.zeek', 'policy/beside.zeek'], 'unless it is named')
})

await t.test('what is left out is not loaded, and nothing that only it would load', async t => {
  const { scripts, place, root } = make(t, {
    'a.zeek': '@load ./b\n@load ./c',
    'b.zeek': '@load ./d',
    'c.zeek': '',
    'd.zeek': ''
  })
  const found = await scripts.find(['a'], place, new Set([join(root, 'b.zeek')]))
  t.same([...found.keys()], [join(root, 'a.zeek'), join(root, 'c.zeek')])
})

await t.test('another content is another digest, whatever its times say; another time is not', async t => {
  const { scripts, root, write } = make(t, { 'a.zeek': 'one' })
  const path = join(root, 'a.zeek')
  const digest = async () => (await scripts.read(path))?.digest
  const before = await digest()
  const { atime, mtime } = statSync(path)
  write('a.zeek', 'two')
  utimesSync(path, atime, mtime)
  t.not(await digest(), before)
  write('a.zeek', 'one')
  utimesSync(path, 1, 1)
  t.equal(await digest(), before)
  rmSync(path)
  t.equal(await digest(), undefined)
})

await t.test('what is no file is none, and a ring of loads ends', async t => {
  const { find, scripts } = make(t, { 'a.zeek': '@load b', 'b.zeek': '@load a', 'dir/other.zeek': '' })
  t.same(await find('a', 'dir', '/dev/zero', '/'), ['a.zeek', 'b.zeek'])
  t.equal(await scripts.read('/nowhere'), undefined)
})

await t.test('which node it is is asked for in an @if, not elsewhere', async t => {
  const { scripts, root, write } = make(t, {})
  const asks = async (text: string) => {
    write('a.zeek', text)
    return (await scripts.read(join(root, 'a.zeek')))!.asksForName
  }
  for (const text of [
    '@if ( Cluster::node == "w1" )',
    '@if ( T &&\n     getenv("CLUSTER_NODE") == "w1" ) # one\nx',
    '  @if(Cluster::nodes[Cluster::node]?$interface)'
  ]) {
    t.ok(await asks(text), text)
  }
  for (const text of [
    '@ifdef ( Cluster::node )',
    '@if ( Cluster::local_node_type() == Cluster::WORKER )\nprint Cluster::node;\n@endif',
    'print Cluster::node;',
    '@if ( |Cluster::nodes| > 1 )'
  ]) {
    t.notOk(await asks(text), text)
  }
})

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { create } from 'tar'
import t from 'tap'
import { runCommand } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'

await t.test('what nodes load is uploaded, listed and compared', async t => {
  const { url } = await startTestController(t)
  const run = async (...args: string[]) =>
    await runCommand(['bundle', ...args], { env: { ZEEK_CLUSTER_URL: url }, columns: 100 })
  const make = (files: Record<string, string | Buffer>) => {
    const directory = directoryOf(t)
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), content)
    }
    return directory
  }
  const pathsOf = async (ref: string) =>
    JSON.parse((await run('show', ref, '--json')).stdout).content.map(({ path }: { path: string }) => path)

  t.match(await run('list'), { code: 0, stdout: '', stderr: 'no bundles\n' })
  const site = make({
    'local.zeek': '@load ./more\n',
    'more/__load__.zeek': 'print "more";\n',
    'packages/hello/__load__.zeek': 'print "hello";\n',
    '.git/config': 'x',
    'more/local.zeek~': 'x'
  })
  symlinkSync('local.zeek', join(site, 'linked.zeek'))
  const pushed = await run('push', site, '--name', 'site')
  t.match(pushed, { code: 0, stdout: /^[0-9a-f]{64}\n$/, stderr: '4 files, 55 B\n' })
  const id = pushed.stdout.trim()

  await t.test("of ZeekControl's site everything but packages is a script; links are followed", async t => {
    t.same(await pathsOf('site'), [
      'packages/hello/__load__.zeek',
      'scripts/linked.zeek',
      'scripts/local.zeek',
      'scripts/more/__load__.zeek'
    ])
    t.match(await run('push', site), { code: 0, stdout: pushed.stdout, stderr: '4 files, 55 B, there already\n' })
  })

  await t.test('a directory with scripts/ is taken as it is, an archive as well', async t => {
    const directory = make({ 'scripts/local.zeek': 'x', 'intel/a': 'abc', 'README.md': 'x' })
    const other = await run('push', directory, '--name', 'site')
    t.match(other, { code: 0, stderr: 'left out: README.md\n2 files, 4 B\n' })
    await create({ file: join(directory, 'x.tgz'), cwd: directory, gzip: true }, ['intel', 'scripts'])
    t.match(await run('push', join(directory, 'x.tgz')), { code: 0, stdout: other.stdout, stderr: /there already/ })
    t.match(await run('diff', id.slice(0, 12), 'site'), {
      code: 1,
      stdout:
        /^- packages\/hello\/__load__.zeek\n- scripts\/linked.zeek\n- scripts\/more\/__load__.zeek\n\+ intel\/a \(3 B\)\n~ scripts\/local.zeek \(13 B -> 1 B\)\n {2}@@ -1,1 \+1,1 @@\n {2}-@load .\/more\n {2}\+x\n {2}\\ No newline at end of file\n$/
    })
    t.match(await run('diff', 'site', 'site'), { code: 0, stdout: '' })
    const [head, first, second] = (await run('list')).stdout.split('\n')
    t.match(head, /^ID +NAMES +FILES +SIZE +UPLOADED +BY/)
    t.match(first, /^[0-9a-f]{12} +site +2 +4 B +\S+Z +anyone/)
    t.match(second, new RegExp(`^${id.slice(0, 12)} `))
  })

  await t.test('what is different in a text is shown, in colours, and can do a terminal no harm', async t => {
    const odd = make({ 'scripts/local.zeek': 'x\n\tindented  twice\r\n\x1b[31m\n', 'intel/a': Buffer.alloc(3) })
    const plain = make({ 'scripts/local.zeek': 'x', 'intel/a': 'abc' })
    const [from, to] = [(await run('push', plain)).stdout.trim(), (await run('push', odd)).stdout.trim()]
    const env = { ZEEK_CLUSTER_URL: url, NO_COLOR: '' }
    const shown = await runCommand(['bundle', 'diff', from, to], { env, columns: 100 })
    t.same(shown.stdout.split('\n'), [
      '~ intel/a (3 B -> 3 B, binary)',
      '~ scripts/local.zeek (1 B -> 26 B)',
      '  \x1b[2m@@ -1,1 +1,3 @@\x1b[22m',
      '  \x1b[31m-x\x1b[39m',
      '  \x1b[2m\\ No newline at end of file\x1b[22m',
      '  \x1b[32m+x\x1b[39m',
      '  \x1b[32m+\tindented  twice^M\x1b[39m',
      '  \x1b[32m+\\u001b[31m\x1b[39m',
      ''
    ])
  })

  await t.test('what cannot be is said', async t => {
    t.match(await run('push', '/nowhere'), { code: 2, stderr: /^zeek-cluster: ENOENT.*\/nowhere/ })
    t.match(await run('push', make({ '.git/x': 'x' })), { code: 2, stderr: /holds nothing for a bundle/ })
    t.match(await run('push', import.meta.filename), { code: 2, stderr: /the archive is broken/ })
    t.match(await run('show', 'nobody'), { code: 1, stderr: /there is no bundle nobody/ })
    t.match(await run('delete', id.slice(0, 12)), { code: 0, stderr: `deleted ${id}\n` })
    t.match(await run('delete', id), { code: 1, stderr: /there is no bundle/ })
  })
})

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
  const make = (files: Record<string, string>) => {
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
        /^- packages\/hello\/__load__.zeek\n- scripts\/linked.zeek\n- scripts\/more\/__load__.zeek\n\+ intel\/a \(3 B\)\n~ scripts\/local.zeek \(13 B -> 1 B\)\n$/
    })
    t.match(await run('diff', 'site', 'site'), { code: 0, stdout: '' })
    const [head, first, second] = (await run('list')).stdout.split('\n')
    t.match(head, /^ID +NAMES +FILES +SIZE +UPLOADED +BY/)
    t.match(first, /^[0-9a-f]{12} +site +2 +4 B +\S+Z +anyone/)
    t.match(second, new RegExp(`^${id.slice(0, 12)} `))
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

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { tarOf } from '../bundles/tar.js'
import { configurationOf, fakeAgent, manager, status, worker } from '../controller/fake-agent.js'
import { answerOf } from '../support/client.js'
import { runCommand, type Surroundings } from '../support/command.js'
import { startTestController } from '../support/controller.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'

await t.test('what was deployed is shown, compared, and deployed again', async t => {
  const { url, settings, ask } = await startTestController(t)
  await fakeAgent(t, settings.controller_port)
  const directory = directoryOf(t)
  const run = async (line: string | string[], surroundings: Surroundings = {}) =>
    await runCommand(Array.isArray(line) ? line : line.split(' '), {
      ...surroundings,
      env: { ZEEK_CLUSTER_URL: url }
    })
  const fileOf = (name: string, config: object) => {
    const file = join(directory, name)
    writeFileSync(file, JSON.stringify(config))
    return file
  }
  const upload = async (content: string): Promise<string> => {
    const body = new Uint8Array(tarOf({ path: 'scripts/local.zeek', content }))
    const headers = { 'content-type': 'application/x-tar' }
    return (await answerOf(await fetch(`${url}/v1/bundles`, { method: 'POST', headers, body }))).json.id
  }

  await t.test('before the first deployment there is nothing', async t => {
    t.same(await run('revisions list'), { code: 0, stdout: '', stderr: 'no revisions\n' })
    t.match(await run('rollback'), { code: 1, stderr: 'zeek-cluster: there is no revision before the deployed one\n' })
    t.match(await run('revisions show 1'), { code: 1, stderr: /there is no revision 1/ })
  })

  const bundle = await upload('print 1;')
  const old = { ...configurationOf(['agent-a'], [manager(), worker()], 'old'), bundle }
  const changed = {
    ...configurationOf(['agent-a'], [manager(), { ...worker(), interface: 'eth1' }, worker('worker-2')], 'new')
  }
  await run(['deploy', fileOf('old.json', old), '--no-check', '--comment', 'as it was'])
  t.match(await run('rollback'), { code: 1, stderr: /there is no revision before the deployed one/ })
  t.match(await run(['deploy', fileOf('new.json', changed), '--no-check', '--comment', 'two\nlines']), {
    code: 0,
    stdout: '',
    stderr: /✔ deployed: 3 nodes, revision 2\n$/
  })

  await t.test('they are listed, and each is a file that can be staged', async t => {
    const { stdout } = await run('revisions list', { columns: 200 })
    const lines = stdout.split('\n')
    t.match(lines[0], /^REVISION {2}TIME +BY +OUTCOME +GOOD {2}NODES {2}BUNDLE +COMMENT$/)
    t.match(lines[1], /^ +2 {2}\S+Z {2}anyone {2}succeeded, deployed +3 +two lines$/)
    t.match(lines[2], new RegExp(`^ +1 {2}\\S+Z {2}anyone {2}succeeded +2 {2}${bundle.slice(0, 12)} {2}as it was$`))
    t.match(JSON.parse((await run('revisions list -n 1 --json')).stdout), { revisions: [{ revision: 2 }] })
    const shown = await run('revisions show 1')
    t.match(shown, { code: 0, stderr: /^\S+Z by anyone: succeeded\nas it was\n$/ })
    t.same(JSON.parse(shown.stdout), old)
    t.match(JSON.parse((await run('revisions show 1 --json')).stdout), { revision: 1, configuration: { id: 'old' } })
  })

  await t.test('they are compared', async t => {
    t.same(await run('revisions diff 2'), {
      code: 1,
      stdout: `+ node worker-2\n~ node worker-1 interface: "lo" -> "eth1"\n- bundle ${bundle.slice(0, 12)}\n`,
      stderr: ''
    })
    t.same(await run('revisions diff 2 --from 2'), { code: 0, stdout: '', stderr: '' })
    t.match(JSON.parse((await run('revisions diff 1 --from 2 --json')).stdout), { nodes: { removed: ['worker-2'] } })
    t.match(await run('revisions diff 1'), { code: 1, stderr: /there is no revision before 1/ })
    t.match(await run('revisions diff x'), { code: 2, stderr: /It is a whole number from 1/ })
  })

  await t.test('a rollback tells what it does, and is a revision of its own', async t => {
    const back = await run('rollback --no-check')
    t.match(back, { code: 0, stdout: '' })
    const lines = back.stderr.trimEnd().split('\n')
    t.equal(lines[0], 'revision 1 instead of 2: 1 node removed, 1 node changed, the bundle added')
    t.equal(lines.at(-1), '✔ deployed: 2 nodes, revision 3')
    t.match(JSON.parse((await run('revisions list --json')).stdout).revisions[0], { comment: 'revision 1 again' })
    t.match(JSON.parse((await run('config get staged')).stdout), { id: 'old' })
    const { stdout, stderr } = await run(['rollback', '2', '--no-check', '--json', '--comment', 'so be it'])
    t.match(JSON.parse(stdout), { type: 'deploy', state: 'succeeded', arguments: { revision: 2, comment: 'so be it' } })
    t.equal(stderr, '')
    t.match(await run('rollback 9'), { code: 1, stderr: /there is no revision 9/ })
  })

  await t.test('files of bundles are compared', async t => {
    await run(['deploy', fileOf('same.json', { ...old, bundle: await upload('print 22;') }), '--no-check'])
    t.match(await run('revisions diff 5 --from 1'), {
      code: 1,
      stdout:
        '~ file scripts/local.zeek (8 B -> 9 B)\n  @@ -1,1 +1,1 @@\n  -print 1;\n  \\ No newline at end of file\n  +print 22;\n  \\ No newline at end of file\n'
    })
    t.match(await run('rollback 1 --no-check'), { stderr: /^revision 1 instead of 5: 1 file changed\n/ })
    t.match(await run('rollback 6 --no-check'), { stderr: /^revision 6 instead of 6: nothing differs\n/ })
  })

  await t.test('what somebody else has changed meanwhile is left alone', async t => {
    const [staged, deployed] = ['config get staged', 'revisions list -n 1 --json']
    const before = await Promise.all([run(staged), run(deployed)])
    t.match(before[0].stderr, /^tag: [0-9a-f]{32}\n$/)
    const tag = before[0].stderr.slice('tag: '.length).trim()
    const stale = await run(['deploy', fileOf('stale.json', changed), '--no-check', '--if-revision', '6'])
    t.match(stale, { code: 1, stdout: '', stderr: /^zeek-cluster: revision 7 is deployed, since \S+Z by anyone\n$/ })
    t.match(await run('deploy --no-check --if-revision 6'), {
      code: 1,
      stderr: /^zeek-cluster: the deployed configuration is "7" now: revision 7, deployed by anyone at \S+Z\n$/
    })
    t.match(await run(['config', 'stage', fileOf('other.json', changed), '--if-match', 'abc']), {
      code: 1,
      stdout: '',
      stderr: new RegExp(`the staged configuration is "${tag}" now: `)
    })
    t.same(await Promise.all([run(staged), run(deployed)]), before, 'nothing is changed')

    const staging = await run(['config', 'stage', fileOf('mine.json', changed), '--if-match', tag])
    t.match(staging, { code: 0, stdout: 'new\n' })
    t.equal((await run(['config', 'stage', fileOf('old.json', old), '--if-match', `"x", "${tag}"`])).code, 1)
    t.match(await run(['deploy', fileOf('old.json', old), '--no-check', '--if-revision', '7']), {
      code: 0,
      stderr: /revision 8\n$/
    })
  })

  await t.test('a rollback takes back what it has told, and nothing that came meanwhile', async t => {
    const { fetch } = globalThis
    t.teardown(() => {
      globalThis.fetch = fetch
    })
    globalThis.fetch = async (asked, init) => {
      const url = asked instanceof Request ? asked.url : String(asked)
      if (url.includes('/revisions/7/diff')) await ask('deploy', { check: false })
      return await fetch(asked, init)
    }
    const { code, stderr } = await run('rollback 7 --no-check')
    t.equal(code, 1)
    t.match(stderr, /^revision 7 instead of 8: .*\n.*the deployed configuration is "9" now: revision 9, /)
  })

  await t.test('deploy takes a revision in place of a file', async t => {
    t.match(await run('deploy --revision 2 --no-check'), { code: 0, stderr: /deployed: 3 nodes, revision 10\n$/ })
    t.match(await run('deploy --revision 99'), { code: 1, stderr: /there is no revision 99/ })
    t.match(await run(['deploy', join(directory, 'old.json'), '--revision', '2']), {
      code: 2,
      stderr: /a file and --revision exclude each other/
    })
  })
})

await t.test('one that has worked is marked, and found again', async t => {
  const { url, settings } = await startTestController(t, {
    'controller-health-interval': '0.02',
    'controller-good-after': '0'
  })
  await fakeAgent(t, settings.controller_port, {
    hello: { nodes: [status('manager', 'RUNNING', { cluster_role: 'MANAGER' })] }
  })
  const run = async (line: string, stdin = '') =>
    await runCommand(line.split(' '), { stdin, columns: 200, env: { ZEEK_CLUSTER_URL: url } })
  const none = { code: 1, stderr: 'zeek-cluster: no revision is good but the deployed one\n' }
  t.match(await run('rollback --last-good'), none)
  const configuration = configurationOf(['agent-a'], [manager()], 'good')
  await run('deploy - --no-check', JSON.stringify(configuration))
  await until(async () => (await run('revisions list')).stdout.includes('yes'), 'it is good')
  t.match((await run('revisions list')).stdout, /\n +1 .* succeeded, deployed {2}yes +1\n/)
  t.match((await run('revisions show 1')).stderr, /succeeded, deployed, good at \S+Z\n$/)
  t.match(await run('rollback --last-good'), none)
  for (const id of ['bad', 'worse']) {
    await run('deploy - --no-check --timeout 5', JSON.stringify({ ...configuration, id, nodes: [manager(), worker()] }))
  }
  t.match(await run('rollback --last-good --no-check'), {
    code: 0,
    stderr: /^revision 1 instead of 3: 1 node removed\n[^]*deployed: 1 nodes, revision 4\n$/
  })
  t.match(await run('rollback 1 --last-good'), { code: 2, stderr: /a revision and --last-good exclude each other/ })
})

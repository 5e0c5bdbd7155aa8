import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { onOneInstance, readConfiguration } from '../../src/cli/configuration-file.js'
import { Failure } from '../../src/client/failure.js'
import { fixture } from '../support/environment.js'

const configuration = {
  instances: [{ name: 'sensor-1' }],
  nodes: [{ name: 'manager', instance: 'sensor-1', role: 'MANAGER' }]
}
const yaml = `# a comment
instances:
  - name: sensor-1
nodes:
  - { name: manager, instance: sensor-1, role: MANAGER }
`
const json = JSON.stringify(configuration)

async function read(t: Test, name: string, text: string, { signal = new AbortController().signal } = {}) {
  const stdin = Readable.from([Buffer.from(text)])
  const file = name === '-' ? '-' : join(t.testdir(), name)
  if (name !== '-') writeFileSync(file, text)
  return await readConfiguration(file, { stdin, interrupted: signal })
}

async function refusal(t: Test, name: string, text: string): Promise<string> {
  try {
    await read(t, name, text)
    return 'nothing was thrown'
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    t.notMatch(error.message, '\n')
    return `${error.exitCode} ${error.message.replace(t.testdirName, '')}`
  }
}

await t.test('JSON and YAML are read, by name or by what they hold', async t => {
  for (const name of ['a.json', 'a.yaml', 'a.YML', 'a', 'a.txt', '-']) {
    for (const text of [json, `\n ${json}`, JSON.stringify({ config: configuration }, undefined, 2)]) {
      t.same(await read(t, name, text), { config: configuration, notes: [] }, `${name}: ${text}`)
    }
    t.same((await read(t, name, yaml)).config, configuration, `${name}: YAML`)
    t.same(
      (await read(t, name, `config:\n${yaml.replace(/^(?=.)/gm, '  ')}`)).config,
      configuration,
      `${name}: YAML body`
    )
  }
  t.same((await read(t, '-', `---\n${yaml}`)).config, configuration)
  t.same((await read(t, '-', 'nodes:\n- name: a\n  env: { A: "x = y" }\n')).config, {
    nodes: [{ name: 'a', env: { A: 'x = y' } }]
  })
})

await t.test('so are the files of zeek-client, ZeekControl and the systemd generator', async t => {
  const clusterCfg = '[instances]\nsensor-1\n\n[manager]\ninstance = sensor-1\nrole = MANAGER\n'
  const nodeCfg =
    '[manager]\ntype=manager\nhost=localhost\n\n[proxy-1]\ntype=proxy\nhost=localhost\n\n[worker-1]\ntype=worker\nhost=localhost\ninterface=eth0\n'
  const zeekConf = 'interface = eth0\nworkers = 2\n'
  for (const name of ['cluster.cfg', 'x', '-']) t.match((await read(t, name, clusterCfg)).config, configuration, name)
  for (const name of ['node.cfg', 'x', '-']) {
    t.match(
      (await read(t, name, nodeCfg)).config,
      {
        nodes: [{ role: 'MANAGER' }, { role: 'PROXY' }, { name: 'worker-1', interface: 'eth0' }]
      },
      name
    )
  }
  for (const name of ['zeek.conf', 'x', '-']) {
    t.match(
      (await read(t, name, zeekConf)).config,
      { nodes: [], groups: [{ name: 'worker', interface: 'eth0', workers: 2 }] },
      name
    )
  }
})

await t.test("the directory of ZeekControl's files is all of them", async t => {
  const io = { stdin: Readable.from([]), interrupted: new AbortController().signal }
  const { config, notes } = await readConfiguration(fixture('zeekctl'), io)
  t.match(config, {
    nodes: [{ name: 'manager', options: { 'Notice::mail_dest': 'root@localhost' } }, { name: 'zeek' }]
  })
  t.match(notes[0], /^MailConnectionSummary = 1/)
})

await t.test('what is broken is told in a line, with the file and where', async t => {
  t.match(await refusal(t, 'a.json', '{\n"nodes": [\n}'), /^2 \/a\.json: .* line 3/)
  t.match(await refusal(t, 'a.yaml', 'nodes:\n  - a\n - b\n'), /^2 \/a\.yaml: .* line 3/)
  t.match(await refusal(t, '-', 'nodes: [a\n'), /^2 -: .* line 2/)
  t.match(
    await refusal(t, 'cluster.cfg', '[instances]\nsensor-1\n[manager]\ninstance = sensor-1\nrole = BOSS\n'),
    /^2 \/cluster\.cfg: .*role/
  )
  t.match(await refusal(t, 'a.json', ' \n'), /^2 \/a\.json is empty$/)
  for (const text of ['[1]', '"text"', 'null', '- a\n- b', '5', '{"config": 5}', 'just words']) {
    t.match(await refusal(t, 'a.yaml', text), /^2 \/a\.yaml is no configuration/, text)
  }
})

await t.test('a file that cannot be read is named', async t => {
  const [none, directory] = [join(t.testdir(), 'none.json'), t.testdirName]
  const io = { stdin: Readable.from([]), interrupted: new AbortController().signal }
  await t.rejects(readConfiguration(none, io), { exitCode: 2, message: new RegExp(`ENOENT.*${none}`) })
  await t.rejects(readConfiguration(directory, io), {
    exitCode: 2,
    message: new RegExp(`ENOENT.*${directory}/node.cfg`)
  })
})

await t.test('waiting for standard input ends with Ctrl-C', async t => {
  const interrupt = new AbortController()
  const stdin = new Readable({ read: () => {} })
  const reading = readConfiguration('-', { stdin, interrupted: interrupt.signal })
  interrupt.abort()
  await t.rejects(reading)
  t.equal(stdin.destroyed, true)
})

await t.test('nodes of a configuration without instances are of the only one that is connected', async t => {
  const { instances: _none, ...bare } = configuration
  const nodes = [{ name: 'manager', role: 'MANAGER' }]
  t.same(onOneInstance({ nodes }, ['sensor-1']), configuration)
  t.same(onOneInstance(bare, ['sensor-1']), configuration)
  t.same(onOneInstance({ nodes: 'none' }, ['sensor-1']), { instances: [{ name: 'sensor-1' }], nodes: 'none' })
  t.throws(() => onOneInstance({ nodes }, []), { exitCode: 2, message: /none is connected/ })
  t.throws(() => onOneInstance({ nodes }, ['a', 'b']), { exitCode: 2, message: /there are a, b: say on which one/ })
})

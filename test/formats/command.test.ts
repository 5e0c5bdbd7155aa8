import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { requests } from '../../schemas/api.js'
import { checker } from '../../schemas/validator.js'
import { invalid } from '../../src/errors.js'
import { packageRoot } from '../../src/util.js'
import { cleanEnv, mainProgram } from '../support/environment.js'

const fixture = (...path: string[]) => join(packageRoot, 'test', 'fixtures', ...path)
const check = checker(requests.stage_configuration.arguments, invalid)

async function convert(args: string[], input = '') {
  const child = spawn(process.execPath, [mainProgram, 'convert', ...args], { env: cleanEnv })
  child.stdin.on('error', () => {}).end(input)
  const [code, stdout, stderr] = await Promise.all([
    new Promise(resolve => child.on('close', resolve)),
    text(child.stdout),
    text(child.stderr)
  ])
  return { code, stdout, stderr }
}

await t.test('a file becomes the body of a request, with its notes beside it', async t => {
  for (const name of [
    ['formats', 'node.cfg'],
    ['formats', 'zeek.conf'],
    ['zeek', 'cluster.cfg']
  ]) {
    const { code, stdout, stderr } = await convert([fixture(...name)])
    t.equal(code, 0)
    t.doesNotThrow(() => check(JSON.parse(stdout), 'body'))
    t.match(stdout, /^{\n {2}"config": {\n {4}"instances": \[\n/)
    t.equal(/^host|^the host/m.test(stderr), name[1] !== 'cluster.cfg')
    for (const note of stderr.trimEnd().split('\n').filter(Boolean)) {
      t.match(note, /^(\[.+\] \S+ = .*|(\[.+\] )?the workers are nodes, .*|host .*|the host|every node .*|nodes '.*)/)
    }
  }
})

await t.test("- is standard input; this host's agent is the instance where there is none", async t => {
  const { code, stdout } = await convert(['-'], '[m]\nrole = manager\n')
  t.same(
    [code, JSON.parse(stdout)],
    [
      0,
      {
        config: {
          instances: [{ name: `agent-${hostname()}` }],
          nodes: [{ name: 'm', instance: `agent-${hostname()}`, role: 'MANAGER' }]
        }
      }
    ]
  )
  t.match(
    JSON.parse((await convert(['-'], readFileSync(fixture('formats', 'node.cfg'), 'utf8'))).stdout).config.nodes,
    { length: 8 }
  )
})

await t.test('a host name is looked up', async t => {
  const { stdout } = await convert(['-'], '[instances]\na = localhost:2151\n')
  t.match(JSON.parse(stdout).config.instances[0].host, /^(127\.0\.0\.1|::1)$/)
})

await t.test('bad input is one message, and nothing on standard output', async t => {
  const cases: [string[], string, RegExp][] = [
    [['/nowhere/node.cfg'], '', /ENOENT/],
    [[], '', /missing required argument 'path'/],
    [['a', 'b'], '', /too many arguments for 'convert'/],
    [['-'], 'x', /^zeek-cluster: - is none of cluster\.cfg/],
    [
      ['-'],
      '[m]\nrole = boss\nport = x\n',
      /^zeek-cluster: m: port: cannot convert "m\.port" value "x" to int \(line 3\); m: role: role "boss" is invalid \(line 2\)\n$/
    ],
    [
      ['-'],
      '[worker-1]\nrole = worker\ninterface=eth0 -i eth1\n',
      /^zeek-cluster: worker-1: interface: one interface per node \(line 3\)\n$/
    ],
    [['-'], '[a b]\nrole = manager\n', /^zeek-cluster: a b: name: must be a name of .* \(line 1\)\n$/]
  ]
  for (const [args, input, message] of cases) {
    const { code, stdout, stderr } = await convert(args, input)
    t.same([code, stdout], [2, ''])
    t.match(stderr, message)
    t.equal(stderr.trimEnd().split('\n').length, 1)
  }
})

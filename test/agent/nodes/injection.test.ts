/** Names and values that become paths, arguments, variables or lines: whatever the schemas let in stays what it is. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import type { AssignedNode, Layout, Share } from '../../../schemas/agent.js'
import { ShareFile } from '../../../src/agent/nodes/share-file.js'
import { NodeTable } from '../../../src/agent/nodes/node-table.js'
import { channelOf, directories, programOf } from '../../../src/agent/nodes/zeek-program.js'
import { SupervisorClient } from '../../../src/agent/nodes/supervisor-client.js'
import { supervisorHandlers } from '../../../src/host.js'
import { Link } from '../../../src/link/link.js'
import { memoryPair } from '../../../src/link/transport.js'
import { Supervisor } from '../../../src/supervisor/supervisor.js'
import { packageRoot } from '../../../src/util.js'
import {
  defaultsScript,
  nodeScript,
  ourScripts,
  renderChannel,
  renderCommand,
  renderRotation
} from '../../../src/zeek/command.js'
import { renderLayout, writesLogs } from '../../../src/zeek/layout.js'
import { hasOptions, optionsScript, renderOptions } from '../../../src/zeek/options.js'
import { digestOf } from '../../../src/protocol/packed-layout.js'
import { directoryOf } from '../../support/directory.js'
import { cleanEnv } from '../../support/environment.js'
import { settingsOf } from '../../support/settings.js'
import { anyHost, anyLayout, anyNode, anyOptions } from '../../support/nasty.js'
import { runs } from '../../support/runs.js'
import { layoutsFrom } from '../../support/lacking.js'

const witness = join(packageRoot, 'test', 'fixtures', 'agent', 'witness')
const zeek = { path: witness, version: '9.0.0', zeekPath: '.:/nowhere' }
const settings = settingsOf({ 'management-state-dir': '/state' })
const shareOf = (nodes: AssignedNode[], layout: Layout): Share => ({ config_id: 'c1', layout, nodes })
/** As it leaves a process: half of a surrogate pair is no text. */
const sent = (text: string) => Buffer.from(text).toString()

/** What a shell keeps for itself. */
const shellsOwn = /^(PWD|OLDPWD|IFS|OPTIND|PPID|LINENO|SHLVL|SHELLOPTS|_|BASH.*|E?UID)$/

/**
 * The statements of a Zeek script, as Zeek's scanner divides them; patterns aside, which look like divisions. Throws
 * where Zeek would.
 */
function statements(script: string): { text: string; strings: string[] }[] {
  const found: { text: string; strings: string[] }[] = []
  let text = ''
  let strings: string[] = []
  const token = /"(?:[^"\\\r\n]|\\[^\r\n])*"|#[^\n]*|@[a-z-]+[^\n]*|;|["@\\]|[^"#@;\\]+/g
  for (const [word] of script.matchAll(token)) {
    if (word === '"' || word === '\\' || word === '@') throw new SyntaxError(`at ${word}`)
    if (word.startsWith('#')) continue
    if (word.startsWith('"')) strings.push(word.slice(1, -1))
    if (word !== ';' && !word.startsWith('@')) text += word
    else {
      found.push({ text: (word === ';' ? text : word).trim(), strings })
      text = ''
      strings = []
    }
  }
  if (text.trim() !== '') throw new SyntaxError(`nothing ends ${text}`)
  return found
}

/** What Zeek's strings mean. */
const meaning = (text: string) =>
  text.replace(/\\(?:x([0-9a-f]{2})|(.))/gs, (_, code?: string, other?: string) =>
    code ? String.fromCharCode(parseInt(code, 16)) : other!
  )

await t.test("a node's directory is one of the nodes' directories", async t => {
  fc.assert(
    fc.property(anyNode, anyLayout, (node, layout) => {
      const { cwd, output, name } = programOf(node, shareOf([node], layout), zeek, { settings, env: {} })
      assert.equal(dirname(cwd), '/state/nodes')
      assert.equal(basename(cwd), node.name)
      assert.equal(output!.directory, cwd)
      // The supervisor's files.
      assert.equal(dirname(join('/state/supervisor', `${name}.json`)), '/state/supervisor')
    }),
    { numRuns: runs(300) }
  )
  t.pass('it is')
})

await t.test('a command line has its parts in their places, and no other flags, options or plugins', async t => {
  fc.assert(
    fc.property(anyNode, anyLayout, (node, layout) => {
      const command = renderCommand(node, layout, '/opt/zeek')
      const pinned = node.cpu_affinity === undefined ? [] : ['taskset', '-c', `${node.cpu_affinity}`]
      const sniffing = node.interface === undefined ? [] : ['-i', node.interface]
      const scripts = node.scripts ?? []
      const head = [
        ...pinned,
        '/opt/zeek',
        `policy/frameworks/cluster/backend/${layout.backend}`,
        defaultsScript,
        ...sniffing,
        ...scripts,
        nodeScript
      ]
      assert.deepEqual(command.slice(0, head.length), head)
      assert.equal(node.interface?.startsWith('-') ?? false, false)
      // As Zeek sorts its operands.
      assert.deepEqual(
        scripts.filter(
          script => script === '' || script.startsWith('-') || script.includes('=') || script.includes('::')
        ),
        []
      )
      const rest = command.slice(head.length)
      const names = rest.flatMap(argument => /^(Cluster::Backend::ZeroMQ::[a-z0-9_]+)=/.exec(argument)?.[1] ?? [])
      assert.equal(
        names.length,
        layout.backend === 'zeromq' && layout.hub ? rest.length - (hasOptions(node) ? 2 : 0) : 0
      )
      assert.deepEqual(rest.slice(names.length), hasOptions(node) ? ['-e', `@load ${optionsScript(node.name)}`] : [])
    }),
    { numRuns: runs(300) }
  )
  t.pass('it has')
})

await t.test('variables are those of the node, with what makes it this node', async t => {
  fc.assert(
    fc.property(anyNode, node => {
      const { env } = programOf(node, shareOf([node], { backend: 'broker', nodes: [] }), zeek, {
        settings,
        env: { PATH: '/bin', ZEEK_AGENT_TOKEN_FILE: '/secret' }
      })
      const own = { ZEEK_CLUSTER_CONTROLLER_CHANNEL: `/state/nodes/${node.name}/channel` }
      const rotation = ['LOGGER', 'MANAGER'].includes(node.role)
        ? {
            ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE: '/state/spool/log-queue',
            ZEEK_CLUSTER_CONTROLLER_ROTATION_INTERVAL: '3600'
          }
        : {}
      const expected = new Map(
        Object.entries({
          PATH: '/bin',
          ...node.env,
          ...rotation,
          ...own,
          CLUSTER_NODE: node.name,
          ZEEKPATH: `/state/cluster:${node.env?.ZEEKPATH ?? zeek.zeekPath}`
        })
      )
      assert.deepEqual(new Map(Object.entries(env)), expected)
    }),
    { numRuns: runs(300) }
  )
  t.pass('they are')
})

/** The lines of a script of options that Zeek scans when it knows the names, and which of them are strings. */
function scanned(script: string, isText: (name: string) => boolean): string[] {
  const lines: string[] = []
  const branches: boolean[] = []
  for (const line of script.split('\n').slice(0, -1)) {
    const [, directive, condition] = /^@(\w+)(?: \( (.*) \))?$/.exec(line) ?? []
    if (directive === 'ifdef') branches.push(true)
    else if (directive === 'if') {
      branches.push(
        isText(/^ZeekClusterController::is_text\(\[\$f\(\) = \{ return ([\w:]+); \}\]\$f\)$/.exec(condition!)![1]!)
      )
    } else if (directive === 'else') branches.push(!branches.pop())
    else if (directive === 'endif') branches.pop()
    else {
      // Zeek looks for directives in what it does not take, too.
      assert.equal(line.includes('@'), false)
      if (branches.every(Boolean)) lines.push(line)
    }
  }
  assert.deepEqual(branches, [])
  return lines
}

await t.test('an option is one statement, in which nothing is hidden from its end', async t => {
  fc.assert(
    fc.property(anyOptions, fc.infiniteStream(fc.boolean()), (options, areStrings) => {
      // As Zeek does: the quotes depend on the type that it knows.
      const texts = new Map(Object.keys(options).map(name => [name, areStrings.next().value as boolean]))
      const given = scanned(renderOptions(options), name => texts.get(name)!)
      try {
        assert.deepEqual(
          statements(given.join('\n')).map(({ text }) => /^redef ([A-Za-z0-9_:]+) =/.exec(text)?.[1]),
          Object.keys(options)
        )
      } catch (error) {
        // Zeek ends with it, too, and says so.
        if (!(error instanceof SyntaxError)) throw error
      }
      // A line each: no value goes on in the next.
      assert.equal(given.length, Object.keys(options).length)
      Object.entries(options).forEach(([name, value], at) => {
        const [, quoted, bare] = /^redef [\w:]+ = (?:"(.*)"|(.*));$/s.exec(given[at]!)!
        const isBlank = value.trim() === ''
        const found = isBlank || texts.get(name) ? quoted! : (bare ?? `"${quoted}"`)
        assert.equal(meaning(found), meaning(value))
      })
    }),
    { numRuns: runs(1000) }
  )
  t.pass('it is')
})

await t.test('the options that operators write are told apart from what would end them', async t => {
  const written = (value: string) =>
    /^redef A::b = (.*);$/.exec(scanned(renderOptions({ 'A::b': value }), () => false)[0]!)![1]
  for (const value of ['hello world', '5min', '99/udp', '{"a","b"}', '/a\\/b/', 'a\\"b', '2001:db8::1', '{["a"]=1}']) {
    t.equal(written(value), value)
  }
  t.equal(written(''), '""')
  t.equal(written('T; event zeek_init() { } #'), 'T\\x3b event zeek_init() { } \\x23')
  t.equal(written('1 @load /tmp/x'), '1 \\x40load /tmp/x')
  t.equal(written('ops@example.org'), 'ops\\x40example.org')
  t.equal(written('a\\;b\\\\;c'), 'a\\x3bb\\\\\\x3bc')
})

await t.test('a layout has its statements and its strings, and no others', async t => {
  fc.assert(
    fc.property(anyLayout, anyHost, (layout, host) => {
      const manager = layout.nodes.find(({ role }) => role === 'MANAGER')?.name
      const found = statements(renderLayout(layout, host))
      const hasLogger = layout.nodes.some(({ role }) => role === 'LOGGER')
      assert.deepEqual(
        found.map(({ text }) => /^@load \S+$|^redef \S+/.exec(text)?.[0]),
        [
          'redef Cluster::nodes',
          ...(hasLogger ? ['redef Cluster::manager_is_logger'] : []),
          '@load base/frameworks/telemetry/options',
          'redef Telemetry::metrics_address',
          'redef Telemetry::metrics_port'
        ]
      )
      assert.deepEqual(
        found[0]!.strings,
        layout.nodes.flatMap(({ name, role }) => [
          name,
          ...(manager !== undefined && role !== 'MANAGER' ? [manager] : [])
        ])
      )
      assert.equal(renderLayout(layout, host).split('\n').length, 9 + layout.nodes.length + (hasLogger ? 2 : 0))
    }),
    { numRuns: runs(300) }
  )
  t.pass('it has')
})

const parser = spawnSync('zeek-format', ['/dev/null'], { env: cleanEnv })
await t.test(
  "layouts parse with Zeek's grammar",
  { skip: parser.error ? 'zeek-format (PyPI: zeekscript) is not on the PATH' : false },
  async t => {
    const path = join(mkdtempSync(join(tmpdir(), 'layouts-')), 'layouts.zeek')
    writeFileSync(
      path,
      fc
        .sample(fc.tuple(anyLayout, anyHost), runs(100))
        .map(([layout, host]) => renderLayout(layout, host))
        .join('\n')
    )
    const { status, stderr } = spawnSync('zeek-format', [path], { env: cleanEnv, encoding: 'utf8' })
    t.equal(status, 0, stderr)
  }
)

await t.test('a process gets its arguments and variables as they are, and writes nowhere else', async t => {
  const directory = directoryOf(t)
  const settings = settingsOf({
    'management-state-dir': directory,
    'agent-name': 'a',
    'agent-restart-max': '1',
    bin: witness
  })
  const own = { PATH: '/usr/bin:/bin', TZ: 'UTC', ZEEK_AGENT_TOKEN_FILE: '/secret', stat: 'ours', boot: 'ours' }
  const [ours, theirs] = memoryPair()
  const supervisor: Supervisor = new Supervisor(join(directory, 'supervisor'), {
    changed: status => link.notify('changed', status),
    attached: () => {}
  })
  const link = new Link(theirs, supervisorHandlers(supervisor))
  const table = new NodeTable(
    { settings, env: own },
    new SupervisorClient(ours),
    new ShareFile(join(directory, 'agent.json'))
  )
  t.teardown(() => supervisor.close())

  const { node: directoryOfNode, scripts, queue } = directories(settings)
  // A process is as nasty as its node, but it must start: these say which programs and libraries do. "__proto__" is
  // lost by tap's hook on spawn.
  const startable = anyNode
    .filter(({ env = {} }) => !Object.keys(env).some(name => /^(LD_.*|PATH|__proto__)$/.test(name)))
    .map(node => (node.cpu_affinity === undefined ? node : { ...node, cpu_affinity: 0 }))
    .map(node => ({ ...node, env: { ...node.env, stat: 'theirs', CLUSTER_NODE: 'other', ZEEKPATH: '/theirs' } }))
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(startable, { selector: ({ name }) => name, minLength: 5, maxLength: 15 }),
      anyLayout,
      async (nodes, layout) => {
        const results = await table.deploy(
          { config_id: 'c1', layout: digestOf(layout), nodes },
          layoutsFrom(async () => layout),
          {},
          AbortSignal.timeout(60_000)
        )
        for (const [at, node] of nodes.entries()) {
          const files = ['cmdline', 'environ'].map(name =>
            readFileSync(join(directoryOfNode(node.name), name), 'utf8').split('\0')
          )
          const [command, environment] = files as [string[], string[]]
          const rendered = renderCommand(node, layout, witness)
          // The interpreter is the kernel's doing.
          assert.deepEqual(command, ['/bin/sh', ...rendered.slice(rendered.indexOf(witness)).map(sent), ''])
          if (hasOptions(node)) {
            const path = join(scripts, optionsScript(node.name))
            assert.equal(readFileSync(path, 'utf8'), sent(renderOptions(node.options)))
            assert.equal(statSync(path).mode & 0o777, 0o600)
          }
          const expected: Record<string, string> = {
            PATH: own.PATH,
            TZ: own.TZ,
            ...node.env,
            ...(writesLogs(node.role, layout) ? renderRotation({ queue, interval: 3600 }) : {}),
            ...renderChannel(channelOf(directoryOfNode(node.name))),
            CLUSTER_NODE: node.name,
            ZEEKPATH: `${scripts}:/theirs`
          }
          const counts = (line: string) =>
            line !== '' && !line.startsWith('INVOCATION_ID=') && !shellsOwn.test(line.split('=')[0]!)
          assert.deepEqual(
            environment.filter(counts).sort(),
            Object.entries(expected)
              .map(([name, value]) => `${name}=${sent(value)}`)
              .filter(counts)
              .sort()
          )
          assert.equal(results[at]!.success, false)
        }
        const all = readdirSync(directory, { recursive: true })
          .map(String)
          .filter(
            path =>
              path !== 'cluster/nodes' &&
              !/^nodes\/[^/]+(\/((stdout|stderr)(\.\d)?|runs\.json|cmdline|environ|channel(\/(ask|options|tell|beat|loaded))?))?$/.test(
                path
              )
          )
          .sort()
        assert.deepEqual(
          all,
          [
            'agent.json',
            'cluster',
            'cluster/cluster-layout.zeek',
            ...ourScripts.map(script => `cluster/${script}`),
            'nodes',
            'supervisor',
            ...nodes.filter(hasOptions).flatMap(({ name }) => {
              const script = `cluster/${optionsScript(name)}`
              return [dirname(script), script]
            }),
            ...nodes.flatMap(({ name }) => [`supervisor/${name}.json`, `supervisor/${name}.pid`])
          ].sort()
        )
      }
    ),
    { numRuns: runs(5) }
  )
  t.pass('it does')
})

import t from 'tap'
import { convert } from '../../src/formats/convert.js'

/** About as large as a file that is converted may be. */
const size = 200_000
const context = {
  resolve: async () => {
    throw new Error('not here')
  },
  defaultInstance: 'agent-x'
}
const fill = (head: string, item: (n: number) => string) => {
  const parts = [head]
  for (let [n, length] = [0, head.length]; length < size; n++) {
    const part = item(n)
    parts.push(part)
    length += part.length
  }
  return parts.join('')
}
const base = '[manager]\ntype=manager\nhost=10.0.0.1\n[proxy-1]\ntype=proxy\nhost=10.0.0.1\n'
const worker = `${base}[w]\ntype=worker\nhost=10.0.0.1\ninterface=e\n`

/** Each took many times as long before it was bounded, or filled the memory. */
const files: [what: string, name: string, text: string, expected: RegExp][] = [
  ['words that are no scripts', 'node.cfg', fill(`${worker}aux_scripts=`, () => '- '), /103 notes/],
  ['unknown keys', 'node.cfg', fill(worker, n => `k${n}=\n`), /103 notes/],
  [
    'one section with a long name',
    'node.cfg',
    fill(`[${'a'.repeat(100_000)}]\n`, n => `k${n}=\n`),
    /section|type|host/
  ],
  ['many hosts', 'node.cfg', fill(base, n => `[a${n}]\ntype=worker\nhost=h${n}\ninterface=e\n`), /\d nodes/],
  [
    'many processes with much of their own',
    'node.cfg',
    `${worker}lb_procs=9000\nlb_method=myricom\nenv_vars=${Array.from({ length: 200 }, (_, n) => `A${n}=${'x'.repeat(900)}`).join()}\n`,
    /^w has too many processes for what each of them has$/
  ],
  [
    'many workers with much of their own',
    'zeek.conf',
    `interface = e\nworkers = 9000\nenv =${Array.from({ length: 200 }, (_, n) => `\n A${n}=${'x'.repeat(900)}\${worker_index}`).join('')}\n`,
    /^zeek\.conf has too many processes/
  ],
  [
    'too many workers in each section',
    'zeek.conf',
    fill('[zeek]\nmanager = 1\n', n => `[interface a${n}]\ninterface = e\nworkers = 60000\n`),
    /workers: must be at most 40000 /
  ],
  [
    'a long name of a section, which is filled in',
    'zeek.conf',
    fill(
      `[interface ${'a'.repeat(100_000)}]\nworkers = 9\ninterface = e\nworker_env = A=`,
      () => `\${interface_section_name}`
    ),
    /must be "interface NAME"/
  ],
  ['words that are no scripts', 'zeek.conf', fill('interface = e\nworkers = 1\nargs = ', () => '- '), /102 notes/],
  ['unknown keys', 'zeek.conf', fill('interface = e\nworkers = 1\n', n => `k${n} = 1\n`), /102 notes/],
  ['unknown keys', 'cluster.cfg', fill(`[${'a'.repeat(100_000)}]\n`, n => `k${n}=\n`), /is not known/],
  ['sections without anything', 'cluster.cfg', fill('', n => `[a${n}]\n`), /node requires a role/]
]

for (const [what, name, text, expected] of files) {
  await t.test(`${name} with ${what} costs little, and tells little`, async t => {
    const before = process.cpuUsage()
    const told = await convert(name, text, context).then(
      ({ configuration, notes }) => ({
        text: JSON.stringify({ configuration, notes }),
        what: `${configuration.nodes.length} nodes, ${notes.length} notes`
      }),
      ({ code, message }) => ({ text: `${message}`, what: code === 'invalid_request' ? `${message}` : 'a fault' })
    )
    const { user } = process.cpuUsage(before)
    t.match(told.what.slice(0, 10_000), expected)
    t.ok(told.text.length < 5_000_000, `${told.text.length} characters`)
    // A fraction of it on an idle machine.
    t.ok(user < 20_000_000, `${user / 1000} ms`)
  })
}

await t.test('as many processes as there can be are no fault', async t => {
  const { configuration } = await convert('node.cfg', `${worker}lb_procs=99000\nlb_method=custom\n`, context)
  t.equal(configuration.nodes.length, 99_002)
})

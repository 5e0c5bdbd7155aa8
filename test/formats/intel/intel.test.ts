import fc from 'fast-check'
import t from 'tap'
import { checkedIndicators } from '../../../src/formats/intel/intel.js'

const header = '#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\n'

/** Returns what is passed on of a file that comes in pieces of so many bytes. */
async function passed(text: string, size = 7): Promise<string> {
  const file = Buffer.from(text)
  async function* pieces() {
    for (let at = 0; at < file.length; at += size) yield file.subarray(at, at + size)
  }
  const out: Buffer[] = []
  for await (const chunk of checkedIndicators(pieces())) out.push(chunk)
  return Buffer.concat(out).toString()
}

await t.test('a file is passed on as it is', async t => {
  for (const text of [
    header,
    `# exported\n\n${header}192.0.2.1\tIntel::ADDR\ttor\tan exit\n2001:db8::1\tIntel::ADDR\ttor\t-\n`,
    `${header}10.0.0.0/8\tIntel::SUBNET\tx\n2001:db8::/32\tIntel::SUBNET\tx\r\n# a comment\nevil.example\tIntel::DOMAIN\tx`,
    // Zeek takes the first line that is no comment for the names, and what scripts add as types and fields.
    'meta.source\tindicator\tindicator_type\tmeta.do_notice\nx\tä/ö\tIntel::URL\tT\nx\ty\tSite::KIND\tF\n'
  ]) {
    for (const size of [1, 7, 1000]) t.equal(await passed(text, size), text)
  }
})

await t.test('a fault is told with its line', async t => {
  for (const [text, ...messages] of [
    ['', 'the file has no line with the names of its fields'],
    ['# nothing\n\n', 'the file has no line with the names of its fields'],
    ['not a feed\n', /^body\/line 1 must name .*: indicator, indicator_type, meta.source are missing$/],
    ['#fields\tindicator\tindicator_type\n', /^body\/line 1 must name .*: meta.source is missing$/],
    [`${header}\n300.0.2.1\tIntel::ADDR\tx\n`, "body/line 3 '300.0.2.1' is no address"],
    [
      `${header}10.0.0.0/33\tIntel::SUBNET\tx\n`,
      "body/line 2 '10.0.0.0/33' is no subnet as 10.0.0.0/8 or 2001:db8::/32"
    ],
    [`${header}10.0.0.0\tIntel::SUBNET\tx\n`, /is no subnet/],
    [`${header}evil.example Intel::DOMAIN x\n`, 'body/line 2 has no indicator_type'],
    [`${header}evil.example\tIntel::DOMAIN\n`, 'body/line 2 has no meta.source'],
    [`${header}evil.example\tIntel::DOMAIN\t-\n`, 'body/line 2 has no meta.source'],
    [`${header}\tIntel::DOMAIN\tx\n`, 'body/line 2 has no indicator'],
    [`${header}evil.example\tdomain name\tx\n`, "body/line 2 'domain name' is no type as Intel::DOMAIN"],
    [`${header}a\tIntel::ADDR\tx\nb\tIntel::ADDR\tx`, "body/line 2 'a' is no address; body/line 3 'b' is no address"],
    [header + 'x'.repeat(70_000), 'body/line 2 is longer than 65536 bytes']
  ] as const) {
    for (const message of messages) await t.rejects(passed(text, 1000), { code: 'invalid_request', message })
  }
  const many = await passed(header + 'x\tIntel::ADDR\ty\n'.repeat(50)).catch(error => error)
  t.equal(many.errors.length, 10, 'not more than anyone reads')
})

await t.test('where pieces end is of no matter', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('192.0.2.1\tIntel::ADDR\tx', 'bad\tIntel::ADDR\tx', '# c', '', 'ü\tIntel::URL\tx\r')),
      fc.integer({ min: 1, max: 40 }),
      async (lines, size) => {
        const text = header + lines.join('\n')
        const bad = lines.filter(line => line.startsWith('bad')).length
        const result = await passed(text, size).catch(error => error.errors.length)
        t.equal(result, bad === 0 ? text : Math.min(bad, 10))
      }
    ),
    { numRuns: 100 }
  )
})

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, standIn } from '../support/environment.js'
import { pcapOf } from '../support/pcap.js'

function read(t: Test, bytes: Buffer | undefined, ...more: string[]) {
  const cwd = directoryOf(t)
  if (bytes) writeFileSync(join(cwd, 'x.pcap'), bytes)
  const { status, stderr } = spawnSync(standIn, ['-C', '-r', 'x.pcap', ...more], {
    cwd,
    env: cleanEnv,
    encoding: 'utf8'
  })
  const lines = (log: string) =>
    existsSync(join(cwd, log))
      ? readFileSync(join(cwd, log), 'utf8')
          .trim()
          .split('\n')
          .filter(line => !line.startsWith('#'))
      : undefined
  return { status, stderr, conn: lines('conn.log'), packetFilter: lines('packet_filter.log') }
}

await t.test('a trace file is read to its end', async t => {
  const twice = Buffer.concat([pcapOf(3), pcapOf(3).subarray(24)])
  const { status, stderr, conn, packetFilter } = read(t, twice)
  t.same([status, stderr, packetFilter?.length], [0, '', 1])
  t.same(
    conn,
    [0, 1, 2].map(n => `170000000${n}.000000\t10.0.0.1\t${40_000 + n}\t10.0.0.2\t53\tudp`)
  )
  t.match(read(t, pcapOf(0)), { status: 0, conn: undefined, packetFilter: [String] })
})

/** As Zeek 9.0 says it. */
await t.test('one that is none ends it with the words of Zeek', async t => {
  const why = (bytes: Buffer | undefined) => read(t, bytes).stderr
  t.equal(
    why(undefined),
    'fatal error: problem with trace file x.pcap (unable to open x.pcap: No such file or directory)\n'
  )
  const header = (text: string) =>
    `fatal error: problem with trace file x.pcap (truncated dump file; tried to read ${text})\n`
  t.equal(why(Buffer.alloc(0)), header('4 file header bytes, only got 0'))
  t.equal(why(pcapOf(1).subarray(0, 10)), header('24 file header bytes, only got 6'))
  t.equal(
    why(Buffer.from('not a pcap file at all')),
    'fatal error: problem with trace file x.pcap (unknown file format)\n'
  )
  const { status, stderr, conn } = read(t, pcapOf(2).subarray(0, -1))
  t.equal(
    stderr,
    '1700000000.000000 fatal error: failed to read a packet from x.pcap: truncated dump file; tried to read 42 captured bytes, only got 41\n'
  )
  t.same([status, conn], [1, undefined])
})

await t.test('scripts say which logs are written; a trace is not looked at when only they are parsed', async t => {
  const script = join(directoryOf(t), 'site.zeek')
  writeFileSync(script, 'event zeek_init() { Log::disable_stream(Conn::LOG); }\n')
  t.match(read(t, pcapOf(1), script), { status: 0, conn: undefined, packetFilter: [String] })
  t.match(read(t, undefined, '-a'), { status: 0, stderr: '' })
})

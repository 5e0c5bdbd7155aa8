import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { AppError } from '../../src/errors.js'
import { Channel, loadedScripts, prepareChannel, type Beat } from '../../src/zeek/channel.js'
import { directoryOf } from '../support/directory.js'
import { until } from '../support/until.js'
import { NodeEnd } from './node-end.js'

const never = new AbortController().signal
const gone = new AppError('unavailable', 'cluster node w not in running state')

/** An agent's end and a node's. */
async function open(t: Test, { invocation = 'run-1', directory = join(directoryOf(t), 'channel') } = {}) {
  if (!existsSync(directory)) await prepareChannel(directory)
  const heard: (Beat | undefined)[] = []
  const channel = new Channel(directory, invocation, beat => heard.push(beat))
  t.teardown(() => channel.close(gone))
  const node = new NodeEnd(directory)
  const asked = (count: number) =>
    until(() => node.questions().length >= count && node.questions(), `${count} questions are asked`)
  const first = async () => (await asked(1))[0]!.number
  return { channel, directory, heard, node, asked, first, path: (name: string) => join(directory, name) }
}

const modes = (directory: string) =>
  readdirSync(directory)
    .sort()
    .map(name => `${name} ${(statSync(join(directory, name)).mode & 0o777).toString(8)}`)

await t.test('the files are empty, but for the options, and for nobody else, whatever was there', async t => {
  const directory = join(directoryOf(t), 'nodes', 'w', 'channel')
  for (const what of ['nothing', 'of a process before']) {
    await prepareChannel(directory)
    t.equal(statSync(directory).mode & 0o777, 0o700)
    t.same(modes(directory), ['ask 600', 'beat 600', 'loaded 600', 'options 600', 'tell 600'])
    t.equal(readFileSync(join(directory, 'options'), 'utf8'), 'ZeekClusterController::options_read 0\n')
    for (const name of ['ask', 'beat', 'loaded', 'tell']) {
      t.equal(statSync(join(directory, name)).size, 0)
      writeFileSync(join(directory, name), what)
    }
    chmodSync(directory, 0o755)
  }
})

await t.test('beats are heard, with what the node says of itself', async t => {
  const { node, heard } = await open(t)
  node.beat({ joined: false, unseen: ['manager'] })
  await until(() => heard.some(beat => beat), 'it is heard')
  t.match(heard.at(-1), { joined: false, unseen: ['manager'] })
  node.beat()
  await until(() => heard.at(-1)?.joined, 'the next is heard')
})

await t.test('a beat that is half written, or found no room, is a sign of life that says no more', async t => {
  const { channel, heard, path } = await open(t)
  await channel.look()
  t.same(heard, [], 'an empty file that nobody has touched is none')
  writeFileSync(path('beat'), '{"invocation":"run-1","be')
  await until(() => heard.length > 0, 'it is heard')
  t.same(new Set(heard), new Set([undefined]))
})

await t.test('what another process says is not believed', async t => {
  const { channel, node, heard, first, directory } = await open(t)
  const other = new NodeEnd(directory, 'run-0')
  other.beat()
  new NodeEnd(directory, '').beat()
  const value = channel.idValue('A::b', never)
  const number = await first()
  other.answer(number, { value: '"theirs"' })
  node.answer(number, { value: '"ours"' })
  t.equal(await value, '"ours"')
  t.same(
    heard.filter(beat => beat),
    []
  )
})

await t.test('a process tells once which scripts it has loaded; what another one has told is not believed', async t => {
  const { node, directory, path } = await open(t)
  t.equal(await loadedScripts(directory, 'run-1'), undefined, 'nothing before')
  node.load('/a.zeek', './b.zeek')
  t.same(await loadedScripts(directory, 'run-1'), ['/a.zeek', './b.zeek'])
  t.equal(await loadedScripts(directory, 'run-2'), undefined)
  for (const text of ['{"invocation":"run-1","scripts":["/a.z', '{"invocation":"run-1","scripts":[1]}', '[]']) {
    writeFileSync(path('loaded'), text)
    t.equal(await loadedScripts(directory, 'run-1'), undefined, text)
  }
  node.load('x'.repeat(9_000_000))
  t.equal(await loadedScripts(directory, 'run-1'), undefined, 'nor so much')
  rmSync(path('loaded'))
  t.equal(await loadedScripts(directory, 'run-1'), undefined)
})

await t.test('values are texts as the node has written them', async t => {
  const { channel, node, asked } = await open(t)
  const values = ['18446744073709551615', '{"b":1,"a":2}', '"\\u0000\\n"', '"ü"'].map(value => ({
    value,
    given: channel.idValue('A::b', never)
  }))
  for (const [at, { number }] of (await asked(4)).entries()) node.answer(number, { value: values[at]!.value })
  for (const { value, given } of values) t.equal(await given, value)
})

await t.test("what has no value is told in Zeek's words", async t => {
  const { channel, node, first } = await open(t)
  const value = channel.idValue('A::b', never)
  const number = await first()
  node.answer(number, { error: 'unknown id' })
  await t.rejects(value, { code: 'not_found', message: 'unknown id' })
})

await t.test('many questions at once are each answered, in any order, or time out', async t => {
  const { channel, node } = await open(t)
  const late = new AbortController()
  const values = Array.from({ length: 500 }, (_, n) =>
    channel.idValue(`A::n${n}`, n % 100 === 99 ? late.signal : never)
  )
  const settled = Promise.allSettled(values)
  const seen = new Set<number>()
  await until(() => {
    for (const { number, id } of node.questions().reverse()) {
      if (!seen.has(number) && !id.endsWith('99')) node.answer(number, { value: JSON.stringify(id) })
      seen.add(number)
    }
    return seen.size === 500
  }, 'all are asked')
  await Promise.all(values.filter((_, n) => n % 100 !== 99))
  late.abort()
  for (const [n, result] of (await settled).entries()) {
    if (n % 100 === 99) t.match(result, { reason: { code: 'unavailable', message: 'request timed out' } })
    else t.match(result, { value: `"A::n${n}"` })
  }
})

await t.test('a value of ten megabytes arrives, and its file is emptied after it', async t => {
  const { channel, node, first, path } = await open(t)
  const large = JSON.stringify('x'.repeat(10_000_000))
  const value = channel.idValue('A::large', never)
  const number = await first()
  node.answer(number, { value: large })
  t.equal((await value).length, large.length)
  await until(() => statSync(path('tell')).size === 0, 'the file is emptied')
  const next = channel.idValue('A::b', never)
  const { number: second } = await until(() => node.questions().find(({ id }) => id === 'A::b'), 'the next is asked')
  node.answer(second, { value: '1' })
  t.equal(await next, '1')
})

await t.test('garbage and lines without end cost nothing but themselves', async t => {
  const { channel, node, first } = await open(t)
  const value = channel.idValue('A::b', never)
  const number = await first()
  for (const line of [
    'null',
    '[]',
    '"x"',
    '{',
    `{"invocation":"run-1","number":"${number}","value":"1"}`,
    `{"invocation":"run-1","number":${number},"value":1}`,
    '\0\0\xff'
  ]) {
    node.tell(`${line}\n`)
  }
  // Longer than any answer may be, in pieces.
  const piece = 'x'.repeat(8 * 1024 * 1024)
  for (let n = 0; n < 9; n++) node.tell(piece)
  node.tell(`{"invocation":"run-1","number":${number},"value":"cut off`)
  node.answer(number, { value: '"whole"' })
  t.equal(await value, '"whole"')
})

await t.test('a line that comes in pieces is heard when it is whole', async t => {
  const { channel, node, first } = await open(t)
  const value = channel.idValue('A::b', never)
  const number = await first()
  const line = JSON.stringify({ invocation: 'run-1', number, value: '"ü"' })
  for (const byte of Buffer.from(line)) {
    writeFileSync(join(node.directory, 'tell'), Buffer.from([byte]), { flag: 'a' })
    await channel.look()
  }
  node.tell('\n')
  t.equal(await value, '"ü"')
})

await t.test('files that are deleted are made anew, and the next question is answered', async t => {
  const { channel, node, directory, first, heard } = await open(t)
  rmSync(directory, { recursive: true })
  await until(() => existsSync(directory), 'the directory is there again')
  t.equal(statSync(directory).mode & 0o777, 0o700)
  node.beat()
  await until(() => heard.at(-1)?.joined, 'a beat is heard')
  const value = channel.idValue('A::b', never)
  const number = await first()
  node.answer(number, { value: '1' })
  t.equal(await value, '1')
})

await t.test('what cannot be asked is told at once', async t => {
  const { channel, path } = await open(t)
  rmSync(path('ask'))
  // As a full disk does: the new file cannot be written.
  await prepareChannel(path('ask.new'))
  await t.rejects(channel.idValue('A::b', never), { code: 'unavailable', message: /^cannot be asked: E/ })
})

await t.test('options are told in a file that is replaced, and done when the node says so', async t => {
  const { channel, node, path, asked } = await open(t)
  const options = [
    { name: 'A::nets', value: '10.0.0.0/8,fd00::/8' },
    { name: 'A::title', value: 'two words' }
  ]
  const read = () => readFileSync(path('options'), 'utf8')
  const setting = channel.setOptions(options, never)
  await until(() => read().includes('A::nets'), 'they are told')
  const number = Number(/options_read (\d+)/.exec(read())![1])
  t.equal(
    read(),
    `A::nets 10.0.0.0/8,fd00::/8\nA::title two words\nZeekClusterController::options_read ${number} A::nets A::title\n`
  )
  const value = channel.idValue('A::nets', never)
  t.match(await asked(1), [{ id: 'A::nets' }], 'they are no question about an identifier')
  node.answer(number, { value: '["Option \'A::title\' does not exist. Ignoring line."]' })
  t.same(await setting, ["Option 'A::title' does not exist. Ignoring line."])
  node.answer((await asked(1))[0]!.number, { value: '1' })
  t.equal(await value, '1')

  const giveUp = new AbortController()
  const late = channel.setOptions([], giveUp.signal)
  await until(() => !read().includes('A::nets'), 'there are none')
  giveUp.abort()
  await t.rejects(late, { code: 'unavailable' })
  rmSync(path('options'))
  await prepareChannel(path('options.new'))
  await t.rejects(channel.setOptions(options, never), { code: 'unavailable', message: /^cannot be told: E/ })
})

await t.test(
  'files that are replaced within a second have each a second of their own, by which Zeek tells them',
  async t => {
    const { channel, path } = await open(t)
    const giveUp = new AbortController()
    const read = () => readFileSync(path('options'), 'utf8')
    const seconds = [Math.floor(statSync(path('options')).mtimeMs / 1000)]
    for (const value of ['1', '2', '3', '4']) {
      channel.setOptions([{ name: 'A::b', value }], giveUp.signal).catch(() => {})
      await until(() => read().includes(`A::b ${value}`), `${value} is told`)
      seconds.push(Math.floor(statSync(path('options')).mtimeMs / 1000))
    }
    giveUp.abort()
    t.equal(new Set(seconds).size, 5, seconds.join(' '))
    t.same(seconds, [...seconds].sort())
  }
)

await t.test('an agent that comes after another asks with higher numbers', async t => {
  const directory = join(directoryOf(t), 'channel')
  await prepareChannel(directory)
  const high = Date.now() + 1e9
  writeFileSync(join(directory, 'ask'), `12 A::a\n${high} A::b\n`)
  const { channel, first, node } = await open(t, { directory })
  const value = channel.idValue('A::c', never)
  await until(() => node.questions()[0]?.id === 'A::c', 'it is asked')
  const number = await first()
  t.ok(number > high)
  node.answer(number, { value: '1' })
  t.equal(await value, '1')
})

await t.test('when it is closed, whoever waits or asks is told why, and nothing is heard any more', async t => {
  const { channel, node, asked, heard } = await open(t)
  const waiting = t.rejects(channel.idValue('A::b', never), gone)
  await asked(1)
  channel.close(gone)
  await waiting
  await t.rejects(channel.idValue('A::b', never), gone)
  const before = heard.length
  node.beat()
  await channel.look()
  t.equal(heard.length, before)
})

await t.test('who gives up before it is asked is told so', async t => {
  const { channel, node } = await open(t)
  await t.rejects(channel.idValue('A::b', AbortSignal.abort()), { code: 'unavailable', message: 'request timed out' })
  t.same(node.questions(), [])
})

await t.test('a question never is half of a line to its reader', async t => {
  const { channel, node, path } = await open(t)
  const abort = new AbortController()
  const values = Promise.allSettled(
    Array.from({ length: 200 }, (_, n) => channel.idValue(`A::${'n'.repeat(n)}`, abort.signal))
  )
  await until(() => {
    t.match(readFileSync(path('ask'), 'utf8'), /^(\d+ A::n*\n)*$/)
    return node.questions().length === 200
  }, 'all are asked')
  abort.abort()
  await values
})

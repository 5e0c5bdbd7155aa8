import { hostname } from 'node:os'
import t from 'tap'
import { contextHere, resolver } from '../../src/formats/context.js'

await t.test('a file is read with the names of this host, and its nodes are on it unless told otherwise', async t => {
  t.match(await contextHere().resolve('localhost'), /^(127\.0\.0\.1|::1)$/)
  await t.rejects(contextHere().resolve('no-such-host.invalid'), { code: /^E/ })
  t.equal(contextHere().defaultInstance, `agent-${hostname()}`)
  t.equal(contextHere('sensor-1').defaultInstance, 'sensor-1')
})

await t.test('names are looked up two at a time, whichever file they are of', async t => {
  let [now, most] = [0, 0]
  const lookUp = async (host: string) => {
    most = Math.max(most, ++now)
    await new Promise(resolve => setImmediate(resolve))
    now--
    return `address of ${host}`
  }
  const files = [resolver(lookUp, 60_000), resolver(lookUp, 60_000)]
  const found = await Promise.all(Array.from({ length: 20 }, (_, n) => files[n % 2]!(`h${n}`)))
  t.same([found[7], most], ['address of h7', 2])
})

await t.test('what takes too long is given up, and not begun any more', async t => {
  const asked: string[] = []
  const ends: (() => void)[] = []
  // The time of a lookup keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  const resolve = resolver(async host => {
    asked.push(host)
    if (host !== 'quick') await new Promise<void>(resolve => ends.push(resolve))
    return 'here'
  }, 50)
  const hosts = ['quick', 'slow', 'slower', ...Array.from({ length: 100 }, (_, n) => `h${n}`)]
  const all = await Promise.allSettled(hosts.map(resolve))
  clearInterval(alive)
  t.match(all[0], { status: 'fulfilled', value: 'here' })
  t.ok(all.slice(1).every(({ status }) => status === 'rejected'))
  t.match(all.at(-1), { reason: { message: 'it takes too long to look up the names of the file' } })
  for (const end of ends) end()
  t.equal(await contextHere().resolve('127.0.0.1'), '127.0.0.1', 'others are looked up then')
  t.same(asked, ['quick', 'slow', 'slower'])
})

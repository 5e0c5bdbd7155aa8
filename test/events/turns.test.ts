import { setImmediate as tick } from 'node:timers/promises'
import t from 'tap'
import { Turns, unlimited, type Account } from '../../src/events/turns.js'

/** Turns of members that are numbers, and what has happened: who was served, and `|` where a round began or ended. */
function make(count: number, onServe: (member: number) => void = () => {}) {
  const members = new Set(Array.from({ length: count }, (_, n) => n))
  const told: (number | string)[] = []
  const turns = new Turns<number>({
    members,
    serve: member => {
      told.push(member)
      onServe(member)
    },
    onBoundary: () => told.push('|')
  })
  return { members, told, turns }
}

/** As many ticks as it takes, and then some. */
async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await tick()
}

/** Blocks for longer than a slice may take. */
function dawdle(): void {
  const end = performance.now() + 5
  while (performance.now() < end);
}

await t.test('a round serves each member once, in the next tick, however often it is scheduled', async t => {
  const { told, turns } = make(3)
  t.notOk(turns.hasRound)
  turns.scheduleRound()
  turns.scheduleRound()
  t.same(told, [], 'nobody is served before the caller returns')
  t.ok(turns.hasRound)
  await settle()
  t.same(told, ['|', 0, 1, 2, '|'])
  t.notOk(turns.hasRound)
})

await t.test('news during a round are served in another round after it', async t => {
  let hasNews = true
  const { told, turns } = make(2, () => {
    if (hasNews) {
      hasNews = false
      turns.scheduleRound()
      turns.scheduleRound()
    }
  })
  turns.scheduleRound()
  await settle()
  t.same(told, ['|', 0, 1, '|', '|', 0, 1, '|'])
  t.notOk(turns.hasRound)
})

await t.test('a round without members ends, and the next one begins as usual', async t => {
  const { members, told, turns } = make(0)
  turns.scheduleRound()
  await settle()
  t.same(told, ['|', '|'])
  members.add(7)
  turns.scheduleRound()
  await settle()
  t.same(told.slice(2), ['|', 7, '|'])
})

await t.test('those who come during a round are served in it, those who go are not', async t => {
  const { members, told, turns } = make(3, member => {
    if (member !== 0) return
    members.delete(1)
    members.add(9)
  })
  turns.scheduleRound()
  await settle()
  t.same(told, ['|', 0, 2, 9, '|'])
})

await t.test('a long round lets others have their turn, and is still one round', async t => {
  const { told, turns } = make(1000)
  const seen: number[] = []
  turns.scheduleRound()
  for (let n = 0; n < 10; n++) {
    await tick()
    seen.push(told.length)
    if (n === 0) turns.scheduleRound()
  }
  t.ok(seen[0]! > 0 && seen[0]! < 1000, `${seen[0]} in the first tick`)
  t.ok(new Set(seen).size >= 4, 'it takes several ticks')
  await settle()
  const round = ['|', ...Array.from({ length: 1000 }, (_, n) => n), '|']
  t.same(told, [...round, ...round], 'what came in the middle is served when all have had their turn')
})

await t.test('those who are behind go on first come, first served, in the next tick', async t => {
  const { turns } = make(0)
  const told: string[] = []
  turns.later(() => told.push('a'))
  turns.later(() => told.push('b'))
  t.same(told, [])
  await settle()
  t.same(told, ['a', 'b'])
  turns.later(() => told.push('c'))
  await settle()
  t.same(told, ['a', 'b', 'c'], 'also after there was nobody')
})

await t.test('one who is behind still goes to the end of the backlog', async t => {
  const { turns } = make(0)
  const told: string[] = []
  const read = (name: string, times: number) => () => {
    told.push(name)
    if (times > 1) turns.later(read(name, times - 1))
  }
  turns.later(read('a', 3))
  turns.later(read('b', 2))
  await settle()
  t.same(told, ['a', 'b', 'a', 'b', 'a'])
})

await t.test('the backlog is put off when it takes long, so that rounds and others have their turn', async t => {
  const { told, turns } = make(1)
  const slow = (name: string) => () => {
    told.push(name)
    dawdle()
  }
  for (const name of ['a', 'b', 'c']) turns.later(slow(name))
  turns.scheduleRound()
  await tick()
  t.same(told, ['a', '|', 0, '|'], 'one of them, and the round')
  await settle()
  t.same(told.slice(4), ['b', 'c'], 'none is lost')
})

await t.test('clients that are behind take turns, however many streams each has', async t => {
  const { turns } = make(0)
  const told: string[] = []
  for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) {
    turns.later(() => told.push(name), { ...unlimited, client: name[0]! })
  }
  await settle()
  t.same(told, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
})

await t.test('a client that has used up its account goes on when it has not, and keeps nobody waiting', async t => {
  const { turns } = make(0)
  const told: string[] = []
  let isUsedUp = true
  const poor: Account = { client: 'poor', isUsedUp: () => isUsedUp, measure: work => work() }
  const gone = new Promise<void>(resolve => {
    turns.later(() => told.push('poor 1'), poor)
    turns.later(() => {
      told.push('poor 2')
      resolve()
    }, poor)
  })
  turns.later(() => told.push('rich'))
  await settle()
  t.same(told, ['rich'])
  turns.later(() => told.push('rich again'))
  await settle()
  t.same(told, ['rich', 'rich again'])
  isUsedUp = false
  // The timer of the turns does not keep the process.
  const alive = setTimeout(() => {}, 20_000)
  await gone
  clearTimeout(alive)
  t.same(told.slice(2), ['poor 1', 'poor 2'])
})

await t.test('what goes on is measured for its client', async t => {
  const { turns } = make(0)
  const measured: string[] = []
  for (const client of ['a', 'b', 'a']) {
    turns.later(() => {}, {
      client,
      isUsedUp: () => false,
      measure: work => {
        measured.push(client)
        work()
      }
    })
  }
  await settle()
  t.same(measured, ['a', 'b', 'a'])
})

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { agentApiVersion, agentPath } from '../../schemas/agent.js'
import { Session } from '../../src/agent/session.js'
import { Term } from '../../src/agent/term.js'
import { AppError } from '../../src/errors.js'
import { Link, type Handlers } from '../../src/link/link.js'
import { dial } from '../../src/link/websocket.js'
import { startTestAgent } from '../support/agent.js'
import { directoryOf } from '../support/directory.js'
import { silent } from '../support/log.js'
import { freePorts } from '../support/ports.js'
import { listenForLinks } from '../support/link-listener.js'
import { until } from '../support/until.js'

const patience = { timeoutMs: 10_000 }
const notLeading = () => {
  throw new AppError('not_leader', 'controller-2 does not lead')
}

/** A controller that agents dial, with its answer to their hello. */
async function controllerOf(t: Test, hello: (link: Link) => unknown) {
  const links: Link[] = []
  const { address } = await listenForLinks(t, transport => {
    links.push(new Link(transport, { hello: (_params, { link }) => hello(link) }))
  })
  return { address, links }
}

/** The agent's end, which answers `standby`, with what it logs and its file of the term. */
async function sessionIn(t: Test, directory = directoryOf(t), handlers: Handlers = { standby: () => [] }) {
  const file = join(directory, 'term')
  const lines: { level: number; msg: string }[] = []
  const closing = new AbortController()
  let connections = 0
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const session = new Session({
    heartbeatMs: 0,
    retryMaxMs: 1,
    handlers,
    hello: async () => ({ api_version: agentApiVersion, name: 'a', version: '1', machine: 'm', nodes: [] }),
    connected: () => connections++,
    headers: async () => ({}),
    certificates: undefined,
    term: await Term.read(file, log),
    log
  })
  let dialling: Promise<void> | undefined
  const close = async () => {
    closing.abort()
    await dialling
  }
  t.teardown(close)
  return {
    session,
    signal: closing.signal,
    close,
    dial: (...addresses: string[]) => {
      dialling = session.dial(addresses, closing.signal)
    },
    connected: (times = 1) => until(() => connections === times, `it has connected ${times} times`),
    warnings: () => lines.filter(({ level }) => level >= 40).map(({ msg }) => msg),
    lines,
    kept: () => readFileSync(file, 'utf8')
  }
}

await t.test('controllers are dialled in turn, and from one that does not lead it goes on at once', async t => {
  const [closed] = await freePorts(1)
  const greeted: string[] = []
  const follower = await controllerOf(t, () => {
    greeted.push('follower')
    return notLeading()
  })
  const leader = await controllerOf(t, () => {
    greeted.push('leader')
    return { controller: 'controller-1', term: 1 }
  })
  const never = await controllerOf(t, () => greeted.push('never'))
  const agent = await sessionIn(t)
  agent.dial(`127.0.0.1:${closed}`, follower.address, leader.address, never.address)
  await agent.connected()
  t.same(greeted, ['follower', 'leader'])
  t.same(agent.warnings(), [], 'only a round that reached none is told')
  await until(() => follower.links.every(({ closed }) => closed.aborted), 'the link with the follower is closed')
  t.notOk(leader.links[0]?.closed.aborted)
})

await t.test('nobody waits between two controllers of a round', async t => {
  const follower = await controllerOf(t, notLeading)
  const leader = await controllerOf(t, () => ({ controller: 'controller-1', term: 1 }))
  const closing = new AbortController()
  t.teardown(() => closing.abort())
  const begun = performance.now()
  await new Promise<void>(resolve => {
    const session = new Session({
      heartbeatMs: 0,
      retryMaxMs: 3_600_000,
      handlers: {},
      hello: async () => ({ api_version: agentApiVersion, name: 'a', version: '1', machine: 'm', nodes: [] }),
      connected: resolve,
      headers: async () => ({}),
      certificates: undefined,
      term: { accept: async () => {} } as unknown as Term,
      log: silent
    })
    void session.dial([...Array<string>(100).fill(follower.address), leader.address], closing.signal)
  })
  t.equal(follower.links.length, 100)
  t.ok(performance.now() - begun < 20_000, 'a hundred waits would take 25 s at least')
})

await t.test('a round that reached none is told once, with each address and why', async t => {
  const [closed] = await freePorts(1)
  const follower = await controllerOf(t, notLeading)
  const several = await sessionIn(t)
  several.dial(`127.0.0.1:${closed}`, follower.address)
  await until(() => follower.links.length > 3, 'several rounds have passed')
  const told = `cannot reach any controller: 127.0.0.1:${closed}: connect ECONNREFUSED 127.0.0.1:${closed}; ${follower.address}: controller-2 does not lead`
  t.same(several.warnings(), [told])
  t.ok(several.lines.filter(({ level, msg }) => level === 20 && msg === told).length >= 2, 'then for who debugs')
  await several.close()
  const one = await sessionIn(t)
  one.dial(follower.address)
  await until(() => follower.links.length > 8, 'several more')
  t.same(one.warnings(), [`cannot reach the controller at ${follower.address}: controller-2 does not lead`])
})

await t.test('when the leader is lost the next one is dialled first, and the lost one is told', async t => {
  let term = 1
  let leading = 'a'
  const leaderOr = (name: string) => () => (leading === name ? { controller: name, term } : notLeading())
  const a = await controllerOf(t, leaderOr('a'))
  const b = await controllerOf(t, leaderOr('b'))
  const agent = await sessionIn(t)
  agent.dial(a.address, b.address)
  await agent.connected()
  leading = 'b'
  term = 2
  await a.links[0]?.close('it is stopping')
  await agent.connected(2)
  t.same([a.links.length, b.links.length], [1, 1])
  t.same(agent.warnings(), ['lost the controller: it is stopping'])
  t.equal(agent.kept(), '2\n')
})

await t.test('a term is kept over a restart of the agent, and a controller of a lower one is refused', async t => {
  let terms = { a: 7, b: 3 }
  const a = await controllerOf(t, () => ({ controller: 'a', term: terms.a }))
  const b = await controllerOf(t, () => ({ controller: 'b', term: terms.b }))
  const flags = { 'agent-controller': `${a.address}, ${b.address}`, 'management-retry-max': '0.01' }
  const agent = await startTestAgent(t, 'agent-a', 1, flags)
  const file = join(agent.settings.management_state_dir, 'term')
  await until(() => a.links.length === 1, 'the first is dialled')
  t.same(await a.links[0]!.ask('standby', {}, patience), [])
  t.equal(readFileSync(file, 'utf8'), '7\n')
  terms = { a: 6, b: 7 }
  await agent.again()
  await until(() => b.links.length === 1, 'the second is dialled')
  t.same(await b.links[0]!.ask('standby', {}, patience), [], 'an equal term is no lower one')
  t.equal(a.links.length, 2)
  t.equal(a.links[1]?.closed.reason, 'the term of the controller is 6, and there was one of term 7')
  t.equal(readFileSync(file, 'utf8'), '7\n')
})

await t.test('a controller without a term is alone, and obeyed', async t => {
  const directory = directoryOf(t)
  writeFileSync(join(directory, 'term'), '7\n')
  const alone = await controllerOf(t, () => ({ controller: 'a' }))
  const agent = await sessionIn(t, directory)
  agent.dial(alone.address)
  await agent.connected()
  t.same(await alone.links[0]!.ask('standby', {}, patience), [])
  t.equal(agent.kept(), '7\n')
})

await t.test('what a controller asks before its hello is answered waits, until the term is kept', async t => {
  const order: string[] = []
  let early: Promise<unknown> | undefined
  let answer: (said: object) => void = () => {}
  const controller = await controllerOf(t, link => {
    early = link.ask('standby', {}, patience)
    link.notify('standby')
    return new Promise(resolve => {
      answer = resolve
    })
  })
  const directory = directoryOf(t)
  const agent = await sessionIn(t, directory, {
    other: () => [],
    standby: () => {
      order.push(`served in term ${agent.kept().trim()}`)
      return []
    }
  })
  agent.dial(controller.address)
  await until(() => early !== undefined, 'it has asked')
  const given = controller.links[0]!.ask('standby', {}, { timeoutMs: 50 })
  await t.rejects(given, { code: 'timeout' })
  t.same(order, [])
  order.push('answered')
  answer({ controller: 'a', term: 4 })
  t.same(await early, [])
  t.same(order, ['answered', 'served in term 4', 'served in term 4'], 'but for what was given up')
})

await t.test('what a controller asks that is then refused fails, and is not served', async t => {
  const directory = directoryOf(t)
  writeFileSync(join(directory, 'term'), '7\n')
  const served: string[] = []
  const early: Promise<unknown>[] = []
  const old = await controllerOf(t, link => {
    early.push(link.ask('deploy', {}, patience))
    link.notify('deploy')
    early[0]!.catch(() => {})
    return { controller: 'old', term: 6 }
  })
  const leader = await controllerOf(t, () => ({ controller: 'new', term: 7 }))
  const agent = await sessionIn(t, directory, { deploy: () => served.push('deploy') })
  agent.dial(old.address, leader.address)
  await agent.connected()
  await t.rejects(early[0]!)
  t.equal(early.length, 1)
  t.same(served, [])
})

await t.test('an agent that is dialled keeps the link of the leader when an old one dials it', async t => {
  const served: string[] = []
  const agent = await sessionIn(t, directoryOf(t), { deploy: who => served.push(who) })
  const [port] = await freePorts(1)
  await agent.session.listen('127.0.0.1', port!, agent.signal)
  const connect = async (term: number) => {
    const heard: unknown[] = []
    let early: Promise<unknown> | undefined
    const link: Link = new Link(await dial(`ws://127.0.0.1:${port}${agentPath}`, agent.signal), {
      hello: (_params, { link }) => {
        early = link.ask('deploy', `early ${term}`, patience)
        early.catch(() => {})
        return { controller: 'a', term }
      },
      log: params => heard.push(params)
    })
    await until(() => early !== undefined, 'it has greeted')
    return { link, heard, early: early! }
  }
  const leader = await connect(5)
  await leader.early
  const old = await connect(4)
  await t.rejects(old.early)
  await until(() => old.link.closed.aborted, 'the old one is refused')
  t.equal(old.link.closed.reason, 'the term of the controller is 4, and there was one of term 5')
  agent.session.notify('log', { level: 'INFO', message: 'x' })
  await until(() => leader.heard.length === 1, 'the leader is told')
  await leader.link.ask('deploy', 'again 5', patience)
  const next = await connect(6)
  await next.early
  await t.rejects(leader.link.ask('deploy', 'late 5', patience))
  await until(() => leader.link.closed.aborted, 'the newer one has taken over')
  t.equal(leader.link.closed.reason, 'another connection has taken over')
  t.same(served, ['early 5', 'again 5', 'early 6'])
})

await t.test('an answer to hello with a term that is none is refused, and leaves nothing', async t => {
  const terms = [-1, 0, 1.5, '1000000000', 1e300, 2 ** 53, null, true, [1], { valueOf: 1 }]
  let next = 0
  const hostile = await controllerOf(t, () => ({ controller: 'a', term: terms[next++] }))
  const leader = await controllerOf(t, () => ({ controller: 'b', term: 1 }))
  const agent = await sessionIn(t)
  agent.dial(...terms.map(() => hostile.address), leader.address)
  await agent.connected()
  t.equal(next, terms.length)
  t.equal(agent.kept(), '1\n', 'the lowest there is')
  for (const [index, { closed }] of hostile.links.entries()) {
    await until(() => closed.aborted, 'it is closed')
    t.match(closed.reason, /^hello\/term must be/, JSON.stringify(terms[index]))
  }
})

await t.test('a damaged file of the term is told, and is none', async t => {
  for (const text of ['', 'x', '-1\n', '0\n', '"5"\n', '1.5', '9007199254740993\n', '5\n5\n', '[]', '\0\0']) {
    const directory = directoryOf(t)
    const file = join(directory, 'term')
    writeFileSync(file, text)
    const agent = await sessionIn(t, directory)
    t.match(agent.warnings(), [new RegExp(`^${file}: .*; a controller of any term is obeyed$`)], JSON.stringify(text))
    const term = await Term.read(file, silent)
    await term.accept(1)
    t.equal(agent.kept(), '1\n')
  }
  t.same((await sessionIn(t)).warnings(), [], 'one that is missing is nothing to tell')
})

await t.test('a controller whose term cannot be kept is not obeyed', async t => {
  const directory = directoryOf(t)
  const file = join(directory, 'term')
  const term = await Term.read(file, silent)
  mkdirSync(file)
  await t.rejects(term.accept(2), /EISDIR|ENOTEMPTY|EEXIST/)
  await t.resolves(term.accept(undefined))
})

await t.test('of terms that come at the same time the highest is kept', async t => {
  const file = join(directoryOf(t), 'term')
  const term = await Term.read(file, silent)
  const said = await Promise.allSettled([3, 5, 4, 5].map(each => term.accept(each)))
  t.same(
    said.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled']
  )
  t.equal(readFileSync(file, 'utf8'), '5\n')
})

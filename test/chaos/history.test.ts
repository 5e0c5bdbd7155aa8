import t from 'tap'
import { cursor, goodHistory } from './good.js'
import { figures, violations } from './history.js'
import { parse, type Line, type Shown, type Told } from './lines.js'

type Of<K extends Line['kind']> = Extract<Line, { kind: K }>

/** The lines of a history, to be tampered with. */
class Forgery {
  lines = structuredClone(goodHistory())

  all<K extends Line['kind']>(kind: K): Of<K>[] {
    return this.lines.filter((line): line is Of<K> => line.kind === kind)
  }
  first<K extends Line['kind']>(kind: K, fits: (line: Of<K>) => boolean = () => true): Of<K> {
    return this.all(kind).find(fits)!
  }
  drop(...gone: Line[]): void {
    this.lines = this.lines.filter(line => !gone.includes(line))
  }
  after(line: Line, ...more: Line[]): void {
    this.lines.splice(this.lines.indexOf(line) + 1, 0, ...more)
  }
  swap(a: Line, b: Line): void {
    const [i, j] = [this.lines.indexOf(a), this.lines.indexOf(b)]
    ;[this.lines[i], this.lines[j]] = [b, a]
  }

  stored(reqid: string): Shown {
    return this.first('stored', ({ request }) => request.reqid === reqid).request
  }
  answer(id: string): Of<'answer'> {
    return this.first('answer', answer => answer.id === id)
  }
  logged(seq: number): Of<'logged'> {
    return this.first('logged', ({ event }) => event.cursor === cursor(seq))
  }
  seen(stream: string, seq: number): Of<'event'> {
    return this.first('event', line => line.stream === stream && line.event.cursor === cursor(seq))
  }
  hello(stream: string): Of<'control'> {
    return this.first('control', line => line.stream === stream)
  }
  frame(client: string, name: string): Of<'frame'> {
    return this.first('frame', line => line.client === client && line.name === name)
  }
  /** Everywhere, as if it had never been or been another. */
  everywhere(seq: number, change: (event: Told) => void): void {
    for (const line of [...this.all('event'), ...this.all('logged')]) {
      if (line.event.cursor === cursor(seq)) change(line.event)
    }
  }

  nowhere(seq: number): void {
    this.drop(...[...this.all('event'), ...this.all('logged')].filter(({ event }) => event.cursor === cursor(seq)))
  }
}

/** What came after the fifth event was dropped before it was read. */
const gap: Line = {
  kind: 'control',
  stream: 'all-2',
  type: 'reset',
  reason: 'expired',
  earliest: cursor(7),
  latest: cursor(8)
}

const planted: [name: string, plant: (forgery: Forgery) => void, text: RegExp][] = [
  [
    'an accepted request is lost',
    f => {
      f.drop(f.first('stored', ({ request }) => request.reqid === 'r2'))
    },
    /^lost request: r2 \(deploy\) was answered 202/
  ],
  [
    'its events alone are there',
    f => {
      f.drop(f.first('stored', ({ request }) => request.reqid === 'r2'))
    },
    /^lost request: r2 has events/
  ],
  [
    'an accepted request is not found',
    f => {
      Object.assign(f.answer('a6'), { status: 404, request: undefined })
    },
    /^lost request: rest was told that there is no r2/
  ],
  ['a response is missing', f => f.nowhere(5), /^no response: r2/],
  [
    'two responses',
    f => {
      f.everywhere(6, event => Object.assign(event, { ...f.logged(5).event, cursor: cursor(6) }))
    },
    /^2 responses: r2/
  ],
  ['a response without request', f => f.nowhere(4), /^response without request: r2/],
  [
    'a response before its request',
    f => {
      const [start, end] = [{ ...f.logged(4).event }, { ...f.logged(5).event }]
      f.everywhere(4, event => Object.assign(event, end, { cursor: cursor(4) }))
      f.everywhere(5, event => Object.assign(event, start, { cursor: cursor(5) }))
    },
    /^response before request: r2/
  ],
  [
    'progress after the response',
    f => {
      f.everywhere(6, event => Object.assign(event, { type: 'request_progress', reqid: 'r2' }))
    },
    /^request r2 goes on after its response/
  ],
  [
    'a response where there is never one',
    f => {
      f.everywhere(8, event => Object.assign(event, { type: 'test_timeout_response', state: 'expired' }))
    },
    /^request r3 ended with test_timeout_response/
  ],
  [
    'a state that its response does not have',
    f => {
      f.stored('r1').state = 'failed'
    },
    /^state contradicts: r1/
  ],
  [
    'results that its response does not have',
    f => {
      f.stored('r1').results = []
    },
    /^results contradict: r1/
  ],
  [
    'pending at the end',
    f => {
      f.stored('r2').state = 'pending'
    },
    /^state contradicts: r2 is pending/
  ],
  ['interrupted by nobody', f => f.drop(f.first('kill')), /^request r2 is interrupted, and the controller did not end/],
  ['the log is not in order', f => f.swap(f.logged(5), f.logged(6)), /^the log has e1\.5 after e1\.6/],
  [
    'a 200 that the history contradicts',
    f => {
      f.answer('a6').request!.state = 'succeeded'
    },
    /^answer contradicts: r2 was succeeded/
  ],
  [
    'a 200 with other results',
    f => {
      f.answer('a6').request!.results = []
    },
    /^answer contradicts: r2 .* other results/
  ],
  [
    'a 200 that is not finished',
    f => {
      f.answer('a2').request!.state = 'pending'
    },
    /^request r1 is pending, and the answer 200/
  ],
  [
    'pending after its end was seen',
    f => {
      f.answer('a6').request!.state = 'pending'
    },
    /^request r2 was shown to rest as pending after/
  ],
  [
    'an internal error',
    f => {
      f.answer('a7').status = 500
    },
    /^an internal error was told to rest/
  ],
  [
    'one key, two requests',
    f => {
      f.answer('a3').request!.reqid = 'r2'
    },
    /^key k1 was used for two requests, r1 and r2/
  ],
  [
    'a key that is not known again',
    f => {
      f.answer('a3').replayed = false
    },
    /^key k1 came again/
  ],
  [
    'a key that is refused',
    f => {
      Object.assign(f.answer('a3'), { status: 422, request: undefined })
    },
    /^key k1 was refused/
  ],
  [
    'asked once, there twice',
    f => {
      f.stored('r2').arguments['nodes'] = ['mark-1']
    },
    /^asked once, there 2 times: restart mark-1/
  ],
  [
    'refused, and there all the same',
    f => {
      f.stored('r2').arguments['nodes'] = ['mark-7']
    },
    /^restart mark-7 was refused to rest, and is there/
  ],
  [
    'answered as another',
    f => {
      f.stored('r1').arguments = {}
      f.stored('r2').arguments['nodes'] = ['mark-1']
    },
    /^restart mark-1 of rest was answered as r1, which is another/
  ],
  [
    'events out of order',
    f => f.swap(f.seen('all-2', 5), f.seen('all-2', 6)),
    /^all-2: e1\.5 came out of order, after e1\.6/
  ],
  [
    'an event twice on one connection',
    f => f.after(f.seen('all-2', 6), f.seen('all-2', 6)),
    /^all-2: e1\.6 was seen twice/
  ],
  [
    'an event twice over two connections',
    f => {
      f.hello('all-2').cursor = cursor(3)
      f.after(f.hello('all-2'), { ...f.seen('all-1', 4), stream: 'all-2' })
    },
    /^all-2: asked to go on after e1\.4, and went on after e1\.3/
  ],
  ['an event is missing on a connection', f => f.drop(f.seen('all-2', 6)), /^all-2: missing e1\.6/],
  [
    'an event is missing between two connections',
    f => {
      f.hello('all-2').cursor = cursor(5)
      f.drop(f.seen('all-2', 5))
    },
    /^all-2: asked to go on after e1\.4, and went on after e1\.5 without a reset/
  ],
  ['an event is missing before a heartbeat', f => f.drop(f.seen('all-1', 3)), /^all-1: missing e1\.3/],
  [
    'a reset without need',
    f => f.after(f.hello('all-2'), { kind: 'control', stream: 'all-2', type: 'reset', reason: 'epoch' }),
    /^all-2: reset \(epoch\) after e1\.4/
  ],
  [
    'a gap without need',
    f =>
      f.after(f.seen('all-2', 5), {
        kind: 'control',
        stream: 'all-2',
        type: 'reset',
        reason: 'expired',
        earliest: cursor(6),
        latest: cursor(10)
      }),
    /^all-2: reset \(expired\) at e1\.5, and what comes next was not dropped/
  ],
  [
    'an event after a gap that it has passed',
    f => f.after(f.seen('all-2', 5), gap),
    /^all-2: e1\.6 came out of order, after e1\.8/
  ],
  [
    'an event that the log does not have',
    f => f.drop(f.logged(6)),
    /^all-2: notify_agent_hello {2}was seen at e1\.6, and the log does not/
  ],
  [
    'another event than in the log',
    f => {
      f.seen('all-2', 6).event.type = 'notify_error'
    },
    /^all-2: notify_error {2}was seen at e1\.6, where the log has/
  ],
  [
    'a cursor of two events',
    f => {
      f.seen('one-1', 3).event.results = []
    },
    /^cursor e1\.3 is of different events/
  ],
  [
    'an event with two cursors',
    f => {
      f.seen('one-1', 3).event.cursor = cursor(6)
    },
    /^cursor differs between clients: restart_response r1 was at e1\.3 and at e1\.6/
  ],
  [
    'another epoch within a stream',
    f => {
      f.hello('all-2').cursor = 'e2.4'
    },
    /^all-2: e1\.5 is of another epoch/
  ],
  [
    'something after goodbye',
    f => f.after(f.seen('all-2', 8), { kind: 'control', stream: 'all-2', type: 'goodbye', reason: 'shutdown' }),
    /^all-2: something came after goodbye/
  ],
  ['goodbye before the response', f => f.drop(f.seen('one-1', 3)), /^one-1: goodbye before the response of r1/],
  [
    'over before the response',
    f => {
      f.first('open', ({ stream }) => stream === 'one-2').from = cursor(2)
    },
    /^one-2: told that all of r1 was seen/
  ],
  ['no hello', f => f.drop(f.hello('all-2')), /^all-2: hello is not the first/],
  [
    'what the filter does not want',
    f => {
      f.first('open', ({ stream }) => stream === 'all-2').types = ['deploy_response']
    },
    /^all-2: notify_agent_hello at e1\.6 does not fit/
  ],
  [
    'a client that is left behind',
    f => {
      f.drop(f.seen('all-2', 9), f.seen('all-2', 10))
    },
    /^all got to e1\.8, and not to e1\.10/
  ],
  [
    'a client that forgets where it was',
    f => {
      f.first('open', ({ stream }) => stream === 'all-2').from = cursor(3)
      f.hello('all-2').cursor = cursor(3)
    },
    /^all went on from e1\.3, and was at e1\.4/
  ],
  [
    'two responses over a WebSocket',
    f => f.after(f.frame('ws', 'get_id_value_response'), f.frame('ws', 'get_id_value_response')),
    /^ws: get_id_value_response of ws-1 came twice/
  ],
  [
    'a response before the request over a WebSocket',
    f => f.swap(f.frame('other', 'get_id_value_request'), f.frame('other', 'get_id_value_response')),
    /^other: response before request of r4/
  ],
  [
    "another client's ID over a WebSocket",
    f => {
      f.frame('other', 'get_id_value_response').reqid = 'ws-1'
    },
    /^other has heard get_id_value_response of ws-1, as only ws calls it/
  ],
  [
    'heard over a WebSocket, and lost',
    f => {
      f.stored('r4').arguments = {}
    },
    /^lost request: ws has heard get_id_value_response of ws-1/
  ],
  [
    'heard over a WebSocket, and not ended',
    f => {
      f.stored('r4').state = 'pending'
    },
    /^ws has heard get_id_value_response of ws-1, which is pending/
  ],
  [
    'a node that ran twice at once',
    f => {
      f.first('processes').nodes['worker-1'] = [101, 102]
    },
    /^node worker-1 ran 2 times at once: processes 101, 102/
  ],
  [
    'a node that does not run',
    f => {
      f.first('processes').nodes = { manager: [100] }
    },
    /^node worker-1 is shown as process 101, and what runs is none/
  ],
  [
    'a node that is not RUNNING at the end',
    f => {
      Object.assign(f.first('nodes').nodes[0]!, { state: 'CRASHED' })
    },
    /^node manager is CRASHED/
  ],
  [
    'a request that was audited twice',
    f => f.after(f.first('audited'), f.first('audited')),
    /^audit contradicts: r1 \(restart\) is succeeded, and is audited as accepted, accepted, succeeded/
  ],
  [
    'a request whose end is not audited',
    f => f.drop(f.all('audited')[3]!),
    /^audit contradicts: r2 \(deploy\) is interrupted, and is audited as accepted$/
  ],
  [
    'a look that is audited',
    f => f.after(f.first('audited'), { kind: 'audited', entry: { ...f.first('audited').entry, reqid: 'r4' } }),
    /^audit contradicts: r4/
  ],
  [
    'audited, and lost',
    f => f.after(f.first('audited'), { kind: 'audited', entry: { ...f.first('audited').entry, reqid: 'r5' } }),
    /^lost request: r5 is in the audit log/
  ],
  [
    'a node that nobody knows',
    f => {
      f.first('processes').nodes['ghost'] = [103]
    },
    /^node ghost runs, and the controller does not show it/
  ]
]

await t.test('a good history has no violation, also when read back', async t => {
  t.same(violations(goodHistory()), [])
  t.same(
    violations(
      parse(
        goodHistory()
          .map(line => `${JSON.stringify(line)}\n`)
          .join('')
      )
    ),
    []
  )
  t.match(figures(goodHistory()), { kills: 1, accepted: 3, requests: 4, interrupted: 1, expired: 1, events: 10 })
})

await t.test('a reader who was too slow goes on after a reset', async t => {
  const slow = new Forgery()
  slow.drop(...[6, 7, 8].map(seq => slow.seen('all-2', seq)))
  slow.after(slow.seen('all-2', 5), gap)
  t.same(violations(slow.lines), [])
})

await t.test('finds what is planted', async t => {
  for (const [name, plant, text] of planted) {
    const forgery = new Forgery()
    plant(forgery)
    const found = violations(forgery.lines)
    t.ok(
      found.some(violation => text.test(violation)),
      name,
      { found }
    )
  }
})

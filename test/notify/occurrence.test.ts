import t from 'tap'
import type { DomainEvent } from '../../schemas/events.js'
import { healthCodes, type HealthReason } from '../../schemas/operations.js'
import { toldTypes } from '../../schemas/notifications.js'
import { nothingAmiss, occurrencesOf, type Occurrence } from '../../src/notify/occurrence.js'
import { Rule, usualRules } from '../../src/notify/rule.js'

/** What events have to be told of, one after the other. */
function read(...events: readonly DomainEvent[]): Occurrence[][] {
  const amiss = nothingAmiss()
  return events.map((event, at) =>
    occurrencesOf(
      {
        seq: at + 1,
        time: at * 1000,
        type: event.type,
        reqid: null,
        instance: null,
        node: null,
        transient: 0,
        body: JSON.stringify(event)
      },
      amiss
    )
  )
}

const change = (from: string, to: string, node = 'worker-1', instance = 'a'): DomainEvent =>
  ({
    type: 'notify_change',
    instance,
    node,
    old_state: from,
    new_state: to,
    reason: 'so',
    restarts: 0
  }) as DomainEvent
const health = (...reasons: HealthReason[]): DomainEvent => ({
  type: 'notify_health',
  ready: reasons.length === 0,
  reasons
})
const reason = (code: HealthReason['code'], node?: string): HealthReason => ({
  code,
  message: 'why',
  instance: 'a',
  ...(node === undefined ? {} : { node })
})
const shortOf = (all: Occurrence[]) =>
  all.map(({ severity, over, code, node, type }) =>
    [over ? 'over' : severity, code ?? type, node].filter(Boolean).join(' ')
  )

await t.test('a node that crashes is told, and that it runs again; what is as it should be is information', async t => {
  t.same(
    read(
      change('STOPPED', 'PENDING'),
      change('PENDING', 'RUNNING'),
      change('RUNNING', 'CRASHED'),
      change('CRASHED', 'PENDING'),
      change('PENDING', 'CRASHED'),
      change('CRASHED', 'RUNNING'),
      change('RUNNING', 'FAILED'),
      change('FAILED', 'STOPPED'),
      change('PENDING', 'RUNNING')
    ).map(all => shortOf(all).join()),
    [
      'info notify_change worker-1',
      'info notify_change worker-1',
      'error notify_change worker-1',
      'info notify_change worker-1',
      'error notify_change worker-1',
      'over notify_change worker-1',
      'error notify_change worker-1',
      'info notify_change worker-1',
      'info notify_change worker-1'
    ]
  )
})

await t.test('of a host that was lost it is told that it is back, of another one that it is there', async t => {
  const hello = { type: 'notify_agent_hello', instance: 'a', host: '10.0.0.1', version: '1' } as const
  const lost = { type: 'notify_agent_lost', instance: 'a', reason: 'heartbeat missed' } as const
  t.same(
    read(hello, lost, hello, hello).map(all => shortOf(all).join()),
    ['info notify_agent_hello', 'error notify_agent_lost', 'over notify_agent_lost', 'info notify_agent_hello']
  )
})

await t.test('an agent that names ever new nodes takes no room from what others tell, nor from health', async t => {
  const before = [change('RUNNING', 'CRASHED', 'worker-2', 'b'), health(reason('drift'))]
  const flood = Array.from({ length: 20_000 }, (_, n) => change('RUNNING', 'CRASHED', `ghost-${n}`))
  const after = [
    { type: 'notify_agent_lost', instance: 'a', reason: 'heartbeat missed' } as const,
    { type: 'notify_agent_hello', instance: 'a', host: '10.0.0.1', version: '1' } as const,
    change('RUNNING', 'CRASHED', 'worker-3', 'b'),
    change('CRASHED', 'RUNNING', 'worker-3', 'b'),
    change('CRASHED', 'RUNNING', 'worker-2', 'b'),
    health(reason('drift'), reason('disk_full')),
    health(reason('drift'), reason('disk_full')),
    health(),
    // Those that began last are known of it, too.
    change('CRASHED', 'RUNNING', 'ghost-19999'),
    change('CRASHED', 'RUNNING', 'ghost-0')
  ]
  t.same(
    read(...before, ...flood, ...after)
      .slice(-after.length)
      .map(all => shortOf(all).join()),
    [
      'error notify_agent_lost',
      'over notify_agent_lost',
      'error notify_change worker-3',
      'over notify_change worker-3',
      'over notify_change worker-2',
      'error disk_full',
      '',
      'over drift,over disk_full',
      'over notify_change ghost-19999',
      'info notify_change ghost-0'
    ]
  )
})

await t.test('of health only what is new is told, and what is over', async t => {
  t.same(
    read(
      health(reason('disk_full'), reason('no_packets', 'worker-1')),
      health(reason('disk_full'), reason('no_packets', 'worker-1'), reason('packets_dropped', 'worker-2')),
      health(reason('disk_full')),
      health(),
      health()
    ).map(shortOf),
    [
      ['error disk_full', 'error no_packets worker-1'],
      ['warning packets_dropped worker-2'],
      ['over no_packets worker-1', 'over packets_dropped worker-2'],
      ['over disk_full'],
      []
    ]
  )
})

await t.test('a code that a later version knows is a warning', async t => {
  t.same(read(health(reason('unheard_of' as HealthReason['code']))).map(shortOf), [['warning unheard_of']])
})

await t.test(
  'each code of health has a severity that the usual rule lets through, but that there is no cluster',
  async t => {
    const [settings] = usualRules
    const rule = new Rule(settings!, ['s'], '')
    for (const code of healthCodes) {
      const [[one]] = read(health(reason(code))) as [[Occurrence]]
      t.equal(rule.laneOf(one), code === 'not_deployed' ? undefined : 'main', code)
    }
  }
)

await t.test('requests, and what needs an eye', async t => {
  const response = { type: 'deploy_response' as const, reqid: 'r', results: [], warnings: [] }
  t.same(
    read(
      { type: 'deploy_request', reqid: 'r', arguments: {}, expires_at: '2026-11-30T12:00:00Z' },
      { ...response, state: 'succeeded', success: true },
      { ...response, state: 'failed', success: false },
      { type: 'notify_error', message: 'look', instance: 'a' },
      { type: 'notify_log', instance: 'a', level: 'ERROR', message: 'no' },
      { type: 'notify_log', instance: 'a', level: 'WARNING', message: 'hm' }
    ).map(all => shortOf(all).join()),
    [
      'info deploy_request',
      'info deploy_response',
      'warning deploy_response',
      'warning notify_error',
      'error notify_log',
      'warning notify_log'
    ]
  )
})

await t.test('texts are cut, and an event whose text is not read is told of by its type', async t => {
  const [[long]] = read({ type: 'notify_error', message: 'x'.repeat(100_000) }) as [[Occurrence]]
  t.ok(long.text.length <= 400)
  const [[lines]] = read({ type: 'notify_error', message: 'a\r\nb\u001b[31m\u2028c\u0000' }) as [[Occurrence]]
  t.equal(lines.text, 'a b [31m c', 'one line, that no terminal obeys')
  for (const [at, type] of toldTypes.entries()) {
    // Too long, or of another version.
    const body = at % 2 === 0 ? '' : JSON.stringify({ type: 'notify_health' })
    const event = { seq: 1, time: 0, type, reqid: 'r', instance: 'a', node: 'n', transient: 0, body }
    const amiss = nothingAmiss()
    t.match(occurrencesOf(event, amiss), [{ type, text: new RegExp(type) }])
    t.same(amiss, nothingAmiss())
  }
})

await t.test('a rule selects by type, severity, code, instance and node', async t => {
  const selects = (settings: object, event: DomainEvent) =>
    read(event)[0]!.filter(one => new Rule({ name: 'r', ...settings }, ['s'], '').laneOf(one) !== undefined).length
  const [crash, full] = [change('RUNNING', 'CRASHED'), health(reason('disk_full'), reason('drift'))]
  for (const [settings, crashes, reasons] of [
    [{}, 1, 2],
    [{ types: ['notify_health'] }, 0, 2],
    [{ severity: 'error' }, 1, 1],
    [{ health: ['drift'] }, 1, 1],
    [{ health: ['drift'], types: ['notify_health'] }, 0, 1],
    [{ instances: ['b'] }, 0, 0],
    [{ instances: ['a', 'b'] }, 1, 2],
    [{ nodes: ['worker-1'] }, 1, 0],
    [{ nodes: ['worker-2'] }, 0, 0]
  ] as const) {
    t.same([selects(settings, crash), selects(settings, full)], [crashes, reasons], JSON.stringify(settings))
  }
  const [, [back]] = read(crash, change('CRASHED', 'RUNNING')) as [unknown, [Occurrence]]
  t.equal(new Rule({ name: 'r', recoveries: false }, ['s'], '').laneOf(back), undefined)
})

import type { Command } from '@commander-js/extra-typings'
import { auditStream, eventStream, follow, type Followed, type OpenStream } from '../client/events.js'
import { itemsOf } from '../client/pages.js'
import { printableLine, type Screen } from '../terminal/screen.js'
import { withExamples } from './examples.js'
import { print, printJson, printJsonLine, remark, type Io } from './io.js'
import { nameList, ofController, toJson, wholeFrom } from './options.js'
import { open, type Session } from './session.js'

export function defineEvents(program: Command, io: Io): void {
  const command = ofController(
    toJson(
      program
        .command('events')
        .helpGroup('What has happened:')
        .summary('follow what happens')
        .description('Shows events as they happen, one a line, until Ctrl-C; over lost connections without a gap.')
        .option('-f, --follow', 'go on (as it does anyway)')
        .option('--types <types>', 'only events of these types, as notify_change,deploy_response', nameList)
        .option('--instance <name>', 'only of this instance')
        .option('--node <name>', 'only of this node')
        .option('--from <cursor>', 'after a cursor, or from the earliest that is kept', 'latest')
    )
  )
  withExamples(
    command,
    ['zeek-cluster events --types notify_change', 'changes of nodes, as they happen'],
    ['zeek-cluster events --from earliest --json', 'all that is kept, one JSON object a line']
  )
  command.action(async ({ json, types, instance, node, from, ...options }) => {
    const session = await open(io, options)
    const query = { types, instance, node, from }
    await followStream(session, eventStream(session.api, query), json === true)
  })
}

export function defineAudit(program: Command, io: Io): void {
  const command = ofController(
    toJson(
      program
        .command('audit')
        .helpGroup('What has happened:')
        .summary('show who has asked what')
        .description('Shows the audit log, newest first, or as it is written. It takes the role admin.')
        .option('-f, --follow', 'show entries as they are written, until Ctrl-C')
        .option('-n, --limit <count>', 'how many', wholeFrom(1), 50)
    )
  )
  withExamples(
    command,
    ['zeek-cluster audit -n 100', 'the last hundred entries'],
    ['zeek-cluster audit -f --json', 'as they are written, one JSON object a line']
  )
  command.action(async ({ json, follow: goesOn, limit, ...options }) => {
    const session = await open(io, options)
    const { api, signal, screen } = session
    if (goesOn === true) return await followStream(session, auditStream(api, 'latest'), json === true)
    const entries = await itemsOf({ limit, pageMax: 200 }, async query => {
      const { data } = await api.GET('/v1/audit', { params: { query }, signal })
      return { items: data!.entries, next: data!.next }
    })
    if (json === true) printJson(io, { entries })
    else print(io, ...entries.map(entry => lineOfEvent(entry, screen)))
  })
}

async function followStream(session: Session, stream: OpenStream, json: boolean): Promise<void> {
  const { io, signal, screen, onConnection } = session
  for await (const event of follow(stream, { signal, onConnection })) {
    if (json) printJsonLine(io, event)
    else if (event.type === 'reset') remark(io, `events are missing here: the cursor is ${event.reason}`)
    else print(io, lineOfEvent(event, screen))
  }
}

/** Returns an event as a line: when, of whom, what. */
function lineOfEvent(event: Exclude<Followed, { type: 'reset' }>, { style }: Screen): string {
  const { type, time, cursor: _cursor, ...rest } = event
  const of = ['instance', 'node'].flatMap(key => {
    const value = (rest as Record<string, unknown>)[key]
    return typeof value === 'string' ? [value] : []
  })
  const text = printableLine([of.join('/'), whatOf(event)].filter(part => part !== '').join(' '))
  return `${style('quiet', time)} ${style('strong', type)} ${text}`
}

function whatOf(event: Exclude<Followed, { type: 'reset' }>): string {
  switch (event.type) {
    case 'notify_change':
      return `${event.old_state} -> ${event.new_state} (${event.reason})`
    case 'notify_error':
    case 'notify_log':
      return event.message
    case 'notify_health':
      return event.ready ? 'ready' : event.reasons.map(({ message }) => message).join('; ')
    case 'notify_agent_lost':
      return event.reason
    case 'notify_agent_hello':
      return `${event.host} ${event.version}`
    case 'notify_join':
      return [event.status, event.fingerprint, event.address].filter(part => part !== undefined).join('  ')
    case 'notify_agents_ready':
      return event.instances.join(', ')
    case 'node_output':
      return event.lines.join(' | ')
    case 'audit':
      return [event.action, event.outcome, event.name, event.role, event.address, event.reqid, event.detail]
        .filter(part => part !== undefined)
        .join('  ')
    default:
      return 'state' in event ? `${event.reqid} ${event.state}` : 'reqid' in event ? event.reqid : ''
  }
}

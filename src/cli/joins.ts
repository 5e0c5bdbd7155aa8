import type { Schema } from '../client/connection.js'
import { exitCodes, Failure } from '../client/failure.js'
import { printableLine } from '../terminal/screen.js'
import { tableOf, type Column } from '../terminal/table.js'
import { withExamples } from './examples.js'
import { print, printJson, remark, type Io } from './io.js'
import { ofController, toJson, type Parent } from './options.js'
import { open, type Session } from './session.js'

/** Defines what is done with hosts that ask to join, and with agents that have. */
export function defineJoins(parent: Parent, io: Io): void {
  const listing = ofController(
    toJson(
      parent
        .command('pending')
        .summary('list the hosts that ask to join')
        .description(
          'Lists the hosts that wait until they are accepted or denied, with the fingerprints of their keys: compare each with that which the host shows. Ends with 0 also when there are none.'
        )
        .option('--all', 'those, too, that were accepted or denied, as long as their token lasts')
    )
  )
  withExamples(
    listing,
    ['zeek-cluster instances pending', 'who waits'],
    ['zeek-cluster instances pending --all --json', 'all, for a program']
  )
  listing.action(async ({ all, ...options }) => {
    const session = await open(io, options)
    const joins = (await joinsOf(session)).filter(({ status }) => all === true || status === 'pending')
    if (options.json === true) printJson(io, { joins })
    else if (joins.length === 0) remark(io, 'no host waits')
    else print(io, tableOf(columns, joins, session.screen))
  })
  for (const [verb, done, what] of [
    ['accept', 'accepted', 'Gives hosts that wait their certificates.'],
    ['deny', 'denied', 'Refuses hosts that wait: they get no certificates.']
  ] as const) {
    const deciding = ofController(
      parent
        .command(verb)
        .summary(`${verb} hosts that ask to join`)
        .description(`${what} Compare the fingerprint of each with that which the host shows.`)
        .argument('<names...>', 'their names, IDs or fingerprints, as `instances pending` shows them')
    )
    withExamples(
      deciding,
      [`zeek-cluster instances ${verb} sensor-1`, 'by its name'],
      [`zeek-cluster instances ${verb} SHA256:jEaIzOW5ZKcyaXkvgcoI9mRWuIQVRYKSHZ9ESJSSmz8`, 'by its key']
    )
    deciding.action(async (names, options) => {
      const session = await open(io, options)
      const { api, signal } = session
      const joins = await joinsOf(session)
      for (const { id, name, fingerprint } of names.map(name => meantBy(name, joins))) {
        const params = { path: { id } }
        if (verb === 'accept') await api.POST('/v1/joins/{id}/accept', { params, signal })
        else await api.POST('/v1/joins/{id}/deny', { params, signal })
        remark(io, `${done} ${name}, with the key ${fingerprint}`)
      }
    })
  }
  const forgetting = ofController(
    parent
      .command('forget')
      .summary('have an agent be none any more')
      .description(
        'Has the certificates of an agent that has joined not be taken any more, and ends its link; its name is free then. What it runs goes on: stop its nodes first, or deploy without it.'
      )
      .argument('<name>', 'the agent')
      .option('--force', 'even while it is part of what is deployed')
  )
  withExamples(
    forgetting,
    ['zeek-cluster instances forget sensor-1', 'that is gone for good'],
    ['zeek-cluster instances forget sensor-1 --force', 'whose key is stolen']
  )
  forgetting.action(async (name, { force, ...options }) => {
    const { api, signal } = await open(io, options)
    await api.DELETE('/v1/instances/{instance}', {
      params: { path: { instance: name }, query: force === true ? { force } : {} },
      signal
    })
    remark(io, `forgot ${name}`)
    for (const line of await waysBack({ api, signal }, name)) remark(io, line)
  })
}

/** Returns what there is to say of the tokens by which whoever has the host of an agent could make it one again. */
async function waysBack({ api, signal }: Pick<Session, 'api' | 'signal'>, name: string): Promise<string[]> {
  const unasked = 'if the host is stolen: have an admin revoke the tokens that accept hosts at once (token list)'
  const answer = await api.GET('/v1/tokens', { signal }).catch(error => {
    if (error instanceof Failure) return undefined
    throw error
  })
  if (!answer) return [unasked]
  const open = answer.data!.tokens.filter(
    ({ join, expires_at: end }) => join?.accept && join.uses > 0 && (end === undefined || Date.parse(end) > Date.now())
  )
  const named = open.map(({ id, name: its, join }) => `${id} (${its}, ${join!.uses} left)`).join(', ')
  return open.length === 0 ? [] : [`tokens still accept hosts at once: if ${name} is stolen, revoke ${named}`]
}

async function joinsOf({ api, signal }: Session): Promise<Schema['Join'][]> {
  const { data } = await api.GET('/v1/joins', { signal })
  return data!.joins
}

/** Returns the host that is meant by a name, an ID or a fingerprint. Throws a Failure unless it is one. */
function meantBy(text: string, joins: readonly Schema['Join'][]): Schema['Join'] {
  const known = joins.find(({ id }) => id === text)
  if (known) return known
  const named = joins.filter(({ name, fingerprint }) => name === text || fingerprint === text)
  const waiting = named.filter(({ status }) => status === 'pending')
  const [one, ...others] = waiting.length > 0 ? waiting : named
  if (!one) throw new Failure(exitCodes.failed, `no host asks to join as ${text}: see \`instances pending\``)
  if (others.length === 0) return one
  throw new Failure(
    exitCodes.failed,
    `${others.length + 1} hosts ask to join as ${text}: name one by its fingerprint: ${[one, ...others].map(({ fingerprint }) => fingerprint).join(', ')}`
  )
}

const columns: Column<Schema['Join']>[] = [
  { title: 'ID', text: ({ id }) => id },
  { title: 'NAME', text: ({ name }) => name, tone: () => 'strong' },
  {
    title: 'STATUS',
    text: ({ status, decided_by: by }) => printableLine(`${status}${by === undefined ? '' : ` by ${by}`}`),
    tone: ({ status }) => (status === 'pending' ? 'warning' : 'quiet')
  },
  { title: 'ADDRESS', text: ({ address }) => address },
  { title: 'FINGERPRINT', text: ({ fingerprint }) => fingerprint },
  { title: 'SINCE', text: ({ created_at: at }) => at }
]

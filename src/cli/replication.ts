import type { Command } from '@commander-js/extra-typings'
import type { Position } from '../store/replica.js'
import { exitCodes } from '../client/failure.js'
import { tableOf } from '../terminal/table.js'
import { withExamples } from './examples.js'
import { print, printJson, remark, type Io } from './io.js'
import { nameList, ofController, toJson, type Parent } from './options.js'
import { open } from './session.js'

export function defineReplication(program: Command, io: Io): void {
  const command = program
    .command('replication')
    .helpGroup('Server:')
    .summary('set up several controllers, of which one leads')
    .description(
      'Sets up several controllers that share one log on NATS JetStream (docs/replication.md). All but `status` work on the database of this host, while its server is stopped, with the settings of the server as `start` takes them.'
    )
  withExamples(
    command,
    ['zeek-cluster replication init --controllers c1,c2,c3 --config /etc/zeek-cluster.yaml', 'once, on the first host'],
    ['zeek-cluster replication rebuild --config /etc/zeek-cluster.yaml', 'on one that cannot go on']
  )
  const initializing = onSite(command, 'init')
    .summary('make the log, with the database of this host')
    .description(
      'Makes the log of several controllers. It begins with the database of this host, or with an empty one; the others get that when they start.'
    )
    .requiredOption(
      '--controllers <names>',
      'ZEEK_CONTROLLER_NAME of each of them, with commas; three are usual',
      nameList
    )
  withExamples(
    initializing,
    [
      'zeek-cluster replication init --controllers c1,c2,c3 --config /etc/zeek-cluster.yaml',
      'with the settings of a file'
    ],
    [
      'zeek-cluster replication init --controllers c1,c2,c3 --controller-name c1 --controller-nats nats://127.0.0.1',
      'with flags'
    ]
  )
  const promoting = onSite(command, 'promote')
    .summary('make a new log, with the database of this host, in place of the one that there is')
    .description(
      'Makes a new log in place of the one that there is, for when that is lost or no majority of controllers is left. What others have that this one has not is lost: choose the one that is furthest. The others need `rebuild` then.'
    )
    .requiredOption('--controllers <names>', 'as for `init`', nameList)
  withExamples(
    promoting,
    ['zeek-cluster replication promote --controllers c1,c2,c3 --config /etc/zeek-cluster.yaml', 'with the same ones'],
    ['zeek-cluster replication promote --controllers c1,c4,c5 --config /etc/zeek-cluster.yaml', 'with new ones']
  )
  const rebuilding = onSite(command, 'rebuild')
    .summary("replace the database of this host by the others'")
    .description('Replaces the database of this host by the newest snapshot that the others have made.')
  withExamples(
    rebuilding,
    ['zeek-cluster replication rebuild --config /etc/zeek-cluster.yaml', 'of one that cannot go on'],
    ['zeek-cluster replication rebuild --controller-nats nats://127.0.0.1', 'with a flag']
  )
  const leaving = onSite(command, 'leave')
    .summary('have the controller of this host be alone again')
    .description(
      'Makes the database of this host that of a single controller. Start it without `controller_nats` then, and the others no more.'
    )
  withExamples(
    leaving,
    ['zeek-cluster replication leave', 'of the state directory in ./var'],
    ['zeek-cluster replication leave --management-state-dir /var/lib/zeek-cluster', 'of another one']
  )

  defineReplicationStatus(command, io)

  const begins = ({ place, term }: Position) =>
    `the log begins in term ${term}, at ${place}: start this controller, then the others`
  initializing.action(async ({ controllers }, { args }) => {
    const { initialize, site, config } = await administration(io, args)
    print(io, begins(await initialize(site, config(), { controllers })))
  })
  promoting.action(async ({ controllers }, { args }) => {
    const { initialize, site, config } = await administration(io, args)
    print(io, begins(await initialize(site, config(), { controllers, replaces: true })))
  })
  rebuilding.action(async (_options, { args }) => {
    const { rebuild, site, config } = await administration(io, args)
    print(io, `the database is that of ${(await rebuild(site, config())).place} of the log`)
  })
  leaving.action(async (_options, { args }) => {
    const { leave, site } = await administration(io, args)
    await leave(site)
    remark(io, 'this controller is alone: start it without controller_nats')
  })
}

function defineReplicationStatus(command: Parent, io: Io): void {
  const showing = ofController(
    toJson(
      command
        .command('status')
        .summary('show how far all of them are')
        .description(
          'Shows which controller leads, and how far the others are. It ends with 1 when one of them does not answer, cannot go on, or none leads.'
        )
    )
  )
  withExamples(
    showing,
    ['zeek-cluster replication status', 'as a table'],
    ['zeek-cluster replication status --json', 'for a program']
  )
  showing.action(async ({ json, ...options }) => {
    const { api, signal, screen } = await open(io, options)
    const { data } = await api.GET('/v1/replication', { signal })
    const { replicas } = data!
    const isWhole = replicas.every(({ answers, diverged }) => answers && diverged === undefined)
    if (!isWhole || (replicas.length > 0 && !replicas.some(({ role }) => role === 'leader'))) {
      io.exitCode = exitCodes.failed
    }
    if (json === true) return printJson(io, data)
    if (replicas.length === 0) return remark(io, 'this controller is alone')
    print(
      io,
      tableOf(
        [
          { title: 'CONTROLLER', text: ({ name }) => name },
          { title: 'ROLE', text: ({ answers, role = '' }) => (answers ? role : 'no answer') },
          { title: 'TERM', text: ({ term = '' }) => String(term), isNumber: true },
          { title: 'PLACE', text: ({ place = '' }) => String(place), isNumber: true },
          {
            title: 'LAG',
            text: ({ lag_seconds: lag }) => (lag === undefined ? '' : `${lag.toFixed(1)} s`),
            isNumber: true
          },
          { title: 'VERSION', text: ({ version = '' }) => version },
          { title: 'URL', text: ({ url = '' }) => url },
          { title: 'PROBLEM', text: ({ diverged, obstacle }) => diverged ?? obstacle ?? '', isLong: true }
        ],
        replicas,
        screen
      )
    )
  })
}

/** Defines a command that takes every setting of the server. */
const onSite = (parent: Parent, name: string) =>
  parent.command(name).usage('[options] [settings of the server]').allowUnknownOption().allowExcessArguments()

/** Loads what works on the controller of this host, with its settings. */
async function administration(io: Io, args: readonly string[]) {
  const [{ parseFlags, readSettings }, { replicaConfigOf }, functions, { createLog }, { AppError }] = await Promise.all(
    [
      import('./flags.js'),
      import('../controller/replica-config.js'),
      import('../controller/replication.js'),
      import('../log.js'),
      import('../errors.js')
    ]
  )
  // What is written is for nobody else.
  process.umask(0o077)
  const { file, flags } = parseFlags(args)
  const settings = readSettings({ file, flags, env: io.env })
  const log = createLog({ node: settings.controller_name, role: 'CONTROLLER', level: settings.management_log_level })
  const config = () => {
    const found = replicaConfigOf(settings)
    if (!found) throw new AppError('invalid_request', 'ZEEK_CONTROLLER_NATS is not set: it says where the log is kept')
    return found
  }
  return { ...functions, config, site: { stateDirectory: settings.management_state_dir, log } }
}

import type { Command } from '@commander-js/extra-typings'
import type { Schema } from '../client/connection.js'
import { exitCodes } from '../client/failure.js'
import { printableLine } from '../terminal/screen.js'
import { tableOf } from '../terminal/table.js'
import { withExamples } from './examples.js'
import { print, printJson, remark, type Io } from './io.js'
import { ofController, toJson, type Parent } from './options.js'
import { open } from './session.js'

export function defineNotify(program: Command, io: Io): void {
  const command = program
    .command('notify')
    .helpGroup('What has happened:')
    .summary('see what is told to whom, and whether it would reach them')
    .description(
      'Shows what the file of the setting controller_notify says, and how far that is told; and tries where it goes.'
    )
  withExamples(
    command,
    ['zeek-cluster notify list', 'which rules there are, and how much waits'],
    ['zeek-cluster notify test ops', 'whether the sink takes what it is sent']
  )
  defineList(command, io)
  defineTest(command, io)
}

function defineList(command: Parent, io: Io): void {
  const listing = ofController(
    toJson(
      command
        .command('list')
        .summary('list rules and sinks')
        .description('Lists the rules with their sinks, what waits for each, and why a sink does not take it.')
    )
  )
  withExamples(
    listing,
    ['zeek-cluster notify list', 'as a table'],
    ['zeek-cluster notify list --json', 'for a program']
  )
  listing.action(async options => {
    const { api, signal, screen } = await open(io, options)
    const { data } = await api.GET('/v1/notifications', { signal })
    const list = data!
    if (options.json === true) return printJson(io, list)
    if (!list.configured) return remark(io, 'nobody is told: the setting controller_notify names no file')
    print(
      io,
      tableOf(
        [
          { title: 'RULE', text: ({ rule }) => rule },
          { title: 'SINK', text: ({ sink }) => sink },
          { title: 'GOES TO', text: ({ target }) => target, isLong: true },
          { title: 'WAITING', text: ({ waiting }) => String(waiting), isNumber: true },
          { title: 'DUE', text: ({ due }) => due ?? '-' },
          { title: 'LAST TOLD', text: ({ last_success: last }) => last ?? '-' }
        ],
        rowsOf(list),
        screen
      ),
      ...list.sinks.flatMap(({ name, failing_since: since, last_error: error }) =>
        since === undefined ? [] : printableLine(`${name} fails since ${since}: ${error ?? 'unknown'}`)
      )
    )
  })
}

function rowsOf({ rules, sinks }: Schema['NotificationList']) {
  return rules.flatMap(({ name: rule, queues }) =>
    queues.map(queue => ({ ...queue, rule, target: sinks.find(({ name }) => name === queue.sink)?.target ?? '-' }))
  )
}

function defineTest(command: Parent, io: Io): void {
  const testing = ofController(
    toJson(
      command
        .command('test')
        .summary('send a test to a sink')
        .description('Sends a notification that says that it is a test, and shows what the sink has said to it.')
        .argument('<sink>', 'its name')
    )
  )
  withExamples(
    testing,
    ['zeek-cluster notify test ops', 'fails when the sink does not take it'],
    ['zeek-cluster notify test ops --json', 'for a program']
  )
  testing.action(async (sink, options) => {
    const { api, signal } = await open(io, options)
    const { data } = await api.POST('/v1/notifications/sinks/{sink}/test', { params: { path: { sink } }, signal })
    const { delivered, detail, seconds } = data!
    io.exitCode = delivered ? exitCodes.done : exitCodes.failed
    if (options.json === true) return printJson(io, data)
    print(io, printableLine(`${delivered ? 'taken' : 'not taken'} after ${seconds} s: ${detail}`))
  })
}

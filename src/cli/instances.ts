import type { Command } from '@commander-js/extra-typings'
import type { Schema } from '../client/connection.js'
import { exitCodes } from '../client/failure.js'
import { ask } from '../client/requests.js'
import { printableLine } from '../terminal/screen.js'
import { tableOf, type Column } from '../terminal/table.js'
import { amount, bytes, duration } from '../terminal/units.js'
import { withExamples } from './examples.js'
import { print, printJson, type Io } from './io.js'
import { defineJoins } from './joins.js'
import { ofController, toJson } from './options.js'
import { open } from './session.js'

interface InstanceRow {
  status: Schema['InstanceStatus']
  stats: Schema['InstanceStats'] | undefined
}

export function defineInstances(program: Command, io: Io): void {
  const command = ofController(
    toJson(
      program
        .command('instances')
        .helpGroup('Nodes:')
        .summary('show the hosts and what they use')
        .description(
          'Shows each instance (the agent of a host): whether it is connected, when its certificate ends if it has joined, versions, load, memory and disks. Ends with 0 only when all that the configuration names are connected.'
        )
        .option('--interfaces', 'show the network interfaces of each host instead')
        .option('--processes', 'show the Zeek processes that are not of this cluster instead')
    )
  )
  withExamples(
    command,
    ['zeek-cluster instances', 'all hosts'],
    ['zeek-cluster instances --interfaces', 'what their interfaces receive'],
    ['zeek-cluster instances --json', 'all of it, for a program']
  )
  // Options of the commands below are theirs, though this one has some of the same names. The program does so, too.
  command.enablePositionalOptions()
  defineJoins(command, io)
  command.action(async options => {
    const { api, signal, screen } = await open(io, options)
    const [{ data }, { results }] = await Promise.all([
      api.GET('/v1/instances', { signal }),
      ask(api, 'get_instance_stats', {}, { signal, timeout: 5 })
    ])
    const stats = new Map(results.map(({ instance, data }) => [instance, data?.instance_stats]))
    const rows = data!.instances.map(status => ({ status, stats: stats.get(status.name) }))
    const partsOf = <T>(parts: (stats: Schema['InstanceStats']) => readonly T[]) =>
      rows.flatMap(({ status, stats }) => (stats ? parts(stats).map(part => ({ instance: status.name, part })) : []))
    if (options.json === true) {
      printJson(io, { instances: rows.map(({ status, stats }) => ({ ...status, ...(stats ? { stats } : {}) })) })
    } else if (options.interfaces === true) {
      print(
        io,
        tableOf(
          interfaceColumns,
          partsOf(({ interfaces }) => interfaces),
          screen
        )
      )
    } else if (options.processes === true) {
      print(
        io,
        tableOf(
          processColumns,
          partsOf(({ foreign }) => foreign),
          screen
        )
      )
    } else {
      print(
        io,
        rows.length === 0
          ? 'no instances'
          : tableOf(
              columnsAt(
                Date.now(),
                rows.some(({ status }) => status.certificate_expires_at !== undefined)
              ),
              rows,
              screen
            )
      )
    }
    const isAway = rows.some(({ status: { configured, connected } }) => configured && !connected)
    io.exitCode = isAway ? exitCodes.failed : exitCodes.done
  })
}

interface Part<T> {
  instance: string
  part: T
}

const rate = (perSecond: number | undefined): string => (perSecond === undefined ? '-' : `${amount(perSecond)}/s`)

const interfaceColumns: Column<Part<Schema['InterfaceStats']>>[] = [
  { title: 'INSTANCE', text: ({ instance }) => instance, tone: () => 'strong' },
  { title: 'INTERFACE', text: ({ part }) => printableLine(part.name) },
  { title: 'STATE', text: ({ part }) => (part.up ? 'up' : 'down'), tone: ({ part }) => (part.up ? 'good' : 'warning') },
  { title: 'PACKETS', isNumber: true, text: ({ part }) => rate(part.packets_per_second) },
  {
    title: 'BYTES',
    isNumber: true,
    text: ({ part: { bytes_per_second: count } }) => (count === undefined ? '-' : `${bytes(count)}/s`)
  },
  { title: 'DROPPED', isNumber: true, text: ({ part }) => rate(part.dropped_per_second) },
  { title: 'ERRORS', isNumber: true, text: ({ part }) => rate(part.errors_per_second) }
]

const processColumns: Column<Part<Schema['ForeignProcess']>>[] = [
  { title: 'INSTANCE', text: ({ instance }) => instance, tone: () => 'strong' },
  { title: 'PID', isNumber: true, text: ({ part }) => String(part.pid) },
  { title: 'COMMAND', text: ({ part }) => printableLine(part.command), isLong: true }
]

const certificateColumn = (now: number): Column<InstanceRow> => ({
  title: 'CERTIFICATE',
  isNumber: true,
  text: ({ status: { certificate_expires_at: at } }) =>
    at === undefined ? '-' : duration((Date.parse(at) - now) / 1000),
  tone: ({ status: { certificate_expires_at: at } }) =>
    at !== undefined && Date.parse(at) - now < 86_400_000 ? 'warning' : 'quiet'
})

/** `isJoined`: whether any of the agents has joined. */
const columnsAt = (now: number, isJoined: boolean): Column<InstanceRow>[] => {
  const used = (whole: number, free: number) => `${Math.round((100 * (whole - free)) / Math.max(1, whole))}%`
  return [
    { title: 'INSTANCE', text: ({ status }) => status.name, tone: () => 'strong' },
    { title: 'HOST', text: ({ status }) => printableLine(status.host ?? '-') },
    {
      title: 'STATE',
      text: ({ status }) => `${status.connected ? 'connected' : 'away'}${status.configured ? '' : ' (unused)'}`,
      tone: ({ status }) => (status.connected ? 'good' : status.configured ? 'bad' : 'quiet')
    },
    {
      title: 'SINCE',
      isNumber: true,
      text: ({ status: { connected_at: at } }) => (at === undefined ? '-' : duration((now - Date.parse(at)) / 1000))
    },
    ...(isJoined ? [certificateColumn(now)] : []),
    { title: 'AGENT', text: ({ status }) => printableLine(status.version ?? '-') },
    { title: 'ZEEK', text: ({ status }) => printableLine(status.zeek_version ?? '-') },
    { title: 'CPUS', isNumber: true, text: ({ stats }) => String(stats?.cpus ?? '-') },
    { title: 'LOAD', isNumber: true, text: ({ stats }) => stats?.load[0]?.toFixed(1) ?? '-' },
    {
      title: 'MEMORY',
      isNumber: true,
      text: ({ stats }) =>
        stats ? `${used(stats.memory_bytes, stats.memory_available_bytes)} of ${bytes(stats.memory_bytes)}` : '-'
    },
    {
      title: 'DISKS',
      isLong: true,
      text: ({ stats }) =>
        printableLine(
          (stats?.file_systems ?? [])
            .map(({ holds, size_bytes: size, free_bytes: free }) => `${holds.join('+')} ${used(size, free)}`)
            .join(', ') || '-'
        )
    }
  ]
}

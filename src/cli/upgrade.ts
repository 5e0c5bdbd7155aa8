import type { Command } from '@commander-js/extra-typings'
import { exitCodes, Failure } from '../client/failure.js'
import { printableLine } from '../terminal/screen.js'
import { tableOf } from '../terminal/table.js'
import { defined } from '../util.js'
import { push } from './bundle.js'
import { withExamples } from './examples.js'
import { print, printJson, remark, type Io } from './io.js'
import { ofController, submits, toJson, wholeFrom } from './options.js'
import { lineOf, requestWithProgress, showOutcome } from './requests.js'
import { onInstances, onLabel } from './rollout.js'
import { open, type Session } from './session.js'

export function defineUpgrade(program: Command, io: Io): void {
  const command = ofController(
    submits(
      toJson(
        program
          .command('upgrade')
          .helpGroup('Deployment:')
          .summary('upgrade agents; show which version each has')
          .description(
            'Has agents start as another release, one instance after the other; nodes go on. An agent that no controller accepts then goes back to the release of before, and no other instance begins. Without a release, shows which version each instance has.'
          )
          .argument('[file]', 'the release: zeek-cluster-controller-….bundle.tar.gz, as `npm run package` makes it')
          .option('--bundle <bundle>', 'one that was uploaded before: its name or ID, instead of a file')
          .addOption(onInstances())
          .addOption(onLabel())
          .option('--max-parallel <number>', 'how many instances at a time; default: 1', wholeFrom(1))
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster upgrade', 'which version each instance has, and whether its last upgrade has failed'],
    ['zeek-cluster upgrade zeek-cluster-controller-0.2.0-linux-x64.bundle.tar.gz --on-label site=north', 'a wave'],
    ['zeek-cluster upgrade --bundle 7d3a8c0b5f5f… --max-parallel 10', 'all others, ten at a time']
  )
  command.action(async (file, { bundle, on, onLabel: labels, maxParallel, ...flags }) => {
    if (file !== undefined && bundle !== undefined) throw new Failure(exitCodes.usage, 'a file, or --bundle: not both')
    const session = await open(io, flags)
    if (file === undefined && bundle === undefined) return await showVersions(session, flags.json === true)
    const args = {
      bundle: bundle ?? (await push(session, file!)).id,
      ...defined({ instances: on, labels, max_parallel: maxParallel })
    }
    const finished = await requestWithProgress(session, 'upgrade', args, { ...flags, names: on ?? [] })
    if (!finished) return
    io.exitCode = showOutcome(session, finished, flags, result => {
      const { from, to } = result.data?.upgrade ?? {}
      const [line, ...more] = lineOf(result, session.screen)
      const what = from === undefined ? '' : from === to ? `: is ${to}` : `: ${from} -> ${to}`
      return [`${line}${printableLine(what)}`, ...more]
    })
  })
}

async function showVersions({ io, api, signal, screen }: Session, asJson: boolean): Promise<void> {
  const { data } = await api.GET('/v1/instances', { signal })
  const { instances } = data!
  if (asJson) return printJson(io, { instances })
  if (instances.length === 0) return remark(io, 'no instances')
  const said = (value: string | number | undefined) => printableLine(String(value ?? '-'))
  print(
    io,
    tableOf(
      [
        { title: 'INSTANCE', text: ({ name }) => name, tone: () => 'strong' },
        { title: 'VERSION', text: ({ version }) => said(version) },
        { title: 'API', text: ({ api_version: version }) => said(version), isNumber: true },
        { title: 'PLATFORM', text: ({ platform }) => said(platform) },
        { title: 'ZEEK', text: ({ zeek_version: version }) => said(version) },
        {
          title: 'LAST UPGRADE FAILED',
          isLong: true,
          text: ({ failed_upgrade: why }) => said(why),
          tone: ({ failed_upgrade: why }) => (why === undefined ? 'quiet' : 'bad')
        }
      ],
      instances,
      screen
    )
  )
}

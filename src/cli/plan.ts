import type { Command } from '@commander-js/extra-typings'
import type { Schema } from '../client/connection.js'
import type { Tone } from '../terminal/screen.js'
import { tableOf } from '../terminal/table.js'
import { defined } from '../util.js'
import { readConfiguration } from './configuration-file.js'
import { rotateKeys, stage } from './deploy.js'
import { withExamples } from './examples.js'
import { print, remark, type Io } from './io.js'
import { ofController, submits, toJson } from './options.js'
import { lineOf, request, showOutcome } from './requests.js'
import { goesInSteps, stepArguments } from './rollout.js'
import { open } from './session.js'

type Result = Schema['RequestResult']
type Action = Schema['NodeAction']

/** In the order in which they are shown. */
const tones: Record<Exclude<Action, 'none'>, Tone> = { stop: 'bad', restart: 'warning', start: 'good' }

const stepOf = ({ data }: Result): number => data?.plan?.step ?? 0
const lastStartOf = ({ data }: Result): string => {
  const seconds = data?.plan?.last_start_seconds
  return seconds === undefined ? '' : `${seconds.toFixed(1)} s`
}
const actionOf = ({ data }: Result): Action => data?.plan?.action ?? 'none'

export function definePlan(program: Command, io: Io): void {
  const command = ofController(
    submits(
      toJson(
        goesInSteps(
          program
            .command('plan')
            .helpGroup('Deployment:')
            .summary('tell what a deployment would do')
            .description(
              'Tells which nodes a deployment would start, stop and restart, in which order, and why. No node is touched. Ends with 0 when all hosts could be asked.'
            )
            .argument(
              '[file]',
              'stage this configuration first, in any form that deploy takes; else what is staged is meant'
            )
            .option('--force', 'as deploy --force would')
            .option('--rotate-keys', rotateKeys)
        )
      )
    )
  )
  withExamples(
    command,
    ['zeek-cluster plan cluster.json', 'stage a configuration, and tell what deploying it would do'],
    ['zeek-cluster plan --max-parallel 25% --canary 1', 'of what is staged, with the steps in which it would go'],
    ['zeek-cluster plan --json', 'of what is staged, for a program']
  )
  command.action(async (file, { force, rotateKeys: rotate, ...flags }) => {
    const configuration = file === undefined ? undefined : await readConfiguration(file, io)
    const session = await open(io, flags)
    if (configuration) await stage(session, configuration)
    const how = { ...defined({ force, rotate_keys: rotate }), ...stepArguments(flags) }
    const finished = await request(session, 'plan', how, flags)
    if (!finished) return
    const { screen } = session
    io.exitCode = showOutcome(session, finished, flags, result => (result.success ? [] : lineOf(result, screen)))
    if (flags.json === true) return
    const planned = finished.results.filter(({ data }) => data?.plan !== undefined)
    const changes = Object.keys(tones)
      .flatMap(action => planned.filter(result => actionOf(result) === action))
      .sort((a, b) => stepOf(a) - stepOf(b))
    const hasSteps = changes.some(result => stepOf(result) > 1)
    if (changes.length > 0) {
      print(
        io,
        tableOf(
          [
            ...(hasSteps ? [{ title: 'STEP', text: (result: Result) => String(stepOf(result)), isNumber: true }] : []),
            { title: 'ACTION', text: actionOf, tone: result => tones[actionOf(result) as keyof typeof tones] },
            { title: 'NODE', text: ({ node }) => node ?? '' },
            { title: 'INSTANCE', text: ({ instance }) => instance ?? '' },
            { title: 'LAST START', text: lastStartOf, isNumber: true },
            { title: 'WHY', text: ({ data }) => data?.plan?.reason ?? '', isLong: true }
          ],
          changes,
          screen
        )
      )
    }
    const unchanged = planned.length - changes.length
    const rest = unchanged === 1 ? '1 node stays as it is' : `${unchanged} nodes stay as they are`
    remark(io, `${changes.length === 0 ? 'nothing' : changes.length} to do: ${rest}`)
    if (changes.length > 0 && finished.success) {
      remark(io, `to do this, and nothing else: zeek-cluster deploy --plan ${finished.reqid}`)
    }
  })
}

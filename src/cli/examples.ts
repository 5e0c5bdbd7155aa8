import type { CommandUnknownOpts } from '@commander-js/extra-typings'

/** A command line, and what it does. */
export type Example = readonly [line: string, meaning: string]

const known = new WeakMap<CommandUnknownOpts, readonly Example[]>()

/** Shows examples in the help of a command, and in its manual. */
export function withExamples(command: CommandUnknownOpts, ...examples: readonly Example[]): void {
  known.set(command, examples)
  command.addHelpText('after', () => {
    const width = Math.max(...examples.map(([line]) => line.length))
    return `\nExamples:\n${examples.map(([line, meaning]) => `  ${line.padEnd(width)}  ${meaning}`).join('\n')}`
  })
}

export const examplesOf = (command: CommandUnknownOpts): readonly Example[] => known.get(command) ?? []

import { readFileSync } from 'node:fs'
import type { Options } from './options.js'
import { error, failed, fatal } from './report.js'
import { findScript } from './scripts.js'

/**
 * `-e CODE`: the lines of it that load the script of a node's options, which its agent has written, or that set an
 * option. Any other code is passed over.
 */
export function runCode(code: string, options: Options): void {
  for (const [index, line] of code.split('\n').entries()) {
    const name = /^@load (\S+)$/.exec(line)?.[1]
    if (name !== undefined) runScript(name, options)
    else if (line.startsWith('redef ')) statement(line, options, `<command line>, line ${index + 1}`)
  }
  if (failed()) process.exit(1)
}

function runScript(name: string, options: Options): void {
  const file = findScript(name)
  if (file === undefined) fatal(`can't find ${name}`, '<command line>, line 1')
  /** Of each @if that has not ended, whether what follows is taken. */
  const taken: boolean[] = []
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    const known = /^@ifdef \( (\S+) \)$/.exec(line)?.[1]
    const asked = /^@if \( ZeekClusterController::is_text\(\[\$f\(\) = \{ return (\S+); \}\]\$f\) \)$/.exec(line)?.[1]
    if (known !== undefined) taken.push(options.typeOf(known) !== undefined)
    else if (asked !== undefined) taken.push(options.typeOf(asked) === 'string')
    else if (line === '@else') taken.push(!taken.pop())
    else if (line === '@endif') taken.pop()
    else if (line !== '' && taken.every(Boolean)) statement(line, options, `${file}, line ${index + 1}`)
  }
}

function statement(line: string, options: Options, where: string): void {
  const [, name, expression] = /^redef ([\w:]+) = (.*);$/.exec(line) ?? []
  if (name === undefined || expression === undefined) error(`syntax error, at or near "${line}"`, where)
  else options.redefine(name, expression, where)
}

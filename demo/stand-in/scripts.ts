import { readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { checkBrackets } from './brackets.js'
import { fatal } from './report.js'

export const HOME = '/opt/zeek/share/zeek'

/** What a real Zeek ships: not looked up, for there are no such files here. */
const SHIPPED =
  /^(?:(?:policy|base|site)\/.|(?:local|packages)(?:\.zeek)?$|(?:policy\/)?(?:frameworks|misc|protocols|tuning)\/.)/

export function zeekPath(): string {
  return process.env['ZEEKPATH'] || `.:${HOME}:${HOME}/policy:${HOME}/site:${HOME}/builtin-plugins`
}

/** The script's path, or undefined. For a directory it is its __load__.zeek. */
export function findScript(name: string): string | undefined {
  const directories = isAbsolute(name) ? ['/'] : zeekPath().split(':')
  for (const directory of directories) {
    const path = join(directory || '.', name)
    for (const candidate of [path, `${path}.zeek`]) {
      const found = statSync(candidate, { throwIfNoEntry: false })
      if (found?.isFile()) return candidate
      const load = join(candidate, '__load__.zeek')
      if (found?.isDirectory() && statSync(load, { throwIfNoEntry: false })) return load
    }
  }
  return undefined
}

/** The only condition that is decided: of any other both branches are loaded. */
const CONDITION = /^\s*@if\s*\(\s*Cluster::local_node_type\(\)\s*([!=])=\s*Cluster::([A-Z]+)\s*\)/

/** The scripts that were loaded, with those that they load in turn. */
export class Scripts {
  /** What Cluster::local_node_type() returns. */
  nodeType: string | undefined
  readonly #names: string[] = []
  readonly #files = new Set<string>()

  /** Their paths, as zeek_script_loaded() tells them; without those that Zeek ships. */
  get files(): string[] {
    return [...this.#files]
  }

  /** Counts a script that is read elsewhere. */
  note(file: string): void {
    this.#files.add(file)
  }

  load(name: string, where?: string, beside = '.'): void {
    if (name === '-') return
    const file = findScript(name.startsWith('.') ? resolve(beside, name) : name)
    if (file === undefined && !SHIPPED.test(name)) fatal(`can't find ${name}`, where)
    if (file === undefined || !this.#files.has(file)) this.#names.push(name)
    if (file === undefined || this.#files.has(file)) return
    this.#files.add(file)
    const text = readFileSync(file, 'utf8')
    checkBrackets(file, text)
    const conditions: (boolean | undefined)[] = []
    for (const [index, line] of text.split('\n').entries()) {
      if (/^\s*@if/.test(line)) conditions.push(this.#holds(line))
      if (/^\s*@endif/.test(line)) conditions.pop()
      if (/^\s*@else/.test(line)) conditions.push(negated(conditions.pop()))
      const next = /^\s*@load\s+([^\s;#]+)/.exec(line)?.[1]
      if (next !== undefined && !conditions.includes(false)) {
        this.load(next, `${file}, line ${index + 1}`, dirname(file))
      }
    }
  }

  #holds(line: string): boolean | undefined {
    const [, operator, type] = CONDITION.exec(line) ?? []
    return type === undefined ? undefined : (this.nodeType === type) === (operator === '=')
  }

  /** What the pattern's group says about the last script that matches. */
  last(pattern: RegExp): string | undefined {
    return this.#names.map(name => pattern.exec(name)?.[1]).findLast(found => found !== undefined)
  }

  /** What the pattern's group says wherever it matches in what was loaded. The pattern is global. */
  said(pattern: RegExp): string[] {
    const texts = [...this.#files].map(file => readFileSync(file, 'utf8'))
    return texts.flatMap(text => [...text.matchAll(pattern)].map(([, found]) => found!))
  }
}

const negated = (holds: boolean | undefined) => (holds === undefined ? undefined : !holds)

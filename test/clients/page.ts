import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/util.js'

const page = readFileSync(join(packageRoot, 'docs', 'clients.md'), 'utf8')

/** The blocks of docs/clients.md that are for a generator, by their language: "```sh ogen" begins one. */
export function blocksOf(generator: string): Record<string, string> {
  const blocks = [...page.matchAll(/^```(\w+) (\S+)\n(.*?)^```$/gms)]
  return Object.fromEntries(
    blocks.filter(([, , name]) => name === generator).map(([, language, , text]) => [language!, text!])
  )
}

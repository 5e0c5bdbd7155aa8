import type { Tool } from './tools.js'

/** What the clients of a language share. */
export interface Language {
  /** The folder with their programs, what these end with, and the name of the blocks on the page. */
  name: 'ts' | 'py' | 'go' | 'java'
  /** What else of the folder is needed. */
  files: readonly string[]
  /** Where the program belongs, and the one that the page shows. */
  program: string
  page: string
  /** Commands that put in place what is installed, in the environment of the tools. */
  prepare: string
  /** Compiles the generated client and the programs, as strictly as the language can. */
  compile: string
  /** Runs a program. */
  run: (file: string) => string
}

export interface Generator {
  name: string
  version: string
  language: Language
  tools: readonly Tool[]
  /** What it says that the document is not to blame for. */
  remarks?: readonly { text: RegExp; reason: string }[]
}

const npm: Tool = {
  name: 'npm',
  needs: ['npm'],
  files: ['ts/package.json'],
  install: 'npm install --no-audit --no-fund --ignore-scripts --loglevel=error',
  bin: 'node_modules/.bin'
}

const ts: Language = {
  name: 'ts',
  files: ['package.json', 'tsconfig.json'],
  program: 'program.ts',
  page: 'page.ts',
  prepare: 'ln -s "$npm/node_modules" node_modules',
  compile: 'tsc -p .',
  run: file => `node --import tsx ${file}`
}

export const generators: readonly Generator[] = [
  { name: 'openapi-typescript', version: '7.13.0', language: ts, tools: [npm] }
]

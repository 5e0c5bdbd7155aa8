/**
 * Clients that generators make of openapi.yaml, against a started controller. Not a part of `npm test`: each generator
 * needs its language, and the network once.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/util.js'
import { Cluster } from '../flow/cluster.js'
import { directoryOf } from '../support/directory.js'
import { generators, type Generator } from './generators.js'
import { blocksOf } from './page.js'
import { sh } from './shell.js'
import { here, Toolbox, withTools } from './tools.js'

/** Where the programs expect the controller. */
const documented = 'http://127.0.0.1:2149'

/** What each program does, in the words of all of them. */
const whole = `stage_configuration succeeded
deploy succeeded
logger-1 RUNNING
manager RUNNING
worker-1 RUNNING
restart_request true
restart_response true
restart succeeded
404 not_found
400 invalid_request querystring/after
page restart
page deploy
page stage_configuration
`

/** What those of the page do. */
const short = `logger-1 RUNNING
manager RUNNING
worker-1 RUNNING
restart_request
restart_response
restart succeeded
404 not_found
`

/** In seconds: the downloads of all, then the steps of each. */
const limits = { install: 420, generate: 90, compile: 150, run: 60, generator: 240 }

const toolbox = new Toolbox(limits.install)

/** Puts what a generator needs into a directory, and returns the programs that are to be run there. */
function write({ name, language }: Generator, directory: string, url: string) {
  const blocks = blocksOf(name)
  const put = (file: string, text: string) => {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), text.replaceAll(documented, url))
  }
  for (const file of language.files) put(file, readFileSync(here(language.name, file), 'utf8'))
  put('openapi.yaml', readFileSync(join(packageRoot, 'openapi.yaml'), 'utf8'))
  if (blocks['yaml'] !== undefined) put(`${name}.yml`, blocks['yaml'])
  if (blocks['js'] !== undefined) put(`${name}.config.js`, blocks['js'])
  const programs = [{ what: 'the program', file: language.program, expected: whole }]
  put(language.program, readFileSync(here(language.name, `${name}.${language.name}`), 'utf8'))
  const page = blocks[language.name]
  if (page !== undefined) {
    programs.push({ what: 'that of the page', file: language.page, expected: short })
    put(language.page, page)
  }
  return { programs, generate: blocks['sh']?.trim().split('\n').at(-1) ?? '' }
}

/** What a generator has said that may tell of a fault of the document. */
const remarksOf = ({ remarks = [] }: Generator, output: string) =>
  output
    .split('\n')
    .filter(line => /warn|error|fail|unsupported/i.test(line) && !remarks.some(({ text }) => text.test(line)))

async function tryOut(t: Test, generator: Generator, url: string, env: NodeJS.ProcessEnv): Promise<void> {
  const cwd = directoryOf(t)
  const { programs, generate } = write(generator, cwd, url)
  const step = async (what: string, commands: string, seconds: number) => {
    const start = performance.now()
    const ran = await sh(commands, { cwd, env, seconds })
    t.comment(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
    t.equal(ran.code, 0, what)
    if (ran.code !== 0) throw new Error(`${what}: ${ran.output.slice(-10_000)}`)
    return ran
  }
  await step('prepare', generator.language.prepare, limits.run)
  const generated = await step('generate', generate, limits.generate)
  t.same(remarksOf(generator, generated.output), [], 'it has nothing to remark')
  await step('compile', generator.compile ?? generator.language.compile, limits.compile)
  for (const { what, file, expected } of programs) {
    const { stdout } = await step(what, generator.language.run(file), limits.run)
    t.equal(stdout, expected, `${what} prints what is expected`)
  }
}

const cluster = new Cluster(t)
await cluster.start(['agent-1'])
const only = process.env['CLIENTS']?.split(',')

for (const generator of generators) {
  if (only && !only.includes(generator.name)) continue
  const env: NodeJS.ProcessEnv = {}
  const bins: string[] = []
  const missing: string[] = []
  for (const tool of generator.tools) {
    const installed = await toolbox.get(tool)
    if ('missing' in installed) missing.push(installed.missing)
    else {
      env[tool.name] = installed.directory
      bins.push(installed.bin)
    }
  }
  const name = `${generator.name} ${generator.version}`
  if (missing.length > 0) console.error(`skipped: ${missing.join('; ')}: ${name} is not tried`)
  await t.test(name, { skip: missing.join('; ') || false, timeout: limits.generator * 1000 }, t =>
    tryOut(t, generator, cluster.url, { ...env, ...withTools(bins) })
  )
}

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { packageRoot } from '../../src/util.js'
import { cleanEnv } from './environment.js'

interface Ran {
  code: number | string
  output: string
}

/** What a program is run with; or why it cannot be tried here, which is no fault of ours. */
export interface Installed {
  command: string
  missing?: string
}

/**
 * Finds a version of a program of PyPI, anywhere on the PATH, else installs it where the next run finds it. Throws what
 * went wrong, where that is neither Python nor the network.
 */
export async function install(name: string, version: string): Promise<Installed> {
  const tools = join(packageRoot, 'node_modules', '.cache', `${name}-${version}`)
  const command = join(tools, 'bin', name)
  const works = async (path: string) => {
    const { code, output } = await run(path, ['--version'])
    return code === 0 && output.trim().split(/\s/).at(-1) === version
  }
  const onPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map(directory => join(directory, name))
    .filter(existsSync)
  for (const known of [...onPath, command]) if (await works(known)) return { command: known }
  const python = await run('python3', ['-c', 'import venv, ensurepip'])
  if (python.code !== 0) return { command: '', missing: 'python3 with venv is missing' }
  // Left by an installation that was broken off, or by another Python.
  if (existsSync(tools)) await rm(tools, { recursive: true })
  await mkdir(tools, { recursive: true })
  must('python3 -m venv', await run('python3', ['-m', 'venv', tools]))
  const pip = await run(join(tools, 'bin', 'pip'), [
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--retries=1',
    `${name}==${version}`
  ])
  if (pip.code !== 0 && noNetwork.test(pip.output)) {
    return { command: '', missing: 'python3 is there, but the network to install with is missing' }
  }
  must(`pip install ${name}==${version}`, pip)
  if (!(await works(command))) throw new Error(`${command} is not ${name} ${version}`)
  return { command }
}

/**
 * As pip's connections fail, and as a proxy or a resolver does. Not "no matching distribution": that is a wrong
 * version.
 */
const noNetwork = /NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|ProtocolError/

function must(what: string, { code, output }: Ran): void {
  if (code !== 0) throw new Error(`${what} failed (${code}): ${output}`)
}

function run(command: string, args: string[]): Promise<Ran> {
  return new Promise(resolve =>
    execFile(command, args, { env: cleanEnv }, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? 'killed') : 0, output: stdout + stderr })
    )
  )
}

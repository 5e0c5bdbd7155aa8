import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { cleanEnv } from '../support/environment.js'

export interface Ran {
  code: number | string
  stdout: string
  /** On either output. */
  output: string
}

interface Surroundings {
  cwd: string
  seconds: number
  env?: NodeJS.ProcessEnv
}

/** Runs commands of a shell until one fails. At the end of their time they are killed with all that they started. */
export function sh(commands: string, { cwd, seconds, env = {} }: Surroundings): Promise<Ran> {
  const child = spawn('sh', ['-ec', commands], {
    cwd,
    env: { ...cleanEnv, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  })
  const ran: Ran = { code: 'no shell', stdout: '', output: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      ran.output += text
      if (name === 'stdout') ran.stdout += text
    })
  }
  return new Promise(resolve => {
    const timer = setTimeout(
      () => {
        ran.output += `\nnot finished within ${seconds.toFixed(0)} s`
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      },
      Math.max(0, seconds) * 1000
    )
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ ...ran, code: code ?? signal ?? -1 })
    })
  })
}

export const onPath = (program: string) =>
  (process.env['PATH'] ?? '').split(delimiter).some(directory => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mainProgram } from '../support/environment.js'

export interface Measured {
  rssMb: number
  fds: number
  sockets: number
}

/** What a process uses; undefined when it is gone. */
export function measure(pid: number): Measured | undefined {
  try {
    const kb = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1])
    const links = readdirSync(`/proc/${pid}/fd`).map(fd => linkOf(pid, fd))
    return { rssMb: kb / 1024, fds: links.length, sockets: links.filter(link => link.startsWith('socket:')).length }
  } catch {
    return undefined
  }
}

/** The controller or agent of a supervisor: its child that runs our program. */
export function roleOf(supervisor: number): number | undefined {
  return childrenOf(supervisor).find(pid => commandOf(pid).includes(mainProgram))
}

/** The nodes that it has started itself. */
export function nodesOf(supervisor: number): number[] {
  return childrenOf(supervisor).filter(pid => !commandOf(pid).includes(mainProgram) && stateOf(pid) !== 'Z')
}

/** Children, at any depth, that have ended and were not waited for. */
export function zombiesOf(pid: number): number[] {
  return childrenOf(pid).flatMap(child => [...(stateOf(child) === 'Z' ? [child] : []), ...zombiesOf(child)])
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number)
}

function commandOf(pid: number): string[] {
  return read(`/proc/${pid}/cmdline`).split('\0')
}

function stateOf(pid: number): string | undefined {
  return /\) (\S)/.exec(read(`/proc/${pid}/stat`))?.[1]
}

/** Nothing, when it is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    return ''
  }
}

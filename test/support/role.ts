import type { ChildProcess } from 'node:child_process'
import { supervisorApiVersion } from '../../schemas/supervisor.js'
import { IpcTransport } from '../../src/link/ipc.js'
import { Link } from '../../src/link/link.js'

/** Stands in for the supervisor of a controller's or an agent's process. Resolves with the line that says it serves. */
export function untilReady(child: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    const handlers = {
      version: () => ({ version: supervisorApiVersion }),
      ready: ({ line }: { line: string }) => resolve(line)
    }
    return new Link(new IpcTransport(child), handlers)
  })
}

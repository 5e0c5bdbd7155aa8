import { connect, type Api } from '../client/connection.js'
import { findTarget, type TargetOptions } from '../client/target.js'
import type { Screen } from '../terminal/screen.js'
import { remark, screenFor, type Io } from './io.js'

/** A command in the middle of talking to a controller. */
export interface Session {
  io: Io
  api: Api
  /** Where the controllers are that are asked. */
  urls: readonly string[]
  screen: Screen
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
  /** Says that the connection is lost, and that it is there again. */
  onConnection: (lost: string | undefined) => void
}

/** Opens a session with the controllers that the options name. */
export async function open(io: Io, options: TargetOptions): Promise<Session> {
  const target = await findTarget(options, io.env)
  return {
    io,
    api: await connect(target),
    urls: target.urls,
    screen: screenFor(io),
    signal: io.interrupted,
    onConnection: lost => remark(io, lost === undefined ? 'connected again' : `connection lost (${lost}); trying again`)
  }
}

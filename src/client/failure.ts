/** The exit codes of commands: scripts tell by them what has happened. */
export const exitCodes = {
  /** What was asked for is so, or was done. */
  done: 0,
  /** It is not so, or was not done: a node does not run, a request has failed. */
  failed: 1,
  /** The command line, or the input, is not right. */
  usage: 2,
  /** The controller could not be asked: it is not reached, or takes no such credentials. */
  unavailable: 3,
  /** Ended by Ctrl-C. */
  interrupted: 130
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Why a command ends without having done its work: lines that say what to do, and its exit code. */
export class Failure extends Error {
  readonly exitCode: ExitCode
  /** The `code` of the Problem that the controller has answered with. */
  readonly code: string | undefined

  constructor(exitCode: ExitCode, message: string, { code, cause }: { code?: string; cause?: unknown } = {}) {
    super(message, { cause })
    this.exitCode = exitCode
    this.code = code
  }
}

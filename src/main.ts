#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { AppError, isOfSystem, messageOf } from './errors.js'
import { packageVersion } from './util.js'

const usage = `usage: zeek-cluster <command>

  start [--controller] [--agent] [--config FILE] [--SETTING VALUE ...]
             runs the supervisor, with a controller, an agent, or (neither named) both
  convert FILE
             prints cluster.cfg (zeek-client), node.cfg (ZeekControl) or zeek.conf (systemd generator; "-": standard input) as
             the body of a request, and on stderr what it does not hold. To send it:
             zeek-cluster convert node.cfg | curl -H 'Content-Type: application/json' -d @- \\
               http://127.0.0.1:2149/v1/requests/stage_configuration
  token create --role ROLE [--name NAME] [--expires 30d] | list | revoke ID
             makes, lists and revokes the tokens of a controller, which may run meanwhile; roles: viewer, operator, admin, agent
  archive -1 QUEUE DIRECTORY
             moves rotated logs into DIRECTORY/<day>/, compressed, as zeek-archiver does; agents run it where that is not installed
  settings   lists every setting: its flag, environment variable, default and meaning
  version    prints the version
`

/** Runs a command; each loads only what it needs. Returns the exit code. */
async function main([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'start': {
      const { start } = await import('./cli/start.js')
      return await start(args, fileURLToPath(import.meta.url), process.env)
    }
    case 'convert':
      return await (await import('./cli/convert.js')).convertFile(args)
    case 'archive':
      return await (await import('./cli/archive.js')).runArchive(args)
    case 'token':
      return await (await import('./cli/token.js')).runToken(args, process.env)
    case 'settings':
      console.log((await import('./cli/settings.js')).listSettings())
      return 0
    case 'version':
    case '--version':
      console.log(packageVersion)
      return 0
    case 'help':
    case '--help':
      console.log(usage)
      return 0
    default:
      console.error(usage)
      return 2
  }
}

main(process.argv.slice(2)).then(
  code => process.exit(code),
  (error: unknown) => {
    const isForeseen = error instanceof AppError || isOfSystem(error)
    console.error(`zeek-cluster: ${!isForeseen && error instanceof Error ? error.stack : messageOf(error)}`)
    process.exit(error instanceof AppError && error.code === 'invalid_request' ? 2 : 1)
  }
)

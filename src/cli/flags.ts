import { resolve } from 'node:path'
import { agentSettings } from '../agent/config.js'
import { withAuthority } from '../controller/authority-config.js'
import { controllerSettings } from '../controller/config.js'
import { ownController } from '../controller/own-agent.js'
import { AppError } from '../errors.js'
import type { Role } from '../host.js'
import { loadSettings, managementSettings } from '../settings.js'

export const allSettings = { ...managementSettings, ...controllerSettings, ...agentSettings }

export interface CommandLine {
  /** Roles that are given as flags, the controller first. */
  roles: Role[]
  /** Path of the settings file. */
  file: string | undefined
  /** Values of the other flags, by name without the dashes. */
  flags: Record<string, string>
}

/** Parses `--name value` and `--name=value`; roles and the file are not settings. */
export function parseFlags(args: readonly string[]): CommandLine {
  const flags: Record<string, string> = {}
  const roles: Role[] = []
  for (let at = 0; at < args.length; at++) {
    const [, name, inline] = /^--([a-z][a-z-]*)(?:=(.*))?$/s.exec(args[at]!) ?? []
    if (name === undefined) throw new AppError('invalid_request', `${args[at]} is not a flag`)
    if (name === 'controller' || name === 'agent') roles.push(name.toUpperCase() as Role)
    else {
      const value = inline ?? args[++at]
      if (value === undefined) throw new AppError('invalid_request', `--${name} needs a value`)
      flags[name] = value
    }
  }
  const { config: file, ...rest } = flags
  return { roles: [...new Set(roles)].sort().reverse(), file, flags: rest }
}

/** Reads the settings, with defaults for roles that run together. The state directory is an absolute path. */
export function readSettings({
  file,
  flags,
  roles = [],
  env
}: Partial<CommandLine> & { flags: Record<string, string>; env: NodeJS.ProcessEnv }) {
  const settings = loadSettings(allSettings, { flags, env, file }, (given, isGiven) => {
    const derived = withAuthority(given)
    return { ...derived, ...(runTogether(roles) ? ownController({ ...given, ...derived }, isGiven) : {}) }
  })
  return { ...settings, management_state_dir: resolve(settings.management_state_dir) }
}

export const runTogether = (roles: readonly Role[]) => roles.includes('CONTROLLER') && roles.includes('AGENT')

export type Settings = ReturnType<typeof readSettings>

import { join } from 'node:path'
import type { AgentSettings } from '../agent/config.js'
import type { ControllerSettings } from './config.js'
import { AppError } from '../errors.js'
import type { DerivedDefaults } from '../settings.js'
import { hostPort, reachableAt } from '../util.js'

type Settings = ControllerSettings & AgentSettings

const tokenFileIn = (settings: Settings) => join(settings.management_state_dir, 'agent.token')

/**
 * Returns the defaults of an agent that runs with a controller, unless `agent_controller` is given: it dials that
 * controller where it listens, recognizes it by its exact certificate (whatever names are in that), and shows a token
 * that the controller gives it. Throws an AppError where that controller is one of several.
 */
export const ownController: DerivedDefaults<Settings> = (settings, isGiven) => {
  if (isGiven('agent_controller')) return {}
  if (settings.controller_nats !== undefined) {
    throw new AppError(
      'invalid_request',
      'ZEEK_AGENT_CONTROLLER must name all controllers, with commas: with ZEEK_CONTROLLER_NATS this one leads only at times'
    )
  }
  const {
    controller_addr: addr,
    controller_port: port,
    controller_tls_cert: cert,
    controller_authentication: authentication
  } = settings
  const needsToken =
    authentication === 'token' && settings.agent_token_file === undefined && settings.agent_tls_cert === undefined
  return {
    agent_controller: hostPort(reachableAt(addr), port),
    // What goes to an address of this host does not leave it.
    agent_tls_by_proxy: true,
    ...(cert === undefined || settings.agent_tls_pin !== undefined ? {} : { agent_tls_pin: cert }),
    ...(needsToken ? { agent_token_file: tokenFileIn(settings) } : {})
  }
}

/** Returns the agent that the controller must give a token; undefined when its credentials come from elsewhere. */
export function agentInNeed(settings: Settings): { name: string; tokenFile: string } | undefined {
  const tokenFile = tokenFileIn(settings)
  return settings.agent_token_file === tokenFile ? { name: settings.agent_name, tokenFile } : undefined
}

/** Throws an AppError when controller and agent cannot run together, though each could alone. */
export function refuseClash({ controller_name: name, agent_name: agent }: Settings): void {
  if (name === agent) {
    throw new AppError(
      'invalid_request',
      `ZEEK_CONTROLLER_NAME and ZEEK_AGENT_NAME are both ${name}: they need names of their own`
    )
  }
}

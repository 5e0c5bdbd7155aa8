import { agentSettings } from '../../src/agent/config.js'
import { withAuthority } from '../../src/controller/authority-config.js'
import { controllerSettings } from '../../src/controller/config.js'
import { loadSettings, managementSettings } from '../../src/settings.js'

export const allSettings = { ...managementSettings, ...controllerSettings, ...agentSettings }
export const settingsOf = (flags: Record<string, string>) =>
  loadSettings(allSettings, { flags, env: {} }, withAuthority)

import { environmentName, flagName } from '../settings.js'
import { allSettings } from './flags.js'

/** Returns every setting as lines of text: its flag, environment variable, default and meaning. */
export function listSettings(): string {
  return Object.entries(allSettings)
    .map(
      ([key, { default: value, description }]) =>
        `${flagName(key)}, ${environmentName(key)} (${value === undefined ? 'none' : value})\n    ${description}\n`
    )
    .join('')
}

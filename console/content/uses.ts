import { useAnswered } from '../parts/answered.js'

/**
 * Calls `listener` after another configuration was staged or deployed, or another feed set: other bundles are used
 * then.
 */
export const useNewUse = (listener: () => void): void =>
  useAnswered(['stage_configuration', 'deploy', 'set_intel', 'unset_intel'], listener)

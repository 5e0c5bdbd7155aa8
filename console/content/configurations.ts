import { useAnswered } from '../parts/answered.js'

/** Calls `listener` after another configuration was staged or deployed: then it may be another bundle that is used. */
export const useNewConfiguration = (listener: () => void): void =>
  useAnswered(['stage_configuration', 'deploy'], listener)

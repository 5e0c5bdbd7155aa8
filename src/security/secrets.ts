import type { ClusterConfigurationInput, ClusterNode, Outcome } from '../../schemas/types.js'
import { maskedJson } from './masked-json.js'
import { looksSecret, type IsSecret } from './secret-names.js'
import { hide, mask, secretsOf, type Keeper } from './secret-values.js'

export { mask }

/**
 * Returns values by name, the environment or the options of a node, with those masked that are secret by their names.
 */
export function maskedValues(values: Record<string, string>, isSecret = looksSecret): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, isSecret(name) ? mask : value]))
}

/** Returns a configuration for display: values of `env` and `options` that are secret by their names are masked. */
export function masked<T extends ClusterConfigurationInput>(configuration: T, isSecret = looksSecret): T {
  const hide = <N extends Pick<ClusterNode, 'env' | 'options'>>({ env, options, ...rest }: N) => ({
    ...rest,
    ...(options ? { options: maskedValues(options, isSecret) } : {}),
    ...(env ? { env: maskedValues(env, isSecret) } : {})
  })
  const { nodes, groups } = configuration
  return { ...configuration, nodes: nodes.map(hide), ...(groups ? { groups: groups.map(hide) } : {}) }
}

/** Masks the configuration that a result carries in the same way. */
export function maskedOutcome(outcome: Outcome, isSecret = looksSecret): Outcome {
  const { data } = outcome
  if (!data?.configuration) return outcome
  return { ...outcome, data: { ...data, configuration: masked(data.configuration, isSecret) } }
}

/** Returns the fields that were masked and have come back masked: they would be deployed as they are. */
export function maskedFieldsOf(
  what: 'node' | 'group',
  all: readonly Pick<ClusterNode, 'name' | 'env' | 'options'>[] = []
): string[] {
  return all.flatMap(({ name, env = {}, options = {} }) =>
    [
      ['env', env],
      ['options', options]
    ].flatMap(([field, values]) =>
      Object.entries(values as object)
        .filter(([, value]) => value === mask)
        .map(([key]) => `${what} '${name}' ${field as string} ${key} is masked: its value is needed`)
    )
  )
}

/**
 * Returns a command line for display: in arguments `name=value`, the form of Zeek's options, what follows the name of a
 * secret is masked.
 */
export function maskedCommand(command: readonly string[], isSecret: IsSecret = looksSecret): string[] {
  return command.map(argument => {
    const assignment = [...argument.matchAll(/([^\s=]+?)\s*\+?=/g)].find(([, name]) => isSecret(name!))
    return assignment ? argument.slice(0, assignment.index + assignment[0].length) + mask : argument
  })
}

/** Returns a text with the secrets of a node masked, wherever they appear. */
export function withoutSecrets(text: string, keeper: Keeper, isSecret = looksSecret): string {
  return hide(text, secretsOf(keeper, isSecret))
}

/**
 * Returns the value of an identifier, a JSON text, for display: all of it is masked if the identifier is secret by its
 * name, else members that are, and the secrets of the node that has it.
 */
export function maskedIdValue(id: string, value: string, keeper: Keeper = {}, isSecret = looksSecret): string {
  if (isSecret(id)) return JSON.stringify(mask)
  const secrets = secretsOf(keeper, isSecret)
  return maskedJson(value, isSecret, text => hide(text, secrets))
}

/** Masks the value of an identifier, and the error, that an outcome carries in the same way. */
export function maskedIdOutcome(id: string, outcome: Outcome, keeper: Keeper = {}, isSecret = looksSecret): Outcome {
  const { data, error } = outcome
  const value = data?.value === undefined ? undefined : maskedIdValue(id, data.value, keeper, isSecret)
  return {
    ...outcome,
    ...(error === undefined ? {} : { error: withoutSecrets(error, keeper, isSecret) }),
    ...(value === undefined ? {} : { data: { ...data, value } })
  } as Outcome
}

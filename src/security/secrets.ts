import type { ConfigurationInput, Node, Outcome } from '../../schemas/types.js'

/** What is shown in place of a secret. */
export const mask = '********'

/** Names of environment variables and options whose values are secret. */
const secretName = /pass(word|wd|phrase)|secret|token|credential|(^|[_:])key$|(api|private|access|auth)_?key/i

/** Returns values by name, the environment or the options of a node, with those that look like secrets masked. */
export function maskedValues(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, secretName.test(name) ? mask : value]))
}

/** Returns a configuration for display: values of `env` and `options` that look like secrets are masked. */
export function masked<T extends ConfigurationInput>(configuration: T): T {
  return {
    ...configuration,
    nodes: configuration.nodes.map(({ env, options, ...node }): Node => ({
      ...node,
      ...(options ? { options: maskedValues(options) } : {}),
      ...(env ? { env: maskedValues(env) } : {})
    }))
  }
}

/** Masks the configuration that a result carries in the same way. */
export function maskedOutcome(outcome: Outcome): Outcome {
  const { data } = outcome
  return data?.configuration ? { ...outcome, data: { ...data, configuration: masked(data.configuration) } } : outcome
}

/** Returns the fields that were masked and have come back masked: they would be deployed as they are. */
export function maskedFields({ nodes }: ConfigurationInput): string[] {
  return nodes.flatMap(({ name, env = {}, options = {} }) =>
    [
      ['env', env],
      ['options', options]
    ].flatMap(([field, values]) =>
      Object.entries(values as object)
        .filter(([, value]) => value === mask)
        .map(([key]) => `node '${name}' ${field as string} ${key} is masked: its value is needed`)
    )
  )
}

/** Returns a command line for display: masks secrets in arguments `name=value`, the form of Zeek's options. */
export function maskedCommand(command: readonly string[]): string[] {
  return command.map(argument => {
    const name = /^[^=]*(?==)/.exec(argument)?.[0]
    return name !== undefined && secretName.test(name) ? `${name}=${mask}` : argument
  })
}

/** Shorter secrets cannot be distinguished from other words. */
const secretLength = 6

/** Returns a text with the secrets of a node masked, wherever they appear. */
export function withoutSecrets(text: string, { env = {}, options = {} }: Pick<Node, 'env' | 'options'>): string {
  const secrets = [...Object.entries(env), ...Object.entries(options)]
    .filter(([name, value]) => secretName.test(name) && value.length >= secretLength)
    .map(([, value]) => value)
  return secrets.sort((a, b) => b.length - a.length).reduce((masked, secret) => masked.replaceAll(secret, mask), text)
}

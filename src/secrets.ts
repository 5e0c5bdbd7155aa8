import type { ConfigurationInput, Node, Outcome } from '../../schemas/types.js'

/** What is shown in place of a secret. */
export const mask = '********'

/** Names of environment variables and options whose values are nobody's business. */
const secretName = /pass(word|wd|phrase)|secret|token|credential|(^|[_:])key$|(api|private|access|auth)_?key/i

const maskedMap = (values: Record<string, string>) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, secretName.test(name) ? mask : value]))

/** A configuration for the eyes of others: values of `env` and `options` that look like secrets are masked. */
export function masked<T extends ConfigurationInput> (configuration: T): T {
  return {
    ...configuration,
    nodes: configuration.nodes.map(({ env, options, ...node }): Node => ({ ...node, ...(options ? { options: maskedMap(options) } : {}), ...(env ? { env: maskedMap(env) } : {}) }))
  }
}

/** The same for what a result carries. */
export function maskedOutcome (outcome: Outcome): Outcome {
  const { data } = outcome
  return data?.configuration ? { ...outcome, data: { ...data, configuration: masked(data.configuration) } } : outcome
}

/** What was masked and has come back so: it would be deployed as it is. */
export function maskedFields ({ nodes }: ConfigurationInput): string[] {
  return nodes.flatMap(({ name, env = {}, options = {} }) => [['env', env], ['options', options]].flatMap(([field, values]) =>
    Object.entries(values as object).filter(([, value]) => value === mask).map(([key]) => `node '${name}' ${field as string} ${key} is masked: its value is needed`)))
}

import { agentApiVersion, Hello, isSpoken } from '../../schemas/agent.js'
import { Name } from '../../schemas/types.js'
import { checker } from '../../schemas/validator.js'
import { invalid, messageOf } from '../errors.js'

const checkHello = checker(Hello, invalid, 'drop')
const checkName = checker(Name, invalid)

/**
 * The only name that an agent may have, and the start of the complaint about another one. `serial`: the number of the
 * certificate that it has shown, if it has.
 */
export interface Expected {
  name: string
  complaint: string
  serial?: string | undefined
}

/** Why an agent is refused. `name`: of its instance, where that is known. */
export interface Refusal {
  name: string | undefined
  why: string
}

/**
 * Reads the first message of an agent. Its name is checked first, and nothing is repeated before: it may hold anything,
 * of any length.
 */
export function readHello(params: unknown, expected: Expected | undefined): { hello: Hello } | Refusal {
  const { name: said, api_version: version } = Object(params) as Record<string, unknown>
  const name = nameIn(said)
  if (expected !== undefined && expected.name !== name) {
    const other = name === undefined ? 'an agent without a valid name' : `agent ${name}`
    return { name: expected.name, why: `${expected.complaint} ${other}` }
  }
  if (name === undefined) return { name, why: 'an agent has no valid name' }
  // Before the rest: the hello of another version may look different.
  if (!isSpoken(version)) {
    const its = typeof version === 'number' ? `version ${version}` : 'no version'
    return { name, why: `agent ${name} speaks ${its}, not ${agentApiVersion}` }
  }
  try {
    return { hello: checkHello(params, 'hello') }
  } catch (error) {
    return { name, why: `agent ${name}: ${messageOf(error)}` }
  }
}

/** Returns the value if it is a name. */
function nameIn(value: unknown): string | undefined {
  try {
    return checkName(value, 'name')
  } catch {
    return undefined
  }
}

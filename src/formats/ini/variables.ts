import { shown } from '../refusal.js'

/**
 * Reads environment variables as ZeekControl has them, `VAR1=1, VAR2=2`: a value cannot contain a comma. What is wrong
 * with one goes to `complain`.
 */
export function readVariables(text: string, complain: (message: string) => void): Record<string, string> {
  return Object.fromEntries(
    (text === '' ? [] : text.split(',')).map(pair => {
      const [name, ...value] = pair.split('=')
      if (value.length === 0) complain(`misses a "=": ${shown(pair)}`)
      else if (name!.trim() === '') complain(`misses a name: ${shown(pair)}`)
      return [name!.trim(), value.join('=').trim()]
    })
  )
}

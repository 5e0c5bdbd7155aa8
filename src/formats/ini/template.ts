import { AppError } from '../../errors.js'
import { shown } from '../refusal.js'

/**
 * Replaces `${name}` by the value of the variable; `\${` becomes a plain `${`. Throws `invalid_request` for a name that
 * is not in `variables`.
 */
export function fillIn(template: string, variables: Record<string, string>): string {
  let result = ''
  let at = 0
  for (let start = template.indexOf('${'); start >= 0; start = template.indexOf('${', at)) {
    if (template[start - 1] === '\\' && start > at) {
      result += `${template.slice(at, start - 1)}\${`
      at = start + 2
      continue
    }
    const end = template.indexOf('}', start)
    if (end < 0) throw new AppError('invalid_request', 'has an opening brace after $ without its closing one')
    const name = template.slice(start + 2, end)
    if (!Object.hasOwn(variables, name)) {
      throw new AppError(
        'invalid_request',
        `has an unknown variable \${${shown(name)}}; known are ${Object.keys(variables).join(', ') || 'none'} here`
      )
    }
    result += template.slice(at, start) + variables[name]
    at = end + 1
  }
  return result + template.slice(at)
}

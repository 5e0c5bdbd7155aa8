import type { Labels } from '../../schemas/groups.js'
import { AppError } from '../errors.js'

/** Returns the labels in `site=berlin,tap=uplink`. Throws `invalid_request`. */
export function labelsIn(text: string): Labels {
  return Object.fromEntries(
    text.split(',').map(label => {
      const [, name, value] = /^\s*([^=\s]+)=(.+)$/.exec(label) ?? []
      if (name !== undefined && value !== undefined) return [name, value.trim()]
      throw new AppError('invalid_request', '--labels must be labels with their values: site=berlin,tap=uplink')
    })
  )
}

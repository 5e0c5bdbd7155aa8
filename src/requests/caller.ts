import type { Role } from '../../schemas/access.js'
import type { Labels } from '../../schemas/groups.js'

/** A client that submits requests, as limits and the audit log know it. */
export interface Caller {
  name: string
  role: Role
  address: string
  /** Key under which limits count this caller. */
  client: string
  /** Limits the caller to the instances that have all of these labels; undefined: it is not limited. */
  labels?: Labels | undefined
}

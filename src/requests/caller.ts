import type { Role } from '../../schemas/access.js'

/** Who asks for something. */
export interface Caller {
  name: string
  role: Role
  address: string
  /** Whom limits count as one. */
  client: string
}

import { join } from 'node:path'
import { SupervisorClient } from '../../src/agent/nodes/supervisor-client.js'
import { supervisorHandlers } from '../../src/host.js'
import { Link } from '../../src/link/link.js'
import { memoryPair } from '../../src/link/transport.js'
import { Supervisor } from '../../src/supervisor/supervisor.js'

/** A supervisor in this process, whose programs end when it is closed, and an agent's client of it. */
export function supervisorIn(directory: string): { supervisor: Supervisor; programs: SupervisorClient } {
  const [ours, theirs] = memoryPair()
  const supervisor: Supervisor = new Supervisor(join(directory, 'supervisor'), {
    changed: status => link.notify('changed', status),
    attached: () => {}
  })
  const link = new Link(theirs, supervisorHandlers(supervisor))
  return { supervisor, programs: new SupervisorClient(ours) }
}

import { join } from 'node:path'
import { SupervisorClient } from '../../src/agent/nodes/supervisor-client.js'
import { supervisorHandlers } from '../../src/host.js'
import { Link } from '../../src/link/link.js'
import { memoryPair } from '../../src/link/transport.js'
import { Supervisor } from '../../src/supervisor/supervisor.js'

/**
 * A supervisor in this process, whose programs end when it is closed, and an agent's client of it. `connect` gives the
 * next agent one, and cuts off the one before, as its death would.
 */
export function supervisorIn(directory: string) {
  let link: Link | undefined
  const supervisor = new Supervisor(join(directory, 'supervisor'), {
    changed: status => link?.notify('changed', status),
    attached: () => {}
  })
  const connect = (): SupervisorClient => {
    // Else what is left of an agent of this process would go on to read of its nodes.
    for (const status of supervisor.status()) link?.notify('changed', { ...status, state: 'STOPPED' })
    void link?.close('its agent has ended')
    const [ours, theirs] = memoryPair()
    link = new Link(theirs, supervisorHandlers(supervisor))
    return new SupervisorClient(ours)
  }
  return { supervisor, programs: connect(), connect }
}

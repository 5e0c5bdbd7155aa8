import { join } from 'node:path'
import type { Test } from 'tap'
import type { ClusterRequest } from '../../schemas/api.js'
import { EventJournal } from '../../src/requests/journal.js'
import { Hub } from '../../src/events/hub.js'
import { Requests, type RequestsOptions } from '../../src/requests/requests.js'
import { EventLog } from '../../src/store/events.js'
import { RequestTable } from '../../src/store/requests.js'
import { Store } from '../../src/store/store.js'
import { silent } from './log.js'

/** Requests with a store, a log and a journal of their own. */
export async function openRequests(
  t: Test,
  { directory = t.testdir(), ...more }: Partial<RequestsOptions> & { directory?: string } = {}
) {
  const store = new Store(join(directory, 'controller.sqlite'))
  const log = new EventLog(store)
  await log.open()
  const hub = new Hub(log, { heartbeatMs: 1e6, stallMs: 1e6 })
  const journal = new EventJournal(store, { log, hub }, { log: new EventLog(store, 'audit'), hub }, Date.now)
  const requests = new Requests({
    table: new RequestTable(store),
    journal,
    log: silent,
    now: Date.now,
    pendingMax: 1000,
    ...more
  })
  let open = true
  /** As a process that is killed: what is pending stays so. */
  const abandon = () => {
    if (open) store.close()
    open = false
    hub.close()
  }
  t.teardown(async () => {
    if (open) await requests.close()
    abandon()
  })
  return {
    requests,
    store,
    log,
    directory,
    abandon,
    finished: ({ reqid }: ClusterRequest) => requests.wait(reqid, 20_000, new AbortController().signal),
    eventsOf: (reqid: string) => log.ofRequest(reqid, 0, 1000).map(({ body }) => JSON.parse(body))
  }
}

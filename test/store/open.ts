import { join } from 'node:path'
import type { Test } from 'tap'
import { EventLog, type Retention } from '../../src/store/events.js'
import { Store } from '../../src/store/store.js'

export const databaseIn = (directory: string) => join(directory, 'state', 'controller.sqlite')

/** A store in a directory, which is closed at the latest at the end. */
export function openStore(t: Test, directory = t.testdir()) {
  const path = databaseIn(directory)
  const store = new Store(path)
  let open = true
  const close = () => {
    if (open) store.close()
    open = false
  }
  t.teardown(close)
  return { store, directory, path, close }
}

/** An event log that is open, and a way to append to it as the journal does. */
export async function openLog(t: Test, directory?: string) {
  const opened = openStore(t, directory)
  const log = new EventLog(opened.store)
  await log.open()
  const append = async (
    message: string,
    { transient = false, time = 1000, more = {} }: { transient?: boolean; time?: number; more?: object } = {}
  ) => {
    const event = await opened.store.write('written', () =>
      log.append({ type: 'notify_error', message, ...more } as any, Number(transient), time)
    )
    log.advance(event)
    return event
  }
  const messages = () => log.after(0, 1e6).map(({ body }) => JSON.parse(body).message as string)
  return { ...opened, log, append, messages }
}

export const everything: Retention = {
  maxCount: 1e9,
  maxAgeMs: 1e12,
  maxBytes: 1e12,
  ofKind: {}
}

/** The statements that a store is given from now on. */
export function statementsOf(store: Store): ReadonlySet<string> {
  const statements = new Set<string>()
  const { run, all } = store
  store.run = (sql, ...parameters) => {
    statements.add(sql)
    return run.call(store, sql, ...parameters)
  }
  store.all = (sql: string, ...parameters: any[]): any[] => {
    statements.add(sql)
    return all.call(store, sql, ...parameters)
  }
  return statements
}

import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Packs } from '../bundles/packs.js'
import { AppError } from '../errors.js'
import { BundleTable } from '../store/bundles.js'
import { databaseIn, openDatabase, type Database } from '../store/database.js'
import { EventLog, forgetEpochs } from '../store/events.js'
import { lockDirectory } from '../store/lock.js'
import { markOf } from '../store/mark.js'
import { forgetPosition, ReplicaDatabase, type Position } from '../store/replica.js'
import { Store } from '../store/store.js'
import type { ReplicaConfig } from './replica-config.js'
import { connectReplication, createReplicationLog, deleteReplicationLog } from '../replication/jetstream.js'
import { adopt, Snapshots } from '../replication/snapshots.js'

/** On whose controller something is done, which must not run meanwhile. */
export interface Site {
  stateDirectory: string
  log: Logger
}

/** How long another process may keep the database locked, in milliseconds. */
const lockMs = 5_000

/**
 * Makes this controller's database, or an empty one, the first of several: makes their log, and puts a snapshot there
 * from which the others begin. `replaces`: in place of a log that there is. What others had then that this one has not
 * is lost, so streams of events begin anew. Throws an AppError; then everything is as it was, but for a log that was to
 * be replaced.
 */
export async function initialize(
  site: Site,
  { self, nats }: Pick<ReplicaConfig, 'self' | 'nats'>,
  { controllers, replaces = false }: { controllers: readonly string[]; replaces?: boolean }
): Promise<Position> {
  if (!controllers.includes(self)) {
    throw new AppError(
      'invalid_request',
      `${self} (ZEEK_CONTROLLER_NAME) is none of the controllers: ${controllers.join(', ')}`
    )
  }
  return await alone(site, async () => {
    const path = databaseIn(site.stateDirectory)
    const options = { ...nats, self, log: site.log }
    if (replaces) {
      await deleteReplicationLog(options)
      forget(path)
    }
    await openLogs(path)
    const log = await createReplicationLog(options, { replicas: controllers, servers: nats.copies })
    try {
      const replication = await connectReplication(options)
      try {
        // Agents refuse a term below the highest that they have seen, of whatever log. Terms are slower than seconds.
        const term = Math.floor(Date.now() / 1000)
        change(path, db => new ReplicaDatabase(db).move({ log, place: 0, frame: '', term, leader: '' }))
        await shareBundles(site, new Packs(join(site.stateDirectory, 'bundles'), () => replication.files))
        const position = await new Snapshots(replication).take(path)
        // Several ask each other how far their logs are.
        await rm(markOf(path), { force: true })
        return position
      } finally {
        await replication.close()
      }
    } catch (error) {
      await deleteReplicationLog(options).catch(() => {})
      change(path, forgetPosition)
      throw error
    }
  })
}

/** Replaces this controller's database by what the others have. */
export async function rebuild(site: Site, { self, nats }: Pick<ReplicaConfig, 'self' | 'nats'>): Promise<Position> {
  return await alone(site, async () => {
    const replication = await connectReplication({ ...nats, self, log: site.log })
    try {
      const position = await new Snapshots(replication).fetch(databaseIn(site.stateDirectory))
      await adopt(databaseIn(site.stateDirectory))
      return position
    } finally {
      await replication.close()
    }
  })
}

/**
 * Makes this controller's database that of a single one. Others may have been further: streams of events begin anew.
 * Throws `conflict` when it is none of several.
 */
export async function leave(site: Site): Promise<void> {
  await alone(site, async () => {
    if (!forget(databaseIn(site.stateDirectory))) throw new AppError('conflict', 'this controller is none of several')
  })
}

/** Does something while no controller runs in the directory. Throws `unavailable` while one does. */
async function alone<T>(site: Site, work: () => Promise<T>): Promise<T> {
  const { stateDirectory } = site
  const lock = lockDirectory(
    stateDirectory,
    `stop zeek-cluster first: it runs with the state directory ${stateDirectory}`
  )
  try {
    return await work()
  } finally {
    lock.close()
  }
}

/** Has the logs be such that all replicas have the same: what a crash has left uncertain is so for all of them. */
async function openLogs(path: string): Promise<void> {
  const store = new Store(path)
  try {
    for (const one of [new EventLog(store), new EventLog(store, 'audit')]) {
      await one.open()
      await one.close()
    }
  } finally {
    store.close()
  }
}

/** Has a database be that of a single controller. Returns whether it was another one's. */
function forget(path: string): boolean {
  if (!existsSync(path)) return false
  return change(path, db => {
    const wasReplica = forgetPosition(db)
    if (wasReplica) forgetEpochs(db)
    return wasReplica
  })
}

function change<T>(path: string, work: (db: Database) => T): T {
  const db = openDatabase(path, lockMs)
  try {
    return work(db)
  } finally {
    db.close()
  }
}

/** Gives the contents of all bundles to all. */
async function shareBundles(site: Site, packs: Packs): Promise<void> {
  const store = new Store(databaseIn(site.stateDirectory), undefined, undefined, { isReplica: true })
  try {
    for (const pack of new BundleTable(store).packs()) {
      if (existsSync(join(packs.directory, pack))) await packs.share(pack)
      else site.log.warn(`the content of a bundle is not here, so nobody has it: ${pack}`)
    }
  } finally {
    store.close()
  }
}

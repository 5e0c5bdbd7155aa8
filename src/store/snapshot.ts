import { rmSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { DatabaseSync } from '@photostructure/sqlite'
import { AppError } from '../errors.js'
import type { Row } from './database.js'
import type { Position } from './replica.js'

/** What a worker is to do: copy a database, or only read a copy. */
interface Order {
  from?: string
  to: string
}

/**
 * Writes a copy of a replica's database, which may be in use, to a path. Resolves with how far the copy is. Works in a
 * thread of its own, since it takes seconds for a large database.
 */
export async function writeSnapshot(from: string, to: string): Promise<Position> {
  return await inThread({ from, to })
}

/** Checks a copy, and resolves with how far it is. Throws `unavailable` when it is damaged, or none of a replica. */
export async function readSnapshot(path: string): Promise<Position> {
  return await inThread({ to: path })
}

function inThread(order: Order): Promise<Position> {
  return new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url), { workerData: order }).once('message', resolve).once('error', error => {
      reject(new AppError('unavailable', `${order.to} is no copy of a replica: ${error.message}`, { cause: error }))
    })
  })
}

function work({ from, to }: Order): Position {
  if (from !== undefined) {
    rmSync(to, { force: true })
    const source = new DatabaseSync(from, { readOnly: true })
    source.prepare('VACUUM INTO ?').run(to)
    source.close()
  }
  const copy = new DatabaseSync(to, { readOnly: true })
  try {
    const { quick_check: found } = copy.prepare('PRAGMA quick_check(1)').get() as Row
    if (found !== 'ok') throw new Error(String(found))
    const row = copy.prepare("SELECT value FROM local WHERE name = 'position'").get() as Row | undefined
    if (!row) throw new Error('it has no position')
    return JSON.parse(row.value as string)
  } finally {
    copy.close()
  }
}

if (!isMainThread && parentPort) parentPort.postMessage(work(workerData as Order))

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pushBundle } from './bundles.js'

/** A bundle of one large file, which restarts nobody. */
export interface Blob {
  id: string
  digest: string
}

const path = 'intel/blob'
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex')

/** Uploads a bundle of so many bytes, of which none repeat, under a name. */
export async function pushBlob(url: string, name: string, size: number): Promise<Blob> {
  const content = randomBytes(size)
  return { id: await pushBundle(url, [{ path, content }], name), digest: sha256(content) }
}

/** Whether it is whole in a host's directory of bundles. */
export const hasBlob = (content: string, { id, digest }: Blob): boolean =>
  sha256(readFileSync(join(content, id, path))) === digest

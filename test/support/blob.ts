import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tarOf } from '../bundles/tar.js'
import { answerOf } from './client.js'

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
  const { json } = await answerOf(
    await fetch(`${url}/v1/bundles?name=${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-tar' },
      body: new Uint8Array(tarOf({ path, content }))
    })
  )
  return { id: json.id, digest: sha256(content) }
}

/** Whether it is whole in a host's directory of bundles. */
export const hasBlob = (content: string, { id, digest }: Blob): boolean =>
  sha256(readFileSync(join(content, id, path))) === digest

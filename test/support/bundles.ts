import { tarOf, type TarEntry } from '../bundles/tar.js'
import { answerOf } from './client.js'

/** Uploads a bundle of these files, under a name where one is given. Returns its id. */
export async function pushBundle(url: string, entries: readonly TarEntry[], name?: string): Promise<string> {
  const { status, json } = await answerOf(
    await fetch(`${url}/v1/bundles${name === undefined ? '' : `?name=${name}`}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-tar' },
      body: new Uint8Array(tarOf(...entries))
    })
  )
  if (typeof json.id !== 'string') throw new Error(`${status} ${JSON.stringify(json)}`)
  return json.id
}

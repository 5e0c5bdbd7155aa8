import { Header } from 'tar'

export interface TarEntry {
  path: string
  content?: string | Buffer
  type?: string
  mode?: number
  linkpath?: string
  /** Another size than that of the content. */
  size?: number
}

/** Returns a tar archive of entries as they are given, also those that no tool would write. */
export function tarOf(...entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(blocksOf), Buffer.alloc(1024)])
}

function blocksOf({ path, content = '', type = 'File', mode = 0o644, linkpath, size }: TarEntry): Buffer {
  const body = Buffer.from(content)
  const head = Buffer.alloc(512)
  const header = new Header({
    path,
    mode,
    type: type as 'File',
    size: size ?? body.length,
    mtime: new Date(0),
    ...(linkpath === undefined ? {} : { linkpath })
  })
  const needsPax = header.encode(head)
  const padded = Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)])
  return Buffer.concat([needsPax ? paxOf(path) : Buffer.alloc(0), head, padded])
}

/** Returns an extended header with a path that does not fit into a plain one. */
function paxOf(path: string): Buffer {
  const record = (length: number) => `${length} path=${path}\n`
  let length = Buffer.byteLength(record(0))
  while (Buffer.byteLength(record(length)) !== length) length = Buffer.byteLength(record(length))
  return blocksOf({ path: 'PaxHeader', content: record(length), type: 'ExtendedHeader' })
}

/** Returns bytes in chunks of a size, as a network may bring them. */
export async function* chunksOf(bytes: Buffer, size = 65_536): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

import { open, stat, type FileHandle } from 'node:fs/promises'
import type { NodeOutputStream } from '../../../schemas/requests.js'
import { isRefused } from '../../permission.js'
import { fileOf, lastLines, readLatest, rotatedFileOf, runsBefore } from '../../supervisor/output.js'

const chunkBytes = 32 * 1024
/** Length of the pieces, in bytes, in which a line that does not end is returned. */
const lineBytes = 16 * 1024

interface Source {
  file: FileHandle
  inode: number
  position: number
  /** Whether what comes after it belongs to another run. */
  endsRun: boolean
}

async function openSource(path: string): Promise<Source | undefined> {
  const file = await open(path, 'r').catch(error => {
    if (isRefused(error)) throw error
    return undefined
  })
  return file && { file, inode: (await file.stat()).ino, position: 0, endsRun: false }
}

/** Returns a text that changes when another file takes the place of the one before; undefined when there is none. */
async function identityOf(path: string): Promise<string | undefined> {
  return await stat(path).then(
    ({ ino, ctimeMs, size }) => `${ino}-${ctimeMs}-${size}`,
    () => undefined
  )
}

/**
 * Follows an output of a node, which another process writes, rotates and puts aside. It returns each line once, when it
 * is complete, from run to run. Lines are lost only when more than a few runs, or more than one rotation, come between
 * two looks.
 */
export class OutputFollower {
  readonly stream: NodeOutputStream
  #directory: string
  /** Files that are still to be read, in order; the last is that of the latest run that is known. */
  #sources: Source[] = []
  /** Identity of the copy that the last rotation has left. */
  #copy: string | undefined
  /** Whether the file was shorter than what was read of it, when it was last looked at. */
  #shrunk = false
  #unfinished = Buffer.alloc(0)
  #secrets: readonly Buffer[]

  /** `secrets`: texts that no piece of a line ends within. */
  constructor(directory: string, stream: NodeOutputStream, secrets: readonly string[] = []) {
    this.#secrets = secrets.map(secret => Buffer.from(secret))
    this.#directory = directory
    this.stream = stream
  }

  /**
   * Returns the last complete lines that are there, within so many bytes. What comes after them is returned by next().
   */
  async begin(lines: number, bytes: number): Promise<string> {
    const source = await openSource(fileOf(this.#directory, this.stream))
    if (!source) return ''
    this.#sources = [source]
    this.#copy = await identityOf(rotatedFileOf(this.#directory, this.stream))
    const { size } = await source.file.stat()
    const text = readLatest(this.#directory, this.stream, bytes, size)
    if (
      (await this.#placeOf(source)) !== 0 ||
      (await identityOf(rotatedFileOf(this.#directory, this.stream))) !== this.#copy
    ) {
      // The file was rotated, or begun anew, while it was read.
      await this.end()
      return await this.begin(lines, bytes)
    }
    source.position = size
    const end = text.lastIndexOf('\n') + 1
    this.#unfinished = Buffer.from(text.subarray(end))
    return lastLines(text.subarray(0, end), lines, text.length === bytes)
  }

  /** Returns more lines, some or none; undefined when there is nothing more for now. */
  async next(): Promise<string[] | undefined> {
    for (;;) {
      const [source] = this.#sources
      if (!source) {
        const first = await openSource(fileOf(this.#directory, this.stream))
        if (!first) return undefined
        this.#sources = [first]
        continue
      }
      const { buffer, bytesRead } = await source.file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, source.position)
      // If the file was rotated, emptied or replaced meanwhile, what was read is not what comes next.
      if (this.#sources.length === 1 && (await this.#moved(source))) continue
      source.position += bytesRead
      if (bytesRead > 0) return this.#lines(buffer.subarray(0, bytesRead))
      if (this.#sources.length === 1) return undefined
      this.#sources.shift()
      await source.file.close()
      if (source.endsRun && this.#unfinished.length > 0) return this.#lines(Buffer.from('\n'))
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#sources.splice(0).map(({ file }) => file.close()))
  }

  /** Returns whether reading has to go on elsewhere than in the file, or at the place, that was just read. */
  async #moved(source: Source): Promise<boolean> {
    const place = await this.#placeOf(source)
    return place === 0
      ? (await this.#wasRotated(source)) || (await this.#wasEmptied(source))
      : await this.#hasSuccessor(source, place)
  }

  /**
   * Returns whether the file was rotated. What was written before the rotation, and not read, is in the copy; the file
   * begins anew.
   */
  async #wasRotated(source: Source): Promise<boolean> {
    const path = rotatedFileOf(this.#directory, this.stream)
    const identity = await identityOf(path)
    if (identity === undefined || identity === this.#copy) return false
    const copy = await openSource(path)
    if (!copy) return false
    this.#copy = identity
    this.#shrunk = false
    this.#sources = [{ ...copy, position: source.position }, source]
    source.position = 0
    return true
  }

  /**
   * Returns whether someone else has emptied the file: it is too short, and the next look finds no rotation that did
   * it.
   */
  async #wasEmptied(source: Source): Promise<boolean> {
    const isShort = (await source.file.stat()).size < source.position
    const wasEmptied = isShort && this.#shrunk
    this.#shrunk = isShort && !wasEmptied
    if (wasEmptied) source.position = 0
    return wasEmptied
  }

  async #hasSuccessor(source: Source, place: number | undefined): Promise<boolean> {
    const successor = await openSource(fileOf(this.#directory, this.stream, place === undefined ? 0 : place - 1))
    if (!successor) return false
    if ((await this.#placeOf(source)) !== place) {
      // Yet another run has begun meanwhile: the next look finds their places.
      await successor.file.close()
      return false
    }
    source.endsRun = true
    this.#copy = undefined
    this.#sources = [source, successor]
    return true
  }

  /**
   * Returns how many runs ago a file was begun; undefined when it is no longer kept. Files only move back, so that none
   * is missed.
   */
  async #placeOf({ inode }: Source): Promise<number | undefined> {
    for (let place = 0; place <= runsBefore; place++) {
      if (
        await stat(fileOf(this.#directory, this.stream, place)).then(
          ({ ino }) => ino === inode,
          () => false
        )
      ) {
        return place
      }
    }
    return undefined
  }

  #lines(chunk: Buffer): string[] {
    const lines: string[] = []
    let rest = Buffer.concat([this.#unfinished, chunk])
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      lines.push(rest.toString('utf8', 0, end))
      rest = rest.subarray(end + 1)
    }
    // A secret that begins in a piece can be seen as a whole.
    const longest = Math.max(0, ...this.#secrets.map(({ length }) => length))
    while (rest.length > lineBytes + longest) {
      const end = endOfCharacter(rest, outsideOf(this.#secrets, rest, lineBytes))
      lines.push(rest.toString('utf8', 0, end))
      rest = rest.subarray(end)
    }
    this.#unfinished = Buffer.from(rest)
    return lines
  }
}

/** Returns where a text can be cut without cutting one of these secrets: at `at` or before; at `at` if nowhere else. */
function outsideOf(secrets: readonly Buffer[], text: Buffer, at: number): number {
  let place = at
  for (let before = 0; before !== place;) {
    before = place
    for (const secret of secrets) {
      const found = text.indexOf(secret, Math.max(0, place - secret.length + 1))
      if (found >= 0 && found < place) place = found
    }
  }
  return place === 0 ? at : place
}

/** Returns where a text can be cut without cutting a character of it: at `at` or up to three bytes before. */
function endOfCharacter(text: Buffer, at: number): number {
  for (let end = at; end > at - 4; end--) if ((text[end]! & 0xc0) !== 0x80) return end
  return at
}

/** A cursor is `<epoch>.<number>`, opaque to clients. */
export function formatCursor(epoch: string, seq: number): string {
  return `${epoch}.${seq}`
}

/** Parses a cursor. Undefined when the text is not one. */
export function parseCursor(text: string): { epoch: string; seq: number } | undefined {
  const parts = /^([a-z0-9]{1,32})\.(0|[1-9][0-9]{0,15})$/.exec(text)
  const seq = Number(parts?.[2])
  return parts && Number.isSafeInteger(seq) ? { epoch: parts[1]!, seq } : undefined
}

/** Returns the number of the event that a cursor names in the log of this epoch; undefined for what is none of its. */
export function placeIn({ epoch }: { epoch: string }, cursor: string): number | undefined {
  const place = parseCursor(cursor)
  return place?.epoch === epoch ? place.seq : undefined
}

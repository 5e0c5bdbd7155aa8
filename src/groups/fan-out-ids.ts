import { createHash } from 'node:crypto'
import { defaultFanOutId, type ListeningNode } from '../sharing.js'
import { compare } from '../util.js'

/** Ids are chosen above those that people choose, and below the kernel's 2^16. */
const [first, count] = [1024, 65_536 - 1024]

/**
 * Returns the fan-out id that listeners of each device get on one host where they set none themselves; undefined: none,
 * as nodes of the configuration that set none listen there, too, and share the packets with them.
 *
 * An id belongs to one device. It follows from the device's name, so that it is the same on every host, and stays when
 * groups come, go, or change places; only of two devices whose names lead to the same id one gets the next. An id that
 * a listener of the device sets is the id of all; no id of another device and never the default is chosen.
 *
 * `plain`: listeners that stay as they are. `open`: those for whom ids are chosen where they set none.
 */
export function fanOutIds(
  plain: readonly ListeningNode[],
  open: readonly ListeningNode[]
): Map<string, string | undefined> {
  const said = [...plain, ...open].filter(({ saysId }) => saysId)
  const used = new Set([defaultFanOutId, ...said.map(({ id }) => id)])
  const ids = new Map<string, string | undefined>()
  for (const { device, id } of plain) if (id !== undefined) ids.set(device, undefined)
  for (const { device, id } of said.reverse()) ids.set(device, id)
  const devices = new Set(open.filter(({ id }) => id !== undefined).map(({ device }) => device))
  for (const device of [...devices].sort(compare)) {
    // Where all are used there is none to give: the configuration is told of it as of any that is used twice.
    if (ids.has(device) || used.size >= count) continue
    let place = createHash('sha256').update(device).digest().readUInt32BE()
    while (used.has(idAt(place))) place++
    ids.set(device, idAt(place))
    used.add(idAt(place))
  }
  return ids
}

const idAt = (place: number) => String(first + (place % count))

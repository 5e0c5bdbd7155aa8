/// <reference lib="webworker" />
import { createApi } from '../api.js'
import { Hub } from './hub.js'
import type { ToHub } from './messages.js'
import { whenGone } from './presence.js'

/** The shared worker: one for all tabs of a browser, with the only stream. */
const ports = new Map<string, MessagePort>()
// Beside the pages' assets.
const hub = new Hub(createApi(new URL('..', self.location.href).href), (message, tab) => {
  if (tab === undefined) for (const port of ports.values()) port.postMessage(message)
  else ports.get(tab)?.postMessage(message)
})

const scope = self as unknown as SharedWorkerGlobalScope
scope.onconnect = ({ ports: [port] }) => {
  port!.onmessage = ({ data }: MessageEvent<ToHub>) => {
    if (data.kind === 'join' && !ports.has(data.tab)) whenGone(data.tab, () => leave(data.tab))
    if (data.kind === 'join') ports.set(data.tab, port!)
    if (data.kind === 'leave') leave(data.tab)
    else hub.hear(data)
  }
}

function leave(tab: string): void {
  ports.delete(tab)
  hub.hear({ kind: 'leave', tab })
}

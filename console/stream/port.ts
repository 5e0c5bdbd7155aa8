import { createApi } from '../api.js'
import { Hub } from './hub.js'
import type { ToHub, ToTab } from './messages.js'
import { whenGone } from './presence.js'

/** A tab's end of what connects it with the hub. */
export interface Port {
  send: (message: ToHub) => void
}

declare const streamWorker: string

/** Returns what connects a tab with the hub of all tabs of this browser. `hear` gets what the hub tells. */
export function openPort(tab: string, base: string, hear: (message: ToTab) => void): Port {
  if (typeof SharedWorker === 'function') return workerPort(base, hear)
  if (typeof BroadcastChannel === 'function' && 'locks' in navigator) return leaderPort(tab, base, hear)
  return ownPort(base, hear)
}

function workerPort(base: string, hear: (message: ToTab) => void): Port {
  const { port } = new SharedWorker(new URL(streamWorker, base), { type: 'module', name: 'zeek-cluster' })
  port.onmessage = ({ data }: MessageEvent<ToTab>) => hear(data)
  return { send: message => port.postMessage(message) }
}

interface Addressed {
  to: 'hub' | 'tabs'
  tab?: string | undefined
  message: ToHub | ToTab
}

/**
 * Without shared workers one of the tabs has the hub: the one that holds the lock. When that is closed another one
 * takes over, and all join it.
 */
function leaderPort(tab: string, base: string, hear: (message: ToTab) => void): Port {
  // Several controllers can be behind one origin.
  const name = `zeek-cluster ${base}`
  const channel = new BroadcastChannel(name)
  let hub: Hub | undefined
  /** What this tab has told of itself, for the next leader. */
  const said = new Map<ToHub['kind'], ToHub>()
  const known = new Set<string>()
  const hearTab = (message: ToHub) => {
    if (message.kind === 'join' && !known.has(message.tab)) {
      known.add(message.tab)
      whenGone(message.tab, () => {
        known.delete(message.tab)
        hub!.hear({ kind: 'leave', tab: message.tab })
      })
    }
    hub!.hear(message)
  }
  const send = (message: ToHub) => {
    if (hub) hearTab(message)
    else channel.postMessage({ to: 'hub', message } satisfies Addressed)
  }
  channel.onmessage = ({ data }: MessageEvent<Addressed | 'leader'>) => {
    if (data === 'leader') for (const message of said.values()) send(message)
    else if (data.to === 'hub' && hub) hearTab(data.message as ToHub)
    else if (data.to === 'tabs' && (data.tab ?? tab) === tab) hear(data.message as ToTab)
  }
  void navigator.locks.request(name, async () => {
    hub = new Hub(createApi(base), (message, to) => {
      if (to === undefined || to === tab) hear(message)
      if (to !== tab) channel.postMessage({ to: 'tabs', tab: to, message } satisfies Addressed)
    })
    channel.postMessage('leader')
    for (const message of said.values()) send(message)
    await new Promise(() => {})
  })
  return {
    send: message => {
      if (message.kind === 'join' || message.kind === 'watch') said.set(message.kind, message)
      send(message)
    }
  }
}

/** Where tabs cannot speak with each other each one has a stream of its own. */
function ownPort(base: string, hear: (message: ToTab) => void): Port {
  const hub = new Hub(createApi(base), message => hear(message))
  return { send: message => hub.hear(message) }
}

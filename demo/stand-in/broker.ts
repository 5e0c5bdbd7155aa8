import { listen } from './endpoint.js'
import type { LayoutNode } from './layout.js'
import type { Options } from './options.js'

const RETRY_MS = 100

/** The Broker cluster backend: nobody waits for anybody, and a taken port is tried again. */
export async function startBroker (node: LayoutNode | undefined, options: Options): Promise<void> {
  if (!node?.port) return
  try {
    await listen(options.get('Broker::default_listen_address') || undefined, node.port, () => {})
  } catch {
    setTimeout(startBroker, RETRY_MS, node, options)
  }
}

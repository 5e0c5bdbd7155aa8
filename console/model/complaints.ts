import type { Health } from './types.js'

type Reason = Health['reasons'][number]

/** Whether a reason why the cluster is not ready has to do with a node: it is about it, or names it among others. */
export const concernsNode = ({ node, message }: Reason, name: string): boolean =>
  node === undefined ? wordsIn(message).includes(name) : node === name

/** Whether it has to do with an instance, or with a node there. */
export const concernsInstance = ({ instance, node, message }: Reason, name: string): boolean =>
  instance === name || (instance === undefined && node === undefined && wordsIn(message).includes(name))

/** Names have these characters, and may end a sentence. */
const wordsIn = (message: string) => message.split(/[^A-Za-z0-9._-]+/).map(word => word.replace(/\.+$/, ''))

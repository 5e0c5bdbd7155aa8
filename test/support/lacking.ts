import type { Lacking } from '../../src/agent/nodes/node-table.js'

const noBundles = async () => {
  throw new Error('there are no bundles here')
}

/** Gets layouts for shares that have no bundle. */
export const layoutsFrom = (layout: Lacking['layout']): Lacking => ({
  layout,
  bundles: { files: noBundles, chunk: noBundles }
})

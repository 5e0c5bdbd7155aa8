import fc from 'fast-check'
import t from 'tap'
import type { Layout } from '../../schemas/agent.js'
import { digestOf, packLayout, unpackLayout } from '../../src/protocol/packed-layout.js'
import { anyLayout } from '../support/nasty.js'
import { runs } from '../support/runs.js'

const layout: Layout = {
  backend: 'zeromq',
  nodes: [{ name: 'manager', role: 'MANAGER', host: '10.0.0.1', port: 2200, metrics_port: 9000 }],
  hub: { node: 'manager', host: '10.0.0.1', xpub_port: 5555, xsub_port: 5556 }
}

await t.test('what was packed is what is unpacked, of the same digest', async t => {
  await fc.assert(
    fc.asyncProperty(anyLayout, async given => {
      // As it is once it was stored.
      const stored: Layout = JSON.parse(JSON.stringify(given))
      const unpacked = await unpackLayout(await packLayout(stored), digestOf(stored))
      return JSON.stringify(unpacked) === JSON.stringify(stored) && digestOf(unpacked) === digestOf(stored)
    }),
    { numRuns: runs(100) }
  )
  t.pass('it is')
})

await t.test('a layout of ten thousand nodes takes a few bytes for each', async t => {
  const nodes = Array.from({ length: 10_000 }, (_, n) => ({
    name: `sensor-${n % 1000}-worker-${n % 10}`,
    role: 'WORKER' as const,
    host: `10.1.${(n % 1000) >> 8}.${n % 256}`,
    metrics_port: 9000 + (n % 10)
  }))
  const packed = await packLayout({ backend: 'zeromq', nodes })
  t.ok(packed.length < 8 * nodes.length, `${packed.length} characters`)
})

await t.test('another layout, a damaged one, and none are refused', async t => {
  const packed = await packLayout(layout)
  const other = await packLayout({ ...layout, nodes: [] })
  for (const given of [other, packed.slice(0, -8), '', '!', Buffer.from('{}').toString('base64')]) {
    await t.rejects(
      unpackLayout(given, digestOf(layout)),
      { code: 'invalid_request', message: 'the layout is not the one that was asked for' },
      given
    )
  }
  const none = { nodes: [] } as unknown as Layout
  await t.rejects(unpackLayout(await packLayout(none), digestOf(none)), {
    code: 'invalid_request',
    message: /layout\/backend is required/
  })
})

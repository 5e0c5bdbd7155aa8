import { brotliCompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import type { Layout, LayoutNode } from '../../schemas/agent.js'
import { AppError } from '../../src/errors.js'
import { digestOf, packLayout, packWhole, unpackLayout } from '../../src/protocol/packed-layout.js'
import { anyLayout, nasty } from '../support/nasty.js'
import { runs } from '../support/runs.js'

const layout: Layout = {
  backend: 'zeromq',
  nodes: [{ name: 'manager', role: 'MANAGER', host: '10.0.0.1', port: 2200, metrics_port: 9000 }],
  hub: { node: 'manager', host: '10.0.0.1', xpub_port: 5555, xsub_port: 5556 }
}
const packedOf = (value: unknown) => brotliCompressSync(JSON.stringify(value)).toString('base64')

for (const pack of [packLayout, packWhole]) {
  await t.test(`what ${pack === packLayout ? 'was packed' : 'was packed whole'} is what is unpacked`, async t => {
    await fc.assert(
      fc.asyncProperty(anyLayout, async given => {
        // As it is once it was stored.
        const stored: Layout = JSON.parse(JSON.stringify(given))
        const unpacked = await unpackLayout(await pack(stored), digestOf(stored))
        return JSON.stringify(unpacked) === JSON.stringify(stored) && digestOf(unpacked) === digestOf(stored)
      }),
      { numRuns: runs(100) }
    )
    t.pass('it is')
  })
}

/** Nodes of a thousand hosts, ten on each. */
function workers(nameOf: (host: number, worker: number) => string, hostOf: (host: number) => string): LayoutNode[] {
  return Array.from({ length: 10_000 }, (_, n) => ({
    name: nameOf(Math.floor(n / 10), n % 10),
    role: 'WORKER',
    host: hostOf(Math.floor(n / 10)),
    metrics_port: 9000 + (n % 10)
  }))
}

await t.test('ten thousand nodes that count on take no more than a few', async t => {
  const padded = (n: number, width: number) => String(n).padStart(width, '0')
  for (const nodes of [
    workers(
      (host, worker) => `sensor-${host + 1}-worker-${worker + 1}`,
      host => `10.1.${host >> 8}.${host % 256}`
    ),
    workers(
      (host, worker) => `sensor-${padded(host + 1, 4)}-worker-${padded(worker + 1, 2)}`,
      host => `fd00::${host.toString(16)}`
    )
  ]) {
    const packed = await packLayout({ backend: 'zeromq', nodes })
    t.ok(packed.length < 600, `${packed.length} characters`)
  }
})

await t.test('what does not count on takes no more than it would whole', async t => {
  // Random, and the same in each run.
  let state = 1
  const random = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below
  const hosts = Array.from({ length: 1000 }, () => ({
    name: random(2 ** 30).toString(36),
    address: `10.${random(256)}.${random(256)}.${random(256)}`
  }))
  const nodes = workers(
    (host, worker) => `${hosts[host]!.name}-${worker}`,
    host => hosts[host]!.address
  )
  const [rows, whole] = await Promise.all([packLayout, packWhole].map(pack => pack({ backend: 'zeromq', nodes })))
  t.ok(rows!.length < whole!.length, `${rows!.length} and ${whole!.length} characters`)
})

await t.test('another layout, a damaged one, and none are refused', async t => {
  const packed = await packLayout(layout)
  const other = { ...layout, nodes: [] }
  for (const given of [
    await packLayout(other),
    await packWhole(other),
    packed.slice(0, -8),
    '',
    '!',
    Buffer.from('{}').toString('base64'),
    packedOf({}),
    packedOf({ ...layout, nodes: [[[], []]] })
  ]) {
    await t.rejects(
      unpackLayout(given, digestOf(layout)),
      { code: 'invalid_request', message: 'the layout is not the one that was asked for' },
      given
    )
  }
  const none = { nodes: [] } as unknown as Layout
  await t.rejects(unpackLayout(await packWhole(none), digestOf(none)), {
    code: 'invalid_request',
    message: /layout\/backend is required/
  })
})

await t.test('rows of anything are refused', async t => {
  const step = fc.oneof(nasty, fc.array(fc.maxSafeInteger(), { maxLength: 5 }))
  const rows = fc.array(fc.array(step, { minLength: 4, maxLength: 5 }), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(rows, async nodes => {
      const error = await unpackLayout(packedOf({ ...layout, nodes }), digestOf(layout)).catch(error => error)
      return error instanceof AppError && error.code === 'invalid_request'
    }),
    { numRuns: runs(100) }
  )
  t.pass('they are')
})

await t.test('few bytes do not become a layout that is larger than any', async t => {
  const first = ['n'.repeat(64), 'WORKER', '10.0.0.1', '', '']
  const nodes = [first, ...Array.from({ length: 1_000_000 }, () => [[], [], [], [], []])]
  const packed = packedOf({ backend: 'zeromq', nodes })
  t.ok(packed.length < 10_000)
  await t.rejects(unpackLayout(packed, digestOf(layout)), {
    code: 'invalid_request',
    message: 'the layout is larger than 67108864 bytes'
  })
})

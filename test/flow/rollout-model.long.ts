/**
 * Deployments in steps, directed, interrupted and repeated at random: whenever nothing is under way, what is deployed
 * is what runs, and what is told of it is true. The sequence that fails is printed.
 *
 *   ROLLOUT_RUNS=100 ROLLOUT_COMMANDS=30    more of it
 *   ROLLOUT_SEED=1 ROLLOUT_PATH=34          the same again; without the path: all from the first one on
 */
import fc from 'fast-check'
import t from 'tap'
import { anyCommands, first, Settle } from './rollout-commands.js'
import { Model } from './rollout-model.js'
import { World } from './rollout-world.js'

const setting = (name: string, usual: number) => Number(process.env[name] ?? usual)
const seed = setting('ROLLOUT_SEED', Math.floor(Math.random() * 2 ** 31))

await t.test(`deployments in steps, seed ${seed}`, { timeout: 0 }, async t => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(anyCommands(setting('ROLLOUT_COMMANDS', 12)), async commands => {
      let failure: unknown
      await t.test(`run ${++run}`, { timeout: 0 }, async t => {
        try {
          const world = await World.start(t)
          const model = await Model.of(world, first)
          await fc.asyncModelRun(async () => ({ model, real: world }), commands)
          await new Settle().run(model, world)
          t.pass(`deployments: ${model.endings.join(', ')}`)
        } catch (error) {
          failure = error
        }
      })
      if (failure) throw failure
    }),
    { seed, numRuns: setting('ROLLOUT_RUNS', 15), endOnFailure: true, path: process.env['ROLLOUT_PATH'] ?? '' }
  )
})

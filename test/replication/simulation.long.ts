import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot, Slots } from '../../src/util.js'
import { mutants } from './mutants.js'

/** Schedules that are tried; `SCHEDULES=2000` for as many as `npm run test:chaos` tries. */
const schedules = Number(process.env.SCHEDULES ?? 200)
/** Schedules that a mutant may survive. */
const survives = 60
const processes = 2
/** Schedules of one process: a machine that crashes leaves its database open, so that it runs out of files. */
const batch = 100
const program = 'test/replication/simulate.js'

/** Runs schedules. Resolves with the exit code and what was printed. */
function run(root: string, first: number, count: number): Promise<{ code: number; output: string }> {
  const args = [join(root, program), String(first), String(count)]
  return new Promise(resolve => {
    execFile(process.execPath, args, { env: { PATH: process.env.PATH } }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr })
    })
  })
}

await t.test(`no promise is broken in ${schedules} schedules`, async t => {
  const slots = new Slots(processes)
  await Promise.all(
    Array.from({ length: Math.ceil(schedules / batch) }, async (_, index) => {
      const count = Math.min(batch, schedules - index * batch)
      const { code, output } = await slots.run(() => run(join(packageRoot, 'dist'), 1000 + index * batch, count))
      t.equal(code, 0, output.trim())
    })
  )
})

for (const { rule, file, text, without } of mutants) {
  await t.test(`found when it is missing: ${rule}`, async t => {
    const root = await mkdtemp(join(tmpdir(), 'mutant-'))
    t.teardown(() => rm(root, { recursive: true, force: true }))
    for (const part of ['src', 'schemas', 'test/replication']) {
      await cp(join(packageRoot, 'dist', part), join(root, part), { recursive: true })
    }
    await symlink(join(packageRoot, 'node_modules'), join(root, 'node_modules'))
    await cp(join(packageRoot, 'package.json'), join(root, 'package.json'))
    const code = await readFile(join(root, file), 'utf8')
    t.ok(code.includes(text), 'the rule is where it is expected')
    await writeFile(join(root, file), code.replaceAll(text, without))
    const { code: exit, output } = await run(root, 1, survives)
    t.equal(exit, 3, output.trim().slice(0, 300))
  })
}

import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Cgroups, delegatedCgroup } from '../../src/supervisor/cgroups.js'
import { directoryOf } from './programs.js'

/** A directory that looks like a cgroup of ours. */
function standIn(t: Test, { controllers = 'cpuset cpu memory pids', enabled = '' } = {}): string {
  return directoryOf(t, {
    'cgroup.controllers': `${controllers}\n`,
    'cgroup.procs': '',
    'cgroup.subtree_control': `${enabled}\n`
  })
}

await t.test('each program gets a cgroup with its limit, and another limit later', async t => {
  const root = standIn(t)
  const cgroups = new Cgroups(root)
  t.equal(cgroups.obstacle(), undefined)
  t.equal(readFileSync(join(root, 'cgroup.subtree_control'), 'utf8'), '+memory')
  const directory = cgroups.make('cgroup.procs', 1 << 24)
  t.equal(directory, join(root, 'node-cgroup.procs'))
  t.equal(readFileSync(join(directory, 'memory.max'), 'utf8'), '16777216')
  t.equal(cgroups.make('cgroup.procs', 1 << 25), directory)
  t.equal(readFileSync(join(directory, 'memory.max'), 'utf8'), '33554432')
})

await t.test('what is enabled already is not written again', async t => {
  const root = standIn(t, { enabled: 'memory pids' })
  t.equal(new Cgroups(root).obstacle(), undefined)
  t.equal(readFileSync(join(root, 'cgroup.subtree_control'), 'utf8'), 'memory pids\n')
})

await t.test('kills are those of the program alone', async t => {
  const root = standIn(t)
  const cgroups = new Cgroups(root)
  t.equal(cgroups.kills('w'), 0, 'before there is a cgroup')
  const directory = cgroups.make('w', 1 << 24)
  writeFileSync(join(directory, 'memory.events'), 'low 0\nhigh 0\nmax 812\noom 3\noom_kill 2\noom_group_kill 0\n')
  t.equal(cgroups.kills('w'), 2)
  t.equal(cgroups.kills('v'), 0)
})

await t.test('a cgroup without processes is removed, one with something in it stays', async t => {
  const root = standIn(t)
  const cgroups = new Cgroups(root)
  const directory = cgroups.make('w', 1 << 24)
  cgroups.remove('w')
  t.ok(existsSync(directory))
  rmSync(join(directory, 'memory.max'))
  cgroups.remove('w')
  t.notOk(existsSync(directory))
  cgroups.remove('w')
  new Cgroups(undefined).remove('w')
})

await t.test('where no limit can be held it says why, and makes nothing', async t => {
  const broken = (change: (root: string) => void, more = {}) => {
    const root = standIn(t, more)
    change(root)
    const cgroups = new Cgroups(root)
    const obstacle = cgroups.obstacle()
    t.throws(() => cgroups.make('w', 1 << 24), { message: obstacle! })
    t.notOk(existsSync(join(root, 'node-w')))
    return obstacle!.replaceAll(root, 'ROOT')
  }
  t.equal(
    broken(() => {}, { controllers: 'cpu pids' }),
    'cgroup ROOT has no controller of memory'
  )
  t.match(
    broken(root => rmSync(join(root, 'cgroup.controllers'))),
    /^cgroup ROOT cannot be used: ENOENT/
  )
  t.match(
    broken(root => rmSync(join(root, 'cgroup.procs'))),
    /^cgroup ROOT cannot be used: ENOENT/
  )
  // As the kernel refuses to have controllers divided where there are processes (EBUSY).
  t.match(
    broken(root => {
      rmSync(join(root, 'cgroup.subtree_control'))
      mkdirSync(join(root, 'cgroup.subtree_control'))
    }),
    /^cgroup ROOT cannot be used: EISDIR/
  )
  if (process.getuid!() !== 0) {
    t.match(
      broken(root => chmodSync(join(root, 'cgroup.procs'), 0o444)),
      /^cgroup ROOT cannot be used: EACCES/
    )
  }
  t.match(new Cgroups(undefined).obstacle(), /^the supervisor has no cgroup of its own \(Delegate=memory /)
  t.throws(() => new Cgroups(undefined).make('w', 1 << 24), /no cgroup of its own/)
})

await t.test('the cgroup around that of the supervisor was delegated, and no other', async t => {
  const system = (own: string, mount = '/sys/fs/cgroup') => {
    const root = directoryOf(t, { proc: { self: { cgroup: own } } })
    mkdirSync(join(root, mount), { recursive: true })
    writeFileSync(join(root, mount, 'cgroup.controllers'), 'memory\n')
    return delegatedCgroup(root)?.slice(root.length)
  }
  t.equal(system('0::/system.slice/a.service/supervisor\n'), '/sys/fs/cgroup/system.slice/a.service')
  t.equal(system('4:memory:/x\n0::/a/supervisor\n', '/sys/fs/cgroup/unified'), '/sys/fs/cgroup/unified/a')
  t.equal(system('0::/supervisor\n'), '/sys/fs/cgroup/')
  for (const none of ['0::/system.slice/a.service\n', '0::/\n', '4:memory:/a/supervisor\n', '']) {
    t.equal(system(none), undefined, none)
  }
  t.equal(delegatedCgroup(directoryOf(t)), undefined)
})

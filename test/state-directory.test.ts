import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { closeStateDirectory } from '../src/state-directory.js'
import { directoryOf } from './support/directory.js'

const modeOf = (path: string) => statSync(path).mode & 0o7777

await t.test('a missing directory is made for us alone, whatever the umask', async t => {
  const before = process.umask(0)
  t.teardown(() => process.umask(before))
  const path = join(directoryOf(t), 'a', 'b')
  t.equal(closeStateDirectory(path), undefined)
  t.equal(modeOf(path), 0o700)
})

await t.test(
  'one that is empty but for what its file system has, or holds our state, is closed to others, and its other bits stay',
  async t => {
    const path = directoryOf(t)
    mkdirSync(join(path, 'lost+found'))
    for (const trace of [undefined, 'supervisor', 'agent.json']) {
      if (trace !== undefined) writeFileSync(join(path, trace), '')
      chmodSync(path, 0o2755)
      t.equal(
        closeStateDirectory(path),
        `the state directory ${path} was open to other users: its mode was 2755, and is 2700 now`
      )
      t.equal(modeOf(path), 0o2700)
      t.equal(closeStateDirectory(path), undefined, 'once')
    }
  }
)

await t.test('one that holds other things is left as it is: it could be /var', async t => {
  const path = directoryOf(t)
  mkdirSync(join(path, 'lib'))
  chmodSync(path, 0o755)
  t.throws(() => closeStateDirectory(path), {
    code: 'invalid_request',
    message: `management_state_dir: ${path} holds other things, and is open to other users (mode 0755): name a directory for this alone, or close it (chmod go= ${path})`
  })
  t.equal(modeOf(path), 0o755)
  chmodSync(path, 0o700)
  t.equal(closeStateDirectory(path), undefined)
})

await t.test(
  "another user's is refused, though we may write in it",
  { skip: process.getuid!() === 0 ? false : 'only root can give a directory away' },
  async t => {
    const path = directoryOf(t)
    chownSync(path, 65534, 65534)
    t.throws(() => closeStateDirectory(path), {
      code: 'unavailable',
      message: new RegExp(
        `^cannot use ${path}: it belongs to \\S+ with mode 0700, and we are root: give it to root \\(chown -R root ${path}\\), or run zeek-cluster as \\S+$`
      )
    })
  }
)

import t from 'tap'
import { archivedName, archivePlace } from '../../src/zeek/log-name.js'

const place = (name: string) => {
  const found = archivePlace(name)
  return found && `${found.directory}/${found.file}${found.compressed ? ' (compressed)' : ''}`
}

await t.test('a rotated log has its place in the archive, as zeek-archiver has it', async t => {
  t.equal(place('conn__2026-11-22-14-48-56__2026-11-22-14-49-00__.log'), '2026-11-22/conn.14:48:56-14:49:00.log')
  t.equal(
    place('conn__2026-11-22-23-00-00__2026-11-23-00-00-00__.log'),
    '2026-11-22/conn.23:00:00-00:00:00.log',
    'the day is that on which it was opened'
  )
  t.equal(
    place('conn__2026-11-22-14-48-56__2026-11-22-14-49-00__log_suffix=logger-1__.log'),
    '2026-11-22/conn.14:48:56-14:49:00-logger-1.log'
  )
  t.equal(
    place('conn__2026-11-22-14-48-56__2026-11-22-14-49-00__pid=4, log_suffix = a.b __.log'),
    '2026-11-22/conn.14:48:56-14:49:00-a.b.log'
  )
  t.equal(place('conn__2026-11-22-14-48-56__2026-11-22-14-49-00__pid=4__.log'), '2026-11-22/conn.14:48:56-14:49:00.log')
  t.equal(place('conn__2026-11-22-14-48-56__2026-11-22-14-49-00____.log'), '2026-11-22/conn.14:48:56-14:49:00.log')
  t.equal(
    place('conn__2026-11-22-14-48-56__2026-11-22-14-49-00__.log.gz'),
    '2026-11-22/conn.14:48:56-14:49:00.log.gz (compressed)'
  )
})

await t.test('any other name has none', async t => {
  for (const name of [
    'conn.log',
    '.conn__2026-11-22-14-48-56__2026-11-22-14-49-00__.log',
    '__2026-11-22-14-48-56__2026-11-22-14-49-00__.log',
    'conn__2026-11-22-14-48-56__.log',
    'conn__2026-11-22__2026-11-22-14-49-00__.log',
    'conn__2026-13-22-14-48-56__2026-11-22-14-49-00__.log',
    'conn__2026-11-22-24-48-56__2026-11-22-14-49-00__.log',
    'conn__2026-11-22-14-48-56__2026-11-22-14-49-00__a__b__.log',
    'conn__2026-11-22-14-48-56__2026-11-22-14-49-00__log_suffix__.log',
    'conn__2026-11-22-14-48-56__2026-11-22-14-49-00__a=b=c__.log',
    'conn__2026-11-22-14-48-56__2026-11-22-14-49-00__log_suffix=__.log'
  ]) {
    t.equal(place(name), undefined, name)
  }
})

await t.test('an archived log tells when it was closed', async t => {
  const closed = (name: string) => archivedName('2026-11-22', name)?.closed
  const at = (day: number, hour: number) => new Date(2026, 10, day, hour).getTime()
  t.equal(closed('conn.14:00:00-15:00:00.log.gz'), at(22, 15))
  t.equal(closed('conn.23:00:00-00:00:00-logger-1.log.gz'), at(23, 0))
  t.equal(closed('conn.00:00:00-00:00:00.log.gz'), at(23, 0))
  t.equal(closed('my.own.14:00:00-15:00:00.log'), at(22, 15))
  for (const name of ['.tmp.conn.14:00:00-15:00:00.log', 'notes.txt', 'conn.14:00:00.log', '.14:00:00-15:00:00.log']) {
    t.equal(closed(name), undefined, name)
  }
  t.equal(archivedName('2026-11', 'conn.14:00:00-15:00:00.log'), undefined)
})

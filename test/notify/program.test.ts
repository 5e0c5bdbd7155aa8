import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { commandSink, mailSink } from '../../src/notify/program.js'
import { cleanEnv } from '../support/environment.js'
import { directoryOf } from '../support/directory.js'
import { isRunning } from '../support/running.js'
import { until } from '../support/until.js'
import { notificationOf, occurrence, teller } from './notification.js'

const never = new AbortController().signal
const notification = notificationOf(occurrence(1, { node: 'worker-1', instance: 'agent-1' }))
const env = { ...cleanEnv, ZEEK_AGENT_TOKEN: 'hidden', ZEEK_CONTROLLER_TLS_KEY: 'hidden', HOME: '/nonexistent' }

/** A program that a test writes: a script for a shell. `place` is a directory of its own. */
function script(t: Test, text: string) {
  const place = directoryOf(t)
  mkdirSync(place, { recursive: true })
  const path = join(place, 'program')
  writeFileSync(path, `#!/bin/sh\ncd ${place}\n${text}\n`, { mode: 0o700 })
  return { path, read: (name: string) => readFileSync(join(place, name), 'utf8') }
}

const run = async (path: string, { timeoutMs = 60_000, signal = never } = {}) =>
  await commandSink([path, 'an argument', '$(touch bad)'], {
    name: 'pager',
    env,
    timeoutMs,
    teller,
    now: () => 0
  }).deliver(notification, signal)

await t.test('a command gets the notification as JSON, its arguments as they are, and none of our secrets', async t => {
  const { path, read } = script(t, 'cat > got; env > env; echo "$#|$1|$2" > args; echo done')
  t.same(await run(path), { state: 'taken', detail: 'exit code 0: done' })
  t.match(JSON.parse(read('got')), { type: 'notification', data: { id: notification.id, count: 1 } })
  t.equal(read('args'), '2|an argument|$(touch bad)\n')
  t.match(read('env'), 'HOME=/nonexistent')
  t.notMatch(read('env'), /hidden|ZEEK/)
})

await t.test('an exit code other than 0 fails, and 65 refuses', async t => {
  t.same(await run(script(t, 'echo why >&2; exit 3').path), { state: 'failed', detail: 'exit code 3: why' })
  t.match(await run(script(t, 'exit 65').path), { state: 'refused' })
  t.match(await run(script(t, 'kill -9 $$').path), { state: 'failed', detail: 'killed by SIGKILL' })
})

await t.test('a command that hangs is killed, with what it has started', async t => {
  const { path, read } = script(t, 'trap "" TERM; sleep 1000 & echo $! > pid; wait')
  t.match(await run(path, { timeoutMs: 500 }), { state: 'failed', detail: /^it was killed after 0.5 s/ })
  await until(() => !isRunning(Number(read('pid'))), 'its child is gone')
})

await t.test('of a huge output the end is kept, and a command need not read', async t => {
  const { state, detail } = await run(
    script(t, 'exec 0<&-; head -c 20000000 /dev/zero | tr "\\0" x; echo; echo end').path
  )
  t.equal(state, 'taken')
  t.ok(detail.length < 400)
})

await t.test('a program that is missing, or no program, fails', async t => {
  t.match(await run('/nonexistent/program'), { state: 'failed', detail: /ENOENT|no such file/i })
  const { path } = script(t, '')
  writeFileSync(`${path}.txt`, 'text')
  t.match(await run(`${path}.txt`), { state: 'failed', detail: /^cannot execute / })
})

await t.test('sendmail gets the addresses as arguments, and a mail that nothing in events adds to', async t => {
  const { path, read } = script(t, 'cat > mail; printf "%s|" "$@" > args')
  const sink = mailSink(
    { to: ['ops@example.org', 'root'], from: 'zeek@example.org', sendmail: path },
    { name: 'mail', env, timeoutMs: 60_000, teller, now: () => Date.parse('2026-11-30T12:00:00Z') }
  )
  const hostile = 'worker-1\r\nBcc: evil@example.org\n.\r\n\r\nbody \u2028 Grüße =?utf-8?B?eA==?= \u0000'
  t.match(await sink.deliver(notificationOf(occurrence(1, { text: hostile })), never), { state: 'taken' })
  t.equal(read('args'), '-i|-f|zeek@example.org|--|ops@example.org|root|')
  const mail = read('mail')
  const [head, body] = [mail.slice(0, mail.indexOf('\n\n')), mail.slice(mail.indexOf('\n\n') + 2)]
  const names = head
    .split('\n')
    .filter(line => !line.startsWith(' '))
    .map(line => line.split(':')[0])
  t.same(names, [
    'From',
    'To',
    'Subject',
    'Date',
    'Message-ID',
    'Auto-Submitted',
    'MIME-Version',
    'Content-Type',
    'Content-Transfer-Encoding'
  ])
  t.ok(
    mail.split('\n').every(line => line.length <= 78 && /^[ -~]*$/.test(line)),
    'short lines of ASCII'
  )
  const subject = [...head.matchAll(/=\?utf-8\?B\?([^?]*)\?=/g)].map(([, word]) =>
    Buffer.from(word!, 'base64').toString()
  )
  t.match(subject.join(''), /^\[zeek\] error: worker-1 Bcc: evil@example.org \. body {3}Grüße/)
  t.match(head, 'Date: Mon, 30 Nov 2026 12:00:00 +0000')
  t.match(head, /Message-ID: <msg_[0-9a-f]{32}@example\.org>/)
  t.match(Buffer.from(body, 'base64').toString(), 'Grüße')
})

await t.test('a short plain subject stays readable', async t => {
  const { path, read } = script(t, 'cat > mail')
  const sink = mailSink(
    { to: ['root'], from: 'zeek', sendmail: path },
    { name: 'mail', env, timeoutMs: 60_000, teller, now: () => 0 }
  )
  await sink.deliver(notification, never)
  t.match(read('mail'), '\nSubject: [zeek] error: thing 1\n')
})

/**
 * The real zeek-client against started controllers. Not a part of `npm test`: it needs Python, and the network once.
 */
import t from 'tap'
import { faults } from './faults.js'
import { install } from '../support/install.js'
import { recorded } from './recorded.js'
import { threeInstances } from './three-instances.js'
import { tls } from './tls.js'
import { waiting } from './waiting.js'

/**
 * That of the recordings, which speaks TLS unless it is told not to, and the newest, which does not unless it is told
 * to.
 */
const versions = [
  { version: '1.4.0', plain: 'ssl.disable=true', tls: '' },
  { version: '1.5.0', plain: '', tls: 'ssl.enable=true' }
]

// Each has a cluster of its own; the longest comes first. More at a time are not faster on two processors.
t.jobs = 2
for (const { version, ...settings } of versions) {
  const installed = await install('zeek-client', version)
  if (installed.missing !== undefined) {
    console.error(`skipped: ${installed.missing}: zeek-client ${version} is not tried`)
  }
  const options = { skip: installed.missing ?? false, timeout: 300_000, buffered: true }
  const program = { command: installed.command, ...settings }
  void t.test(`whoever waits (${version})`, { ...options }, t => waiting(t, program))
  void t.test(`three instances (${version})`, { ...options }, t => threeInstances(t, program))
  void t.test(`what is missing or fails (${version})`, { ...options }, t => faults(t, program))
  void t.test(`TLS and certificates (${version})`, { ...options }, t => tls(t, program))
  void t.test(`what was recorded of Zeek (${version})`, { ...options }, t => recorded(t, program))
}

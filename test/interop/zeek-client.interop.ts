/** The real zeek-client against started controllers. Not a part of `npm test`: it needs Python, and the network once. */
import t from 'tap'
import { faults } from './faults.js'
import { install } from '../install.js'
import { recorded } from './recorded.js'
import { threeInstances } from './three-instances.js'
import { tls } from './tls.js'
import { waiting } from './waiting.js'

/** The version that the recordings are of. */
const installed = await install('zeek-client', '1.4.0')
if (installed.missing !== undefined) console.error(`skipped: ${installed.missing}: zeek-client is not tried`)
const options = { skip: installed.missing ?? false, timeout: 300_000, buffered: true }

// Each has a cluster of its own; the longest comes first. More at a time are not faster on two processors.
t.jobs = 2
void t.test('whoever waits', { ...options }, t => waiting(t, installed.command))
void t.test('three instances', { ...options }, t => threeInstances(t, installed.command))
void t.test('what is missing or fails', { ...options }, t => faults(t, installed.command))
void t.test('TLS and certificates', { ...options }, t => tls(t, installed.command))
void t.test('what was recorded of Zeek', { ...options }, t => recorded(t, installed.command))

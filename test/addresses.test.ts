import t from 'tap'
import { canonicalHost } from '../src/addresses.js'

await t.test('all spellings of a host are one text', async t => {
  const cases: [string, string[]][] = [
    ['fd00::1', ['fd00::1', 'FD00::1', '[fd00::1]', 'fd00:0:0::0001', ' fd00:0:0:0:0:0:0:1 ']],
    ['10.0.0.1', ['10.0.0.1', '::ffff:10.0.0.1', '::FFFF:a00:1', '[::ffff:10.0.0.1]']],
    ['::1', ['::1', '0:0:0:0:0:0:0:1', '[::1]']],
    ['fe80::1%eth0', ['fe80::1%eth0', 'FE80:0::1%eth0']],
    ['sensor-a.example.org', ['sensor-a.example.org', 'Sensor-A.example.org.', 'SENSOR-A.EXAMPLE.ORG']],
    ['localhost', ['localhost', 'LOCALHOST', 'localhost.', 'localhost.localdomain', 'localhost6', 'ip6-localhost']]
  ]
  for (const [canonical, spellings] of cases) {
    t.same(
      spellings.map(canonicalHost),
      spellings.map(() => canonical)
    )
  }
  t.not(canonicalHost('localhost.example.org'), 'localhost')
  t.not(canonicalHost('fe80::1%eth0'), canonicalHost('fe80::1%eth1'))
})

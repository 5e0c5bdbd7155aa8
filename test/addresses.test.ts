import t from 'tap'
import { canonicalHost, clientAddress } from '../src/addresses.js'

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

await t.test('one client is an IPv4 address, however written, or a /64 of IPv6', async t => {
  const cases: [string, string[]][] = [
    ['10.0.0.1', ['10.0.0.1', '::ffff:10.0.0.1', '::FFFF:a00:1']],
    [
      '2001:db8:1:2::/64',
      ['2001:db8:1:2::', '2001:db8:1:2::1', '2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2:0::1']
    ],
    ['2001:db8:0:0::/64', ['2001:db8::1', '2001:db8::f:0:0:1', '2001:db8:0:0:1::']],
    ['2001:0:0:0::/64', ['2001::', '2001:0:0:0:1:2:3:4']],
    ['0:0:0:0::/64', ['::1', '::', '::10.0.0.1']],
    ['fe80:0:0:0::/64', ['fe80::1%eth0', 'fe80::2']],
    ['1:2:3:4::/64', ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:8']],
    ['', ['']]
  ]
  for (const [client, addresses] of cases) {
    t.same(
      addresses.map(clientAddress),
      addresses.map(() => client)
    )
  }
})

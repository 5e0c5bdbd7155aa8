import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { agentSettings } from '../../../src/agent/config.js'
import { controllerSettings } from '../../../src/controller/config.js'
import { environmentName, managementSettings } from '../../../src/settings.js'
import { packageRoot } from '../../../src/util.js'

const settings = Object.keys({ ...managementSettings, ...controllerSettings, ...agentSettings }).map(environmentName)
// Zeek's own, and the beginning of several.
const others = ['ZEEK_PREFIXES', 'ZEEK_CONTROLLER_TIMEOUT_']

await t.test('notes and the page on migrating name settings that there are', async t => {
  for (const file of [
    'docs/migrating.md',
    'src/formats/zeek-conf/zeek-conf-advice.ts',
    'src/formats/node-cfg/node-cfg-section.ts',
    'src/formats/node-cfg/hosts.ts',
    'src/formats/zeek-conf/zeek-conf.ts'
  ]) {
    const names = [...readFileSync(join(packageRoot, file), 'utf8').matchAll(/ZEEK_[A-Z_]+/g)].map(([name]) => name)
    t.not(names.length, 0, file)
    t.strictSame(
      names.filter(name => !settings.includes(name) && !others.includes(name)),
      [],
      file
    )
  }
})

import { readFileSync } from 'node:fs'
import t from 'tap'
import { manualFile, renderManual } from '../../scripts/manual.js'

await t.test('the manual page is what the commands say (npm run manual writes it)', async t => {
  const manual = await renderManual()
  t.equal(readFileSync(manualFile, 'utf8'), manual)
  t.notMatch(manual, /undefined|\[object/)
})

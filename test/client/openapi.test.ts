import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript'
import t from 'tap'
import { packageRoot } from '../../src/util.js'

await t.test('the types of the client are what openapi.yaml says (npm run openapi writes them)', async t => {
  const types = astToString(await openapiTS(pathToFileURL(join(packageRoot, 'openapi.yaml'))))
  const written = readFileSync(join(packageRoot, 'src', 'client', 'openapi.d.ts'), 'utf8')
  t.ok(written === `${COMMENT_HEADER}${types}`, 'no difference')
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { Document, visit } from 'yaml'
import type { Access } from '../src/server/access/access.js'
import type { Controller } from '../src/controller/controller.js'
import { Metrics } from '../src/server/metrics.js'
import { createServer } from '../src/server/server.js'
import { packageRoot } from '../src/util.js'
import { describe, documentOf } from './openapi-document.js'

/** The text of openapi.yaml, from the routes and their schemas. Nothing is asked of the controller for it. */
export async function renderOpenapi(): Promise<string> {
  const controller = { hub: { close: () => {} } } as unknown as Controller
  const app = await createServer({
    controller,
    metrics: new Metrics(),
    messages: { upgrade: () => {}, close: async () => {} },
    access: {
      certificates: undefined,
      site: { isSecure: false },
      limits: { watch: () => {} },
      audit: { hub: controller.hub }
    } as unknown as Access,
    group: undefined,
    bodyLimit: 1024,
    describe,
    log: pino({ level: 'silent' })
  })
  const document = new Document(documentOf(app), { aliasDuplicateObjects: false })
  // Readers of YAML 1.1 take a time for one, where it is not quoted, and not for a string.
  visit(document, {
    Scalar: (_key, node) => {
      if (/^\d{4}-\d\d-\d\dT/.test(String(node.value))) node.type = 'QUOTE_DOUBLE'
    }
  })
  await app.close()
  return `# Written by "npm run openapi" from schemas/ and routes/.\n${document.toString()}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(join(packageRoot, 'openapi.yaml'), await renderOpenapi())
}

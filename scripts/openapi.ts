import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { stringify } from 'yaml'
import type { Access } from '../src/server/access/access.js'
import type { Controller } from '../src/controller/controller.js'
import { Metrics } from '../src/server/metrics.js'
import { documentOf } from '../src/server/document.js'
import { createServer } from '../src/server/server.js'
import { packageRoot } from '../src/util.js'

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
    bodyLimit: 1024,
    log: pino({ level: 'silent' })
  })
  const text = stringify(documentOf(app), { aliasDuplicateObjects: false })
  await app.close()
  return `# Written by "npm run openapi" from schemas/ and routes/.\n${text}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(join(packageRoot, 'openapi.yaml'), await renderOpenapi())
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ConvertedConfiguration, ZeekctlFiles } from '../schemas/api.js'
import { Ref } from '../schemas/types.js'
import type { Controller } from '../src/controller/controller.js'
import { AppError } from '../src/errors.js'
import { contextHere } from '../src/formats/context.js'
import { contentOf, json, needs, problems } from './answers.js'
import { acceptClusterCfg, clusterCfgTypes } from './cluster-cfg.js'

/** More than such files have: what is larger is something else. */
const bodyLimit = 262_144

const file = Type.String({
  description: "The file: cluster.cfg (zeek-client), node.cfg (ZeekControl), or zeek.conf (Zeek's systemd generator).",
  examples: [
    '[manager]\ntype=manager\nhost=10.0.0.1\n\n[proxy-1]\ntype=proxy\nhost=10.0.0.1\n\n[worker-1]\ntype=worker\nhost=10.0.0.2\ninterface=eth0\n'
  ]
})

/** A route that converts files of other tools. It changes nothing, and keeps nothing. */
export const conversionRoutes: FastifyPluginAsyncTypebox<{ controller: Controller }> = async (app, { controller }) => {
  acceptClusterCfg(app)

  app.post(
    '/conversions',
    {
      bodyLimit: Math.min(bodyLimit, app.initialConfig.bodyLimit ?? Infinity),
      schema: {
        operationId: 'convert_configuration',
        ...needs('operator'),
        tags: ['state'],
        summary: "Convert another tool's file",
        description:
          'Returns a configuration that can be staged, and what it does not hold. Nothing is changed. Every error of the file is told, by section and key, with its line. The files of ZeekControl come as JSON; one file comes as it is. Nodes whose file names no host are on the instance that is connected, if it is the only one, else on `agent-` and the name of the host of the controller. Names of hosts are looked up there.',
        querystring: Type.Object(
          {
            file: Type.Optional(
              Type.String({
                pattern: '^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$',
                'x-expected': 'the name of a file, without its directory',
                description:
                  'Its name: cluster.cfg, node.cfg, zeek.conf, or `<host>.zeek.conf` for one of several hosts. With another name, or none, its text tells the format.',
                examples: ['node.cfg']
              })
            )
          },
          { additionalProperties: false }
        ),
        body: {
          content: contentOf({
            ...Object.fromEntries(clusterCfgTypes.map(type => [type, file])),
            'application/json': Ref(ZeekctlFiles)
          })
        },
        response: { 200: json('The configuration.', Ref(ConvertedConfiguration)), ...problems }
      }
    },
    async ({ query: { file: name = 'the file' }, body }) => {
      const { convert } = await import('../src/formats/convert.js')
      const [only, ...others] = controller.instances().filter(({ connected }) => connected)
      const context = contextHere(others.length === 0 ? only?.name : undefined)
      if (typeof body === 'object' && body !== null) {
        const { node_cfg: nodeCfg, zeekctl_cfg: zeekctl, networks_cfg: networks } = body as ZeekctlFiles
        return await convert('node.cfg', nodeCfg, context, { zeekctl, networks })
      }
      const text = (body as string | undefined) ?? ''
      if (text.trim() === '') throw new AppError('invalid_request', `${name} is empty`)
      return await convert(name, text, context)
    }
  )
}

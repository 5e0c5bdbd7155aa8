import type { ConfigurationSchema } from '../model/configuration-schema.js'

/** What the builder puts in: what the controller takes as a configuration. */
declare const configurationSchema: ConfigurationSchema

export const schema = configurationSchema

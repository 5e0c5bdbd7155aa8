import { Type, type Static } from '@sinclair/typebox'
import { closed, Text } from './basics.js'

/** What of a bundle says that it is a release of this program, and which: one line. */
export const releaseFile = 'program/release.json'

/** What a release says of itself. */
export const Release = Type.Object(
  {
    version: Text(64, { minLength: 1 }),
    /** What its Node is for, as `linux-x64`. */
    platform: Text(64, { minLength: 1 }),
    /** The version of the agents' API that it speaks. */
    agent_api_version: Type.Integer()
  },
  closed
)
export type Release = Static<typeof Release>

/** Seconds in which a release that an agent tries must be accepted by a controller, unless the agent says otherwise. */
export const trialSeconds = 300

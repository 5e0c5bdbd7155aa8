import { Type, type Static } from '@sinclair/typebox'
import { closed, Cursor, ListOf, Name, reqidExample, RequestId, Time } from './basics.js'
import { BundleId } from './bundles.js'

/** Most feeds that are set at once. */
export const feedsMax = 100

export const FeedName = Type.String({
  ...Name,
  description: 'The name of a feed of intelligence.',
  examples: ['tor-exits']
})

/** A feed as it is sent to the agent of the manager: the bundle holds its file, and nothing else. */
export const Feed = Type.Object({ name: FeedName, bundle: BundleId })
export type Feed = Static<typeof Feed>

export const Feeds = Type.Array(Feed, { maxItems: feedsMax })

const feed = {
  ...Feed.properties,
  indicators: Type.Integer({ minimum: 0, description: 'How many the manager has read of it.' }),
  size: Type.Integer({ minimum: 0, description: 'Of its file, in bytes.' }),
  set_at: Time,
  reqid: RequestId
}
const example = {
  name: 'tor-exits',
  bundle: BundleId.examples[0],
  indicators: 1312,
  size: 81_344,
  set_at: '2026-11-29T10:00:00.000Z',
  reqid: reqidExample
}

export const IntelFeed = Type.Object(feed, {
  $id: 'IntelFeed',
  ...closed,
  description: 'A feed of intelligence that the manager has read, and the request that has set it.',
  examples: [example]
})
export type IntelFeed = Static<typeof IntelFeed>

export const IntelFeedList = Type.Object(
  { feeds: ListOf(IntelFeed, { maxItems: feedsMax }), event_cursor: Cursor },
  {
    $id: 'IntelFeedList',
    ...closed,
    description: 'The feeds of intelligence that are set, sorted by name.',
    examples: [{ feeds: [example], event_cursor: 'k3v9q2.1042' }]
  }
)

export const intelComponents = [IntelFeed, IntelFeedList]

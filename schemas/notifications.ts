import { Type, type Static } from '@sinclair/typebox'
import { requestTypes, requests } from './api.js'
import { closed, Cursor, ListOf, Name, namePattern, OpenEnum, Ref, Time } from './basics.js'
import { domainEventTypes } from './events.js'
import { healthCodes } from './operations.js'

/** Schemas of what operators are told: the file of the setting controller_notify, and its state. */

/** How bad what has happened is, from the least on. */
export const severities = ['info', 'warning', 'error'] as const
export type Severity = (typeof severities)[number]
const Severity = (description: string) =>
  Type.Unsafe<Severity>({ type: 'string', enum: [...severities], description, examples: ['error'] })

/** Most sinks, most rules, and most pairs of them: each has a place in the event log, and something in memory. */
export const sinksMax = 16
export const rulesMax = 32
export const pairsMax = 64

const isOfReader = (type: string) =>
  requestTypes.some(name => !requests[name].changes && (type === `${name}_request` || type === `${name}_response`))
/** What is too much to be told one by one, and is not kept as long as the rest. */
const passing = ['request_progress', 'request_expired', 'node_output', 'node_stats']

/** The types of events that can be told: what is not of requests that only read. */
export const toldTypes: string[] = domainEventTypes.filter(type => !isOfReader(type) && !passing.includes(type))

/** One line, of which nothing is but text: a header holds it. */
const line = { pattern: '^[^\\u0000-\\u001f\\u007f]*$', 'x-expected': 'text of one line, without control characters' }
const Path = (description: string) => Type.String({ minLength: 1, maxLength: 4096, ...line, description })
const MailAddress = (description: string) =>
  Type.String({
    pattern:
      "^[A-Za-z0-9_][A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}$|^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$",
    'x-expected': 'a plain mail address, such as ops@example.org, or the name of a local user',
    description
  })
const seconds = (description: string) => Type.Optional(Type.Number({ minimum: 0.1, maximum: 60, description }))

export const templates = ['json', 'slack', 'teams'] as const
export type Template = (typeof templates)[number]

export const WebhookSettings = Type.Object(
  {
    url: Type.Optional(Type.String({ maxLength: 4096, description: 'Where notifications are posted to.' })),
    url_file: Type.Optional(Path('A file with that URL: for services whose URL is a secret.')),
    secret: Type.Optional(Type.String({ maxLength: 256, description: 'With which they are signed.' })),
    secret_file: Type.Optional(Path('A file with that secret.')),
    template: Type.Optional(
      Type.Unsafe<Template>({ type: 'string', enum: [...templates], description: 'The form of the body.' })
    ),
    headers: Type.Optional(
      Type.Unsafe<Record<string, string>>({
        type: 'object',
        propertyNames: { type: 'string', pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$" },
        additionalProperties: {
          type: 'string',
          maxLength: 8192,
          pattern: '^[ -~]*$',
          'x-expected': 'text of one line, of ASCII'
        },
        maxProperties: 32,
        description: 'Further headers.'
      })
    ),
    ca_file: Type.Optional(Path('Authorities (PEM) of its certificate, in place of those that Node knows.')),
    timeout: seconds('Seconds that an attempt may take.')
  },
  closed
)
export type WebhookSettings = Static<typeof WebhookSettings>

export const MailSettings = Type.Object(
  {
    to: Type.Array(MailAddress('Who gets it.'), { minItems: 1, maxItems: 32 }),
    from: MailAddress('Who it is from.'),
    sendmail: Type.Optional(Path('The program that takes it.')),
    timeout: seconds('Seconds that it may take.')
  },
  closed
)
export type MailSettings = Static<typeof MailSettings>

export const CommandSettings = Type.Object(
  {
    command: Path('The program that gets notifications on its standard input.'),
    args: Type.Optional(Type.Array(Type.String({ maxLength: 4096, pattern: '^[^\\u0000]*$' }), { maxItems: 64 })),
    timeout: seconds('Seconds that it may take.')
  },
  closed
)
export type CommandSettings = Static<typeof CommandSettings>

/** The members of a sink: one of them. */
export const sinkKinds = ['webhook', 'mail', 'command'] as const
export type SinkKind = (typeof sinkKinds)[number]

export const SinkSettings = Type.Object(
  {
    webhook: Type.Optional(WebhookSettings),
    mail: Type.Optional(MailSettings),
    command: Type.Optional(CommandSettings)
  },
  { ...closed, minProperties: 1, maxProperties: 1, 'x-expected': `one of ${sinkKinds.join(', ')}` }
)
export type SinkSettings = Static<typeof SinkSettings>

/** The days of the week, as JavaScript counts them. */
export const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
export type Weekday = (typeof weekdays)[number]

const TimeOfDay = Type.String({
  pattern: '^([01]\\d|2[0-3]):[0-5]\\d$|^24:00$',
  'x-expected': 'a time of day, such as 22:30'
})

export const QuietSettings = Type.Object(
  {
    hours: Type.Array(
      Type.Object(
        {
          days: Type.Optional(
            Type.Array(Type.Unsafe<Weekday>({ type: 'string', enum: [...weekdays] }), { minItems: 1, maxItems: 7 })
          ),
          from: TimeOfDay,
          to: TimeOfDay
        },
        closed
      ),
      { minItems: 1, maxItems: 16 }
    ),
    time_zone: Type.String({ minLength: 1, maxLength: 64 }),
    severity: Type.Optional(Severity('The least that is told even so.'))
  },
  closed
)
export type QuietSettings = Static<typeof QuietSettings>

const names = (description: string) => Type.Optional(Type.Array(Name, { minItems: 1, maxItems: 1000, description }))

export const RuleSettings = Type.Object(
  {
    name: Name,
    types: Type.Optional(
      Type.Array(Type.Unsafe<string>({ type: 'string', enum: toldTypes }), { minItems: 1, description: 'Of events.' })
    ),
    severity: Type.Optional(Severity('The least that is told.')),
    health: Type.Optional(
      Type.Array(Type.Unsafe<string>({ type: 'string', enum: [...healthCodes] }), {
        minItems: 1,
        description: 'Codes of reasons: of notify_health only these are told.'
      })
    ),
    instances: names('Only what is about these instances.'),
    nodes: names('Only what is about these nodes.'),
    recoveries: Type.Optional(Type.Boolean({ description: 'Whether it is told when what was told is over.' })),
    group_for: Type.Optional(
      Type.Number({ minimum: 0, maximum: 86_400, description: 'Seconds within which what happens is told as one.' })
    ),
    quiet: Type.Optional(QuietSettings),
    sinks: Type.Optional(Type.Array(Name, { minItems: 1, maxItems: sinksMax }))
  },
  closed
)
export type RuleSettings = Static<typeof RuleSettings>

/** The file that the setting controller_notify names. */
export const NotifyFile = Type.Object(
  {
    sinks: Type.Unsafe<Record<string, SinkSettings>>({
      type: 'object',
      propertyNames: { type: 'string', pattern: namePattern },
      additionalProperties: SinkSettings,
      minProperties: 1,
      maxProperties: sinksMax
    }),
    rules: Type.Optional(Type.Array(RuleSettings, { minItems: 1, maxItems: rulesMax }))
  },
  closed
)
export type NotifyFile = Static<typeof NotifyFile>

const time = '2026-11-30T14:48:56.123Z'
const SinkKindName = OpenEnum(
  'SinkKind',
  sinkKinds,
  "webhook: an HTTP endpoint. mail: the local sendmail program. command: a program of the controller's host."
)

export const NotificationSink = Type.Object(
  {
    name: Name,
    kind: Ref(SinkKindName),
    target: Type.String({
      description: 'Where it goes, without what may be secret: of a URL its origin, of a command its program.'
    }),
    template: Type.Optional(Type.String({ description: 'Of a webhook: the form of the body.' })),
    signed: Type.Optional(Type.Boolean({ description: 'Of a webhook: whether notifications are signed.' })),
    headers: Type.Optional(
      Type.Array(Type.String(), { description: 'Of a webhook: names of further headers, without their values.' })
    ),
    delivered: Type.Integer({ minimum: 0, description: 'Notifications, since the file was read.' }),
    failed: Type.Integer({ minimum: 0, description: 'Attempts that have failed, since then.' }),
    given_up: Type.Integer({ minimum: 0, description: 'Notifications that it has refused for good, since then.' }),
    failing_since: Type.Optional({ ...Time, description: 'When the first of the attempts was that have failed last.' }),
    last_error: Type.Optional(Type.String({ description: 'Why the last failed attempt has failed.' })),
    next_attempt: Type.Optional({ ...Time, description: 'Not earlier, since the last one has failed.' })
  },
  {
    $id: 'NotificationSink',
    ...closed,
    description: 'Where notifications go.',
    examples: [
      {
        name: 'ops',
        kind: 'webhook',
        target: 'https://hooks.slack.com',
        template: 'slack',
        signed: false,
        delivered: 12,
        failed: 1,
        given_up: 0
      }
    ]
  }
)
export type NotificationSink = Static<typeof NotificationSink>

export const NotificationQueue = Type.Object(
  {
    sink: Name,
    delivered_until: { ...Cursor, description: 'Until where in the event log everything is told.' },
    waiting: Type.Integer({
      minimum: 0,
      description: 'How much of what has happened since is yet to be told; of very much, as far as the log is read.'
    }),
    due: Type.Optional({ ...Time, description: 'When that is told: once it is grouped, and quiet hours are over.' }),
    last_success: Type.Optional(Time)
  },
  {
    $id: 'NotificationQueue',
    ...closed,
    description: 'What a rule has for a sink.',
    examples: [{ sink: 'ops', delivered_until: 'k3v9q2.1042', waiting: 0, last_success: time }]
  }
)

const QuietTime = Type.Object(
  { days: Type.Array(Type.String()), from: Type.String(), to: Type.String() },
  {
    $id: 'QuietTime',
    ...closed,
    description: 'From a time of day to another one; where that is earlier, to that of the day after.',
    examples: [{ days: ['fri', 'sat'], from: '22:00', to: '07:00' }]
  }
)
const QuietStatus = Type.Object(
  {
    hours: ListOf(QuietTime),
    time_zone: Type.String(),
    severity: Type.String({ description: 'The least that is told even so.' })
  },
  {
    $id: 'QuietHours',
    ...closed,
    description: 'When only what is bad enough is told.',
    examples: [{ hours: QuietTime.examples, time_zone: 'Europe/Vienna', severity: 'error' }]
  }
)
export type QuietStatus = Static<typeof QuietStatus>

export const NotificationRule = Type.Object(
  {
    name: Name,
    types: Type.Optional(Type.Array(Type.String())),
    severity: Type.String({ description: 'The least that is told.' }),
    health: Type.Optional(Type.Array(Type.String())),
    instances: Type.Optional(Type.Array(Type.String())),
    nodes: Type.Optional(Type.Array(Type.String())),
    recoveries: Type.Boolean(),
    group_for: Type.Number(),
    quiet: Type.Optional(Ref(QuietStatus)),
    is_quiet: Type.Optional(Type.Boolean({ description: 'Whether its quiet hours are now.' })),
    queues: ListOf(NotificationQueue, { description: 'One for each of its sinks.' })
  },
  {
    $id: 'NotificationRule',
    ...closed,
    description: 'What is told, and to which sinks.',
    examples: [
      { name: 'default', severity: 'warning', recoveries: true, group_for: 60, queues: NotificationQueue.examples }
    ]
  }
)
export type NotificationRule = Static<typeof NotificationRule>

export const NotificationList = Type.Object(
  {
    configured: Type.Boolean({ description: 'Whether the setting controller_notify names a file.' }),
    sinks: ListOf(NotificationSink, { maxItems: sinksMax }),
    rules: ListOf(NotificationRule, { maxItems: rulesMax }),
    event_cursor: Cursor
  },
  {
    $id: 'NotificationList',
    ...closed,
    description: 'What is told to whom, and how far that is.',
    examples: [
      {
        configured: true,
        sinks: NotificationSink.examples,
        rules: NotificationRule.examples,
        event_cursor: 'k3v9q2.1042'
      }
    ]
  }
)
export type NotificationList = Static<typeof NotificationList>

export const NotificationTest = Type.Object(
  {
    delivered: Type.Boolean({ description: 'Whether the sink has taken it.' }),
    detail: Type.String({ description: 'What the sink has said, or why there is no answer of it.' }),
    seconds: Type.Number({ minimum: 0, description: 'How long it took.' })
  },
  {
    $id: 'NotificationTest',
    ...closed,
    description: 'What has come of a notification that was sent as a test.',
    examples: [{ delivered: true, detail: 'HTTP 200: ok', seconds: 0.213 }]
  }
)
export type NotificationTest = Static<typeof NotificationTest>

export const notificationComponents = [
  SinkKindName,
  QuietTime,
  QuietStatus,
  NotificationSink,
  NotificationQueue,
  NotificationRule,
  NotificationList,
  NotificationTest
]

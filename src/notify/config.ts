import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { X509Certificate } from 'node:crypto'
import {
  NotifyFile,
  pairsMax,
  type CommandSettings,
  type MailSettings,
  type RuleSettings,
  type SinkSettings,
  type WebhookSettings
} from '../../schemas/notifications.js'
import { checker } from '../../schemas/validator.js'
import { AppError, invalid, messageOf } from '../errors.js'
import { isInClear } from '../util.js'
import { commandSink, mailSink } from './program.js'
import { Rule, usualRules } from './rule.js'
import { keyOf } from './signature.js'
import type { Sink } from './sink.js'
import { Webhook } from './webhook.js'
import type { Teller } from './words.js'

/** What is told, and to whom. */
export interface NotifyConfig {
  sinks: readonly Sink[]
  rules: readonly Rule[]
  /** What an operator should change, although it works. */
  warnings: readonly string[]
}

export interface Circumstances {
  teller: Teller
  env: NodeJS.ProcessEnv
  now: () => number
}

/** How many seconds an attempt may take, unless a sink says so itself; and the program that takes mails. */
const usual = { timeout: 10, sendmail: '/usr/sbin/sendmail' }

const check = checker(NotifyFile, invalid)

/** Reads the file of the setting controller_notify. Throws an AppError of one line that names file and field. */
export function readNotifyFile(path: string, circumstances: Circumstances): NotifyConfig {
  try {
    const { parse } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
    const { sinks, rules } = check(parse(readFileSync(path, 'utf8')), '')
    return {
      sinks: Object.entries(sinks).map(([name, settings]) => sinkOf(name, settings, circumstances)),
      rules: rulesOf(rules ?? usualRules, Object.keys(sinks)),
      warnings: isOpen(path) ? [`${path} can be read by everyone on this host: it may hold secrets`] : []
    }
  } catch (error) {
    throw new AppError('invalid_request', `${path}: ${oneLine(messageOf(error))}`, { cause: error })
  }
}

const isOpen = (path: string) => (statSync(path).mode & 0o004) !== 0

// A parser shows the lines where it fails, with what is in them.
const oneLine = (text: string) => text.split('\n', 1)[0]!.replace(/:$/, '')

function rulesOf(all: readonly RuleSettings[], sinks: readonly string[]): Rule[] {
  const rules = all.map((settings, at) => ruleOf(settings, `/rules/${at}`, sinks))
  for (const [at, { name }] of rules.entries()) {
    if (rules.findIndex(rule => rule.name === name) !== at) {
      throw new AppError('invalid_request', `/rules/${at}/name is that of another rule: ${name}`)
    }
  }
  const pairs = rules.reduce((sum, rule) => sum + rule.sinks.length, 0)
  if (pairs <= pairsMax) return rules
  throw new AppError('invalid_request', `/rules have ${pairs} sinks together, ${pairsMax} are allowed`)
}

function ruleOf(settings: RuleSettings, field: string, sinks: readonly string[]): Rule {
  const unknown = (settings.sinks ?? []).find(name => !sinks.includes(name))
  if (unknown !== undefined) {
    throw new AppError(
      'invalid_request',
      `${field}/sinks names ${unknown}, which is none of the sinks: ${sinks.join(', ')}`
    )
  }
  return new Rule({ ...settings, ...(settings.sinks && { sinks: [...new Set(settings.sinks)] }) }, sinks, field)
}

function sinkOf(name: string, { webhook, mail, command }: SinkSettings, circumstances: Circumstances): Sink {
  const field = `/sinks/${name}`
  if (webhook) return webhookOf(name, webhook, `${field}/webhook`, circumstances)
  if (mail) return mailOf(name, mail, circumstances)
  return commandOf(name, command!, `${field}/command`, circumstances)
}

function webhookOf(name: string, settings: WebhookSettings, field: string, { teller, now }: Circumstances): Sink {
  const { template = 'json', headers = {}, timeout = usual.timeout } = settings
  const text = given(settings, 'url', field)
  if (text === undefined) throw new AppError('invalid_request', `${field} needs url or url_file`)
  const secret = given(settings, 'secret', field)
  const own = Object.keys(headers).find(header =>
    /^(webhook-|content-|host$|connection$|transfer-encoding$)/i.test(header)
  )
  if (own !== undefined) throw new AppError('invalid_request', `${field}/headers/${own} is set by the controller`)
  return new Webhook({
    name,
    url: urlOf(text, `${field}/url`),
    key: secret === undefined ? undefined : keyOf(secret, `${field}/secret`),
    template,
    headers,
    ca: settings.ca_file === undefined ? undefined : authoritiesIn(settings.ca_file, `${field}/ca_file`),
    timeoutMs: timeout * 1000,
    teller,
    now
  })
}

function mailOf(name: string, settings: MailSettings, { teller, env, now }: Circumstances): Sink {
  const { to, from, sendmail = usual.sendmail, timeout = usual.timeout } = settings
  return mailSink({ to, from, sendmail }, { name, env, timeoutMs: timeout * 1000, teller, now })
}

function commandOf(name: string, settings: CommandSettings, field: string, { teller, env, now }: Circumstances): Sink {
  const { command, args = [], timeout = usual.timeout } = settings
  if (!command.startsWith('/')) throw new AppError('invalid_request', `${field}/command must be a path from / on`)
  return commandSink([command, ...args], { name, env, timeoutMs: timeout * 1000, teller, now })
}

/** Returns a value that may be in a file of its own; undefined where there is none. */
function given(settings: WebhookSettings, key: 'url' | 'secret', field: string): string | undefined {
  const [value, path] = [settings[key], settings[`${key}_file`]]
  if (value !== undefined && path !== undefined) {
    throw new AppError('invalid_request', `${field} has both ${key} and ${key}_file`)
  }
  return path === undefined ? value : contentOf(path, `${field}/${key}_file`).trim()
}

function contentOf(path: string, field: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new AppError('invalid_request', `${field}: ${messageOf(error)}`, { cause: error })
  }
}

/** Returns a URL, of which what is wrong is told without it: it may be a secret. */
function urlOf(text: string, field: string): URL {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new AppError('invalid_request', `${field} must be a URL of http or https`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new AppError('invalid_request', `${field} must not hold a user or a password: use headers`)
  }
  if (isInClear(text)) {
    throw new AppError('invalid_request', `${field} must be https: what is told could be read on its way`)
  }
  return url
}

function authoritiesIn(path: string, field: string): string {
  const text = contentOf(path, field)
  try {
    return new X509Certificate(text) && text
  } catch (error) {
    throw new AppError('invalid_request', `${field}: ${messageOf(error)}`, { cause: error })
  }
}

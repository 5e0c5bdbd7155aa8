/**
 * What an option of ZeekControl holds; int has no negative numbers: ZeekControl takes them, and has no use for them.
 */
export interface ValueOf {
  bool: boolean
  int: number
  string: string
}

/** Which nodes get an option: all, those that write logs, or those that capture packets. */
export const scopes = ['all', 'logging', 'capturing'] as const
export type Scope = (typeof scopes)[number]

/** Settings of this product, by name. */
export type Settings = Record<string, string | number | boolean>

/** What a value of type T becomes. */
export interface Outcome<T> {
  /** Values that make no difference here. */
  same?: readonly T[]
  /** What it is among the settings of this product: a configuration cannot hold it. */
  settings?: (value: T) => Settings
  /** Options of Zeek, by full name. */
  options?: (value: T, node: string) => Record<string, string>
  /** Which nodes get them; default: all. */
  scope?: Scope
  /** What is to be known or done where neither says it all. */
  advice?: string
  /** Whether a bundle, where there is one, has what the option is about: then there is nothing to be said. */
  isBundled?: boolean
  /** What the value must be, in words; undefined where it is fine. */
  wrong?: (value: T) => string | undefined
  /** The option of ZeekControl's that says the same and wins, where it is given. */
  unless?: readonly string[]
}

/** An option of zeekctl.cfg. One without an outcome is read by name. */
export type ZeekctlOption = { [T in keyof ValueOf]: { type: T } & Outcome<ValueOf[T]> }[keyof ValueOf]

const bool = (outcome: Outcome<boolean>): ZeekctlOption => ({ type: 'bool', ...outcome })
const int = (outcome: Outcome<number> = {}): ZeekctlOption => ({ type: 'int', ...outcome })
const string = (outcome: Outcome<string> = {}): ZeekctlOption => ({ type: 'string', ...outcome })

const seconds = (value: number) => `${value}secs`
const portUpTo = (max: number) => (value: number) => (value > max ? `a port, of at most ${max}` : undefined)
const file = (value: string) => (value === '' ? 'the path of a file or a directory' : undefined)

const watched = 'there is no mail from here: watch the health of the cluster, its events or its metrics'
const archiver = 'the archiver of agents always compresses with gzip; agent_archive_cmd names another one'
const internal = 'ZeekControl needs it for itself'
const packaged =
  'scripts come to every host as a bundle (`convert --bundle`); without one, ZEEKPATH of the agents adds places'
const nothing = 'there is nothing like it here'
const timeMachine = 'Zeek has no connection to a Time Machine any more'
const webSocket =
  'the controller does without; for clients of your own a script can open the port (Cluster::listen_websocket)'
const stateful = 'all that runs, and all that must last, is in one directory: management_state_dir says which'

/**
 * The options of zeekctl.cfg, by ZeekControl's names, and what becomes of each here. Those of ZeekControl 2.6 (Zeek 9),
 * its own plugins' included.
 */
export const zeekctlOptions: Readonly<Record<string, ZeekctlOption>> = {
  // What nodes load, and with what.
  SitePolicyScripts: string(),
  ZeekArgs: string(),
  Env_Vars: string(),
  Prefixes: string(),
  SitePolicyPath: string({ advice: packaged, isBundled: true }),
  PolicyDir: string({ advice: packaged, isBundled: true }),
  PluginZeekDir: string({
    advice: 'plugins come to every host as a bundle (`convert --bundle`); or set ZEEK_PLUGIN_PATH for the agents',
    isBundled: true
  }),
  PFRINGClusterID: int(),
  PFRINGClusterType: string(),
  PFRINGFirstAppInstance: int(),
  'lb_custom.InterfacePrefix': string(),
  'lb_custom.InterfaceSuffix': string(),

  // Options of Zeek, which ZeekControl sets in a script of its own.
  PcapSnaplen: int({ same: [9216], options: value => ({ 'Pcap::snaplen': `${value}` }), scope: 'capturing' }),
  PcapBufsize: int({ same: [128], options: value => ({ 'Pcap::bufsize': `${value}` }), scope: 'capturing' }),
  PrivateAddressSpaceIsLocal: bool({
    same: [true],
    options: () => ({ 'Site::private_address_space_is_local': 'F' })
  }),
  LogRotationInterval: int({
    // The default of agents, too.
    same: [3600],
    options: value => ({ 'Log::default_rotation_interval': seconds(value) }),
    scope: 'logging'
  }),
  CompressLogsInFlight: int({
    same: [0],
    options: value => ({ 'LogAscii::gzip_level': `${value}` }),
    scope: 'logging',
    wrong: value => (value > 9 ? 'a level of compression, of at most 9' : undefined)
  }),
  MailAlarmsInterval: int({
    // Zeek's default, in nodes that write logs.
    same: [86_400],
    options: value => ({ 'Log::default_mail_alarms_interval': seconds(value) }),
    scope: 'logging'
  }),
  MailTo: string({ same: [''], options: value => ({ 'Notice::mail_dest': value }) }),
  MailAlarmsTo: string({ same: [''], options: value => ({ 'Notice::mail_dest_pretty_printed': value }) }),
  MailFrom: string({ same: ['Zeek <zeek@localhost>'], options: value => ({ 'Notice::mail_from': value }) }),
  MailSubjectPrefix: string({ same: ['[Zeek]'], options: value => ({ 'Notice::mail_subject_prefix': value }) }),
  SendMail: string({ same: ['/usr/sbin/sendmail'], options: value => ({ 'Notice::sendmail': value }) }),
  BrokerDBDir: string({ wrong: file, options: value => ({ 'Broker::table_store_db_directory': value }) }),
  DefaultStoreDir: string({ same: [''], options: value => ({ 'Cluster::default_store_dir': value }) }),
  FileExtractDir: string({
    same: [''],
    options: (value, node) => ({ 'FileExtract::prefix': `${value}/${node}` }),
    scope: 'capturing'
  }),

  // Settings of the controller and the agents.
  ClusterBackend: string({
    same: ['ZeroMQ', 'zeromq'],
    settings: value => ({ controller_cluster_backend: value.toLowerCase() }),
    wrong: value => (/^(zeromq|broker)$/i.test(value) ? undefined : 'ZeroMQ or Broker: there is no other backend here')
  }),
  ZeekPort: int({
    wrong: value => (value === 0 ? 'a port' : portUpTo(65_000)(value)),
    // ZeekControl gives the first two to the hub of ZeroMQ, and the third to itself.
    settings: value => ({
      controller_auto_assign_zeromq_start_port: value,
      controller_auto_assign_broker_start_port: value + 3
    })
  }),
  MetricsPort: int({
    wrong: portUpTo(65_535),
    settings: (value): Settings =>
      value === 0
        ? { controller_auto_assign_metrics_ports: false }
        : { controller_auto_assign_metrics_start_port: value }
  }),
  CommTimeout: int({ same: [10], settings: value => ({ controller_timeout_get_id_value: value }) }),
  StopTimeout: int({ settings: value => ({ agent_stop_timeout: value }) }),
  LogDir: string({ wrong: file, settings: value => ({ agent_archive_dir: value }) }),
  LogExpireInterval: string({
    same: ['0'],
    settings: value => ({ agent_archive_max_age: intervalOf(value) ?? 0 }),
    wrong: value => (intervalOf(value) === undefined ? 'a whole number and then day, hr or min, as 30 days' : undefined)
  }),
  Zeek: string({ wrong: file, settings: value => ({ bin: value }) }),
  BinDir: string({ wrong: file, settings: value => ({ bin: `${value}/zeek` }), unless: ['Zeek'] }),
  ZeekBase: string({ wrong: file, settings: value => ({ bin: `${value}/bin/zeek` }), unless: ['Zeek', 'BinDir'] }),
  Debug: bool({ same: [false], settings: () => ({ management_log_level: 'debug' }) }),

  // What is otherwise here.
  MetricsAddress: string({
    same: ['127.0.0.1'],
    advice: 'nodes serve their metrics on loopback, or where their host is with controller_metrics_listen: host'
  }),
  CommandTimeout: int({
    same: [60],
    advice: 'requests have the time that their steps may take; --timeout of a command gives one more'
  }),
  SpoolDir: string({ advice: stateful }),
  TmpDir: string({ advice: stateful }),
  StatsDir: string({ advice: stateful }),
  StateFile: string({ advice: stateful }),
  LockFile: string({ advice: stateful }),
  // Where this file is, as a rule.
  CfgDir: string(),
  NodeCfg: string({ advice: '`convert` takes the file' }),
  LocalNetsCfg: string({ advice: '`convert --networks` takes the file' }),
  MakeArchiveName: string({
    advice:
      'archived logs are named as by the script that comes with ZeekControl; agent_archive_cmd names another archiver'
  }),
  CompressLogs: bool({ same: [true], advice: archiver }),
  CompressCmd: string({ same: ['gzip'], advice: archiver }),
  CompressExtension: string({ same: ['gz'], advice: archiver }),
  KeepLogs: string({ same: [''], advice: 'limits of the archive (agent_archive_max_age) are for all logs' }),
  MailReplyTo: string({ same: [''], advice: watched }),
  MailHostUpDown: bool({ same: [false], advice: watched }),
  MailArchiveLogFail: bool({ same: [false], advice: watched }),
  MailReceivingPackets: bool({ same: [false], advice: watched }),
  MinDiskSpace: int({ same: [0], advice: watched }),
  StatsLogEnable: bool({
    same: [false],
    advice: 'what nodes use and see is in their metrics, and of the last hour in `zeek-cluster status`'
  }),
  StatsLogExpireInterval: int({ same: [0], advice: 'there is no stats.log here: Prometheus keeps metrics' }),
  CrashExpireInterval: int({ same: [0], advice: 'outputs of the last six processes of a node are kept' }),
  StatusCmdShowAll: bool({ same: [false], advice: '`zeek-cluster status` shows all nodes; -o wide all columns' }),
  StopWait: bool({ same: [false], advice: 'no script runs after a node: `stop` is done when its process has ended' }),
  TimeFmt: string({ same: ['%d %b %H:%M:%S'], advice: 'times are in the one format of RFC 3339' }),
  CronCmd: string({ same: [''], advice: 'there is no cron here: agents and controller do what it did all the time' }),
  MemLimit: string({
    same: ['unlimited'],
    advice: 'give nodes, or their group, memory_max, which limits what each of them uses'
  }),
  HaveNFS: bool({ same: [false], advice: 'nothing is shared: a bundle brings scripts to every host' }),
  SaveTraces: bool({ same: [false], advice: nothing }),
  MailConnectionSummary: bool({ same: [false], advice: nothing }),
  TraceSummary: string({ same: [''], advice: nothing }),
  CapstatsPath: string({ same: [''], advice: '`zeek-cluster instances --interfaces` counts packets without it' }),
  TimeMachineHost: string({ same: [''], advice: timeMachine }),
  TimeMachinePort: string({ same: ['47757/tcp'], advice: timeMachine }),
  UseWebSocket: bool({ same: [false], advice: webSocket }),
  WebSocketHost: string({ same: ['127.0.0.1'], advice: webSocket }),
  WebSocketPort: int({ same: [27_759], advice: webSocket }),
  WebSocketUrl: string({ same: [''], advice: webSocket }),
  WebSocketTimeout: int({ same: [10], advice: webSocket }),
  ControlTopic: string({ same: ['zeek/control'], advice: "agents ask their nodes without events of Zeek's" }),
  SitePluginPath: string({ same: [''], advice: 'plugins of ZeekControl have no effect here' }),
  'cluster_backend_zeromq.use_curve_encryption': string({
    advice: 'nodes on several hosts get keys of CURVE by themselves; controller_cluster_encryption says otherwise'
  }),
  'cluster_backend_zeromq.curve_dir': string({ advice: 'the controller makes the keys of CURVE, and keeps them' }),
  'cluster_backend_zeromq.disable_unencrypted_warning': bool({ same: [true, false] }),
  'zeek_port_warning.disable': bool({ same: [true, false] }),
  ...Object.fromEntries(
    [
      'Version',
      'OS',
      'Time',
      'ScriptsDir',
      'PostProcDir',
      'HelperDir',
      'StaticDir',
      'LibDir',
      'LibDir64',
      'LibDirInternal',
      'TmpExecDir',
      'PluginDir',
      'DebugLog',
      'StatsLog',
      'PolicyDirSiteInstall',
      'PolicyDirSiteInstallAuto',
      'ZeekCtlConfigDir',
      'ClusterTopicSeparator'
    ].map(name => [name, string({ advice: internal })])
  ),
  // Its present name is ZeekBase.
  BroBase: string({ advice: 'ZeekControl passes over it' }),
  StandAlone: bool({ advice: internal }),
  LogExpireMinutes: int({ advice: internal })
}

/** Names of former versions, which ZeekControl refuses, and what they are called now. */
export const formerOptions: Readonly<Record<string, string>> = {
  BroPort: 'ZeekPort',
  BroArgs: 'ZeekArgs',
  Bro: 'Zeek',
  PluginBroDir: 'PluginZeekDir',
  BroCtlConfigDir: 'ZeekCtlConfigDir'
}

const secondsOf = { day: 86_400, hr: 3600, min: 60 }

/**
 * Returns an interval as ZeekControl writes it, in seconds; days where there is no unit. Undefined for anything else.
 */
export function intervalOf(text: string): number | undefined {
  const [, count, unit = 'day'] = /^\+?(\d{1,9})(?: ?(day|hr|min)s?)?$/.exec(text) ?? []
  return count === undefined ? undefined : Number(count) * secondsOf[unit as keyof typeof secondsOf]
}

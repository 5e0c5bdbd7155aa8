/**
 * Statements that turn a database of version n into one of version n + 1. Never changed, only added to. What is added
 * must only create tables and indexes, and add columns with defaults: a replica of the version before writes for those
 * that have been upgraded already.
 */
export const migrations = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  -- AUTOINCREMENT: a number is never used for two events.
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    reqid TEXT,
    instance TEXT,
    node TEXT,
    -- Whether it is of a request that only reads: such events go earlier.
    transient INTEGER NOT NULL,
    -- The event without cursor and time, as JSON.
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_of_request ON events (reqid, seq) WHERE reqid IS NOT NULL;
  CREATE INDEX events_transient ON events (seq) WHERE transient = 1;

  CREATE TABLE requests (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    reqid TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    arguments TEXT NOT NULL,
    warnings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    expires_at INTEGER NOT NULL,
    -- The event before its first one.
    event_seq INTEGER NOT NULL,
    transient INTEGER NOT NULL,
    idempotency_key TEXT UNIQUE,
    -- Of the payload that came with the key.
    fingerprint TEXT
  ) STRICT;
  CREATE INDEX requests_by_type ON requests (type, n);
  CREATE INDEX requests_by_state ON requests (state, n);
  CREATE INDEX requests_transient ON requests (n) WHERE transient = 1;

  CREATE TABLE results (
    id INTEGER PRIMARY KEY,
    n INTEGER NOT NULL REFERENCES requests (n) ON DELETE CASCADE,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX results_of_request ON results (n, id);

  CREATE TABLE configurations (state TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;

  -- Where an instance was last seen, so that one that is away has an address.
  CREATE TABLE instances (name TEXT PRIMARY KEY, host TEXT NOT NULL, machine TEXT NOT NULL) STRICT, WITHOUT ROWID;
`,
  `
  -- Each index costs every request: the history is short enough to be looked through, and few requests have a key.
  CREATE TABLE requests_2 (
    n INTEGER PRIMARY KEY,
    reqid TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    arguments TEXT NOT NULL,
    warnings TEXT NOT NULL,
    -- Those that came with the end. What was told before is in its own rows, which are not written again.
    results TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    expires_at INTEGER NOT NULL,
    -- The event before its first one.
    event_seq INTEGER NOT NULL,
    transient INTEGER NOT NULL,
    idempotency_key TEXT,
    -- Of the payload that came with the key.
    fingerprint TEXT
  ) STRICT;
  INSERT INTO requests_2 SELECT n, reqid, type, state, arguments, warnings, '[]', created_at, finished_at, expires_at, event_seq, transient, idempotency_key, fingerprint FROM requests;

  CREATE TABLE results_2 (
    id INTEGER PRIMARY KEY,
    n INTEGER NOT NULL REFERENCES requests_2 (n) ON DELETE CASCADE,
    body TEXT NOT NULL
  ) STRICT;
  INSERT INTO results_2 SELECT * FROM results;

  DROP TABLE results;
  DROP TABLE requests;
  ALTER TABLE requests_2 RENAME TO requests;
  ALTER TABLE results_2 RENAME TO results;
  CREATE UNIQUE INDEX requests_by_key ON requests (idempotency_key) WHERE idempotency_key IS NOT NULL;
  CREATE INDEX requests_pending ON requests (n) WHERE state = 'pending';
  CREATE INDEX requests_transient ON requests (n) WHERE transient = 1;
  CREATE INDEX results_of_request ON results (n, id);
`,
  `
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    -- Of the secret, which is not kept.
    hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
  ) STRICT, WITHOUT ROWID;
`,
  `
  -- A session is a token of its own, and ends with the one that it was opened with.
  ALTER TABLE tokens ADD COLUMN parent TEXT REFERENCES tokens (id) ON DELETE CASCADE;

  -- Who asked what: like the events, in a log of its own.
  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    reqid TEXT,
    instance TEXT,
    node TEXT,
    transient INTEGER NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_of_request ON audit (reqid, seq) WHERE reqid IS NOT NULL;
`,
  `
  -- Deployed nodes that are to be stopped: kept through deployments.
  CREATE TABLE stopped_nodes (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
`,
  `
  -- Entries have kinds, each with a quota of its own: 0 changes, 1 other requests, 2 refusals, 3 logins, 4 agents.
  UPDATE audit SET transient = CASE
    WHEN body ->> 'outcome' = 'refused' THEN 2
    WHEN body ->> 'action' IN ('log_in', 'log_out') THEN 3
    WHEN body ->> 'action' = 'connect_agent' THEN 4
    WHEN body ->> 'action' = 'get_configuration' THEN 0
    ELSE transient
  END;
  CREATE INDEX audit_by_kind ON audit (transient, seq);
`,
  `
  -- Their contents are in files, each as large as a bundle; see src/controller/bundles.ts.
  CREATE TABLE bundles (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    created_by TEXT,
    size INTEGER NOT NULL,
    files INTEGER NOT NULL,
    -- The file with the contents, and its size.
    pack TEXT NOT NULL,
    pack_size INTEGER NOT NULL,
    -- The files, as JSON: path, mode, size, digest, and where the content is in the pack.
    content TEXT NOT NULL
  ) STRICT;
  CREATE TABLE bundle_names (
    name TEXT PRIMARY KEY,
    id TEXT NOT NULL REFERENCES bundles (id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
`,
  `
  -- Options that are set while nodes run: kept through deployments.
  CREATE TABLE runtime_options (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    reqid TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`,
  `
  -- When a bundle was uploaded last, or had a name or a configuration.
  ALTER TABLE bundles ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
  UPDATE bundles SET used_at = created_at;
`,
  `
  -- Feeds of intelligence that are set while nodes run: kept through deployments.
  CREATE TABLE intel_feeds (
    name TEXT PRIMARY KEY,
    bundle TEXT NOT NULL,
    indicators INTEGER NOT NULL,
    set_at INTEGER NOT NULL,
    reqid TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`,
  `
  -- What was deployed. AUTOINCREMENT: a number never means another deployment.
  CREATE TABLE revisions (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    who TEXT,
    comment TEXT,
    reqid TEXT NOT NULL UNIQUE,
    -- The state in which its request has ended.
    outcome TEXT,
    config_id TEXT NOT NULL,
    bundle TEXT,
    -- How many, with the workers of groups.
    nodes INTEGER NOT NULL,
    -- As it was staged, as JSON. Last, so that a list need not read past it.
    configuration TEXT NOT NULL
  ) STRICT;
  CREATE INDEX revisions_of_bundle ON revisions (bundle) WHERE bundle IS NOT NULL;
`,
  `
  -- When the staged one was staged, and by whom; null where an earlier version has staged it.
  ALTER TABLE configurations ADD COLUMN time INTEGER;
  ALTER TABLE configurations ADD COLUMN who TEXT;
`,
  `
  -- Revisions with which the cluster was healthy for long enough. Not a column: it would be behind the configuration.
  CREATE TABLE good_revisions (
    n INTEGER PRIMARY KEY REFERENCES revisions (n) ON DELETE CASCADE,
    time INTEGER NOT NULL
  ) STRICT;
`,
  `
  -- Whether it is a spare of an elastic group; an operator has stopped the others.
  ALTER TABLE stopped_nodes ADD COLUMN spare INTEGER NOT NULL DEFAULT 0;
  -- When a worker of an elastic group was last started or stopped for it, and why.
  CREATE TABLE elastic_changes (
    name TEXT NOT NULL,
    instance TEXT NOT NULL,
    time INTEGER NOT NULL,
    reason TEXT NOT NULL,
    -- Packets a second of each worker with which they have dropped too many; null where they never have.
    overload REAL,
    PRIMARY KEY (instance, name)
  ) STRICT, WITHOUT ROWID;
`,
  `
  -- What is this machine's alone, and not its replicas'.
  CREATE TABLE local (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO local SELECT name, value FROM meta WHERE name IN ('boot', 'probe');
  DELETE FROM meta WHERE name IN ('boot', 'probe');
`,
  `
  -- The labels of the instances that who has it is limited to, as JSON; null where nothing is limited.
  ALTER TABLE tokens ADD COLUMN labels TEXT;
  ALTER TABLE requests ADD COLUMN limited_to TEXT;
`,
  `
  -- Until where in the log of events a rule has told a sink. A rule with quiet hours has two: urgent is what is told
  -- even then.
  CREATE TABLE notification_places (
    rule TEXT NOT NULL,
    sink TEXT NOT NULL,
    lane TEXT NOT NULL,
    seq INTEGER NOT NULL,
    -- When something was last told.
    told_at INTEGER,
    PRIMARY KEY (rule, sink, lane)
  ) STRICT, WITHOUT ROWID;
`,
  `
  -- What tokens are good for with which hosts join.
  CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
    -- How many agents may still ask with it.
    uses INTEGER NOT NULL,
    -- Whether they are accepted at once.
    accepts INTEGER NOT NULL,
    -- The only one that may ask; null for any.
    agent TEXT
  ) STRICT, WITHOUT ROWID;

  -- What hosts have asked for: each lasts as long as the token that it was asked with.
  CREATE TABLE joins (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- The public key, PEM, and its fingerprint.
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    token TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    decided_by TEXT,
    -- PEM; null until it is accepted.
    certificate TEXT
  ) STRICT, WITHOUT ROWID;

  -- Certificates that agents were given, until they end.
  CREATE TABLE agent_certificates (
    serial TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- Whether its agent is to be an agent no more.
    forgotten INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX agent_certificates_of ON agent_certificates (name, expires_at);
`,
  `
  -- Requests that only read and were answered at once, some to a row, with their two events each.
  CREATE TABLE reads (
    -- The number of its last event; those before it are its others.
    seq INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    -- How many events.
    count INTEGER NOT NULL,
    -- The first and the last of the requests, in the order of their IDs.
    first_reqid TEXT NOT NULL,
    last_reqid TEXT NOT NULL,
    -- A request in each line, as JSON.
    body TEXT NOT NULL
  ) STRICT;
  -- By the last one: those that are asked for are mostly among the newest.
  CREATE INDEX reads_by_reqid ON reads (last_reqid, first_reqid);
  -- Where a page of the history begins.
  CREATE INDEX requests_by_event ON requests (event_seq);
`
]

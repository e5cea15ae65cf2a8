-- Times are microseconds since 1970 UTC. Columns named labels, spec, facts, data, steps, outcome, error and result hold JSON.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE resource (
  uid TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  revision INTEGER NOT NULL CHECK (revision > 0),
  labels TEXT NOT NULL,
  spec TEXT NOT NULL,
  facts TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (kind, name)
) STRICT;

-- A value that one object of the host only may hold: a MAC, an address, a subnet, an interface name.
CREATE TABLE claim (
  type TEXT NOT NULL,
  value TEXT NOT NULL,
  uid TEXT NOT NULL REFERENCES resource (uid) ON DELETE CASCADE,
  PRIMARY KEY (type, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_uid ON claim (uid);

-- uid depends on target, which cannot be deleted as long as it does.
CREATE TABLE reference (
  uid TEXT NOT NULL REFERENCES resource (uid) ON DELETE CASCADE,
  target TEXT NOT NULL REFERENCES resource (uid) ON DELETE RESTRICT,
  PRIMARY KEY (uid, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_target ON reference (target);

CREATE TABLE history (
  uid TEXT NOT NULL REFERENCES resource (uid) ON DELETE CASCADE,
  revision INTEGER NOT NULL,
  at INTEGER NOT NULL,
  actor_uid INTEGER NOT NULL,
  actor_pid INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  spec TEXT NOT NULL,
  labels TEXT NOT NULL,
  PRIMARY KEY (uid, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE runtime (
  uid TEXT PRIMARY KEY REFERENCES resource (uid) ON DELETE CASCADE,
  desired TEXT NOT NULL,
  state TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  init_pid INTEGER NOT NULL,
  init_ticks INTEGER NOT NULL,
  monitor_pid INTEGER NOT NULL,
  monitor_ticks INTEGER NOT NULL,
  started_at INTEGER,
  exit_at INTEGER,
  exit_code INTEGER,
  exit_signal INTEGER,
  failure TEXT NOT NULL,
  ran_at_shutdown INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: an id is never given twice, also after the newest events have expired.
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  data TEXT NOT NULL,
  request_id TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor_uid INTEGER NOT NULL,
  actor_pid INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  status INTEGER NOT NULL,
  code TEXT NOT NULL
) STRICT;

-- What is being done to the kernel right now. An entry found at start is what a dead daemon left half done.
CREATE TABLE journal (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  object TEXT NOT NULL,
  uid TEXT NOT NULL,
  steps TEXT NOT NULL,
  outcome TEXT NOT NULL,
  forward INTEGER NOT NULL
) STRICT;

CREATE TABLE operation (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  object TEXT NOT NULL,
  state TEXT NOT NULL,
  percent INTEGER NOT NULL,
  message TEXT NOT NULL,
  actor_uid INTEGER NOT NULL,
  actor_pid INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  error TEXT NOT NULL,
  result TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The first schema as it was released: never edited.
CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE apps(
  id INTEGER PRIMARY KEY, app_key TEXT NOT NULL UNIQUE, secret TEXT NOT NULL, sp_id TEXT NOT NULL,
  mode TEXT NOT NULL, status TEXT NOT NULL, recording INTEGER NOT NULL, pairs_max INTEGER NOT NULL,
  settings TEXT NOT NULL, created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL);
CREATE TABLE numbers(
  x INTEGER PRIMARY KEY, app INTEGER NOT NULL REFERENCES apps(id), area TEXT, province TEXT,
  status INTEGER NOT NULL, cause INTEGER, trunk INTEGER NOT NULL, pairs INTEGER NOT NULL DEFAULT 0,
  changed_at INTEGER NOT NULL);
CREATE INDEX numbers_app ON numbers(app, x);
CREATE TABLE number_areas(prefix TEXT PRIMARY KEY, area TEXT NOT NULL, province TEXT) WITHOUT ROWID;
CREATE TABLE trunks(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, document TEXT NOT NULL, changed_at INTEGER NOT NULL);
CREATE TABLE prompts(
  id INTEGER PRIMARY KEY, app INTEGER NOT NULL REFERENCES apps(id), name TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
  bytes INTEGER NOT NULL, version INTEGER NOT NULL, changed_at INTEGER NOT NULL, wav BLOB NOT NULL,
  UNIQUE(app, name));
CREATE TABLE policies(id INTEGER PRIMARY KEY, document TEXT NOT NULL UNIQUE);
CREATE TABLE bindings(
  subscription BLOB PRIMARY KEY, app INTEGER NOT NULL, x INTEGER NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL,
  direction INTEGER NOT NULL, policy INTEGER NOT NULL, duration_s INTEGER NOT NULL, expires_at INTEGER,
  bound_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, user_data TEXT) WITHOUT ROWID;
CREATE INDEX bindings_x ON bindings(x);
CREATE INDEX bindings_expiry ON bindings(expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE binding_parties(
  party INTEGER NOT NULL, x INTEGER NOT NULL, subscription BLOB NOT NULL, PRIMARY KEY(party, x)) WITHOUT ROWID;
CREATE TABLE journal_positions(shard TEXT PRIMARY KEY, segment INTEGER NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE open_facts(
  session TEXT NOT NULL, seq INTEGER NOT NULL, fact TEXT NOT NULL, PRIMARY KEY(session, seq)) WITHOUT ROWID;
CREATE TABLE outbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT, app INTEGER NOT NULL, session TEXT NOT NULL, chain INTEGER NOT NULL,
  seq INTEGER NOT NULL, kind INTEGER NOT NULL, state INTEGER NOT NULL, head INTEGER NOT NULL, attempts INTEGER NOT NULL,
  next_attempt INTEGER NOT NULL, queued_at INTEGER NOT NULL, fact TEXT NOT NULL, UNIQUE(session, chain, seq));
CREATE INDEX outbox_due ON outbox(app, kind, next_attempt) WHERE head = 1 AND state = 0;
CREATE INDEX outbox_undelivered ON outbox(app, id) WHERE state = 2;
CREATE INDEX outbox_age ON outbox(queued_at);
CREATE TABLE call_records(
  id INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL UNIQUE, app INTEGER NOT NULL, x INTEGER NOT NULL,
  caller INTEGER NOT NULL, callee INTEGER NOT NULL, call_in INTEGER NOT NULL, call_end INTEGER NOT NULL,
  state_code INTEGER NOT NULL, subscription TEXT, fact TEXT NOT NULL);
CREATE INDEX call_records_time ON call_records(call_in);
CREATE INDEX call_records_x ON call_records(x, call_in);
CREATE TABLE recordings(
  object TEXT PRIMARY KEY, app INTEGER NOT NULL, session TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX recordings_expiry ON recordings(expires_at);
CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL);
CREATE INDEX audit_time ON audit(at);

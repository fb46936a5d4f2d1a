//! The schema, as numbered migrations. `user_version` of the file is the number of the last one applied.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::StoreError;

/// One step each, never edited once released: a change is a new step at the end.
const MIGRATIONS: &[&str] = &[V1, V2, V3, V4, V5];

/// Why the keys are what they are:
/// - subscriptions are UUID v7, so the primary key of `bindings` grows at its right edge;
/// - `binding_parties` starts with the party: it answers "is this party on that X" (uniqueness) and
///   "on which X is this party" (choice of a free X) with one tree;
/// - policies are interned: a million bindings share a handful of rules;
/// - `numbers.pairs` is kept with every bind so that the limit costs no count.
const V1: &str = "
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
";

/// The other kinds of binding. `numbers.as_y` is 1 while the number is the Y of AXYB parts: it is nobody's X then.
/// The partial indexes on `numbers` hold what may be chosen, however many others there are.
const V2: &str = "
ALTER TABLE numbers ADD COLUMN as_y INTEGER NOT NULL DEFAULT 0;
CREATE INDEX numbers_free ON numbers(app, x) WHERE pairs = 0;
CREATE INDEX numbers_free_in ON numbers(app, area, x) WHERE pairs = 0;
CREATE INDEX numbers_y ON numbers(app, pairs, x) WHERE as_y = 1;
CREATE TABLE ax_bindings(
  subscription BLOB PRIMARY KEY, app INTEGER NOT NULL, x INTEGER NOT NULL UNIQUE, a INTEGER NOT NULL, direction INTEGER,
  show_caller INTEGER NOT NULL, turned_off INTEGER NOT NULL, policy INTEGER NOT NULL, bound_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL, user_data TEXT, named INTEGER, named_until INTEGER, named_user_data TEXT,
  last_caller INTEGER, last_at INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX ax_party ON ax_bindings(a, app);
CREATE TABLE axe_bindings(
  subscription BLOB PRIMARY KEY, app INTEGER NOT NULL, x INTEGER NOT NULL, a INTEGER NOT NULL, extension INTEGER NOT NULL,
  show_caller INTEGER NOT NULL, policy INTEGER NOT NULL, tone TEXT, call_back INTEGER, unit INTEGER, unit_since INTEGER,
  life INTEGER, life_since INTEGER, life_ms INTEGER NOT NULL, record_life INTEGER, record_ms INTEGER NOT NULL,
  expires_at INTEGER, reached INTEGER, reached_at INTEGER NOT NULL DEFAULT 0, bound_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL, user_data TEXT, UNIQUE(x, extension), UNIQUE(a, x)) WITHOUT ROWID;
CREATE INDEX axe_order ON axe_bindings(x, bound_at, extension);
CREATE INDEX axe_extension ON axe_bindings(app, extension, x);
CREATE INDEX axe_expiry ON axe_bindings(expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE axe_released(
  x INTEGER NOT NULL, extension INTEGER NOT NULL, free_at INTEGER NOT NULL, PRIMARY KEY(x, extension)) WITHOUT ROWID;
CREATE INDEX axe_released_time ON axe_released(free_at);
CREATE TABLE axyb_relations(
  subscription BLOB PRIMARY KEY, app INTEGER NOT NULL, x INTEGER NOT NULL UNIQUE, a INTEGER NOT NULL,
  direction INTEGER NOT NULL, policy INTEGER NOT NULL, duration_s INTEGER NOT NULL, yb_duration_s INTEGER NOT NULL,
  expires_at INTEGER, bound_at INTEGER NOT NULL, user_data TEXT) WITHOUT ROWID;
CREATE INDEX axyb_party ON axyb_relations(a, app);
CREATE INDEX axyb_expiry ON axyb_relations(expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE axyb_parts(
  id BLOB PRIMARY KEY, subscription BLOB NOT NULL, x INTEGER NOT NULL, a INTEGER NOT NULL, y INTEGER NOT NULL,
  b INTEGER NOT NULL, policy INTEGER NOT NULL, yb_duration_s INTEGER NOT NULL, expires_at INTEGER,
  bound_at INTEGER NOT NULL, user_data TEXT, UNIQUE(subscription, b), UNIQUE(y, a)) WITHOUT ROWID;
CREATE INDEX axyb_part_expiry ON axyb_parts(expires_at) WHERE expires_at IS NOT NULL;
";

/// Limits of calls and binds. `blocked.app` 0 means all applications.
const V3: &str = "
ALTER TABLE apps ADD COLUMN binds_per_day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE numbers ADD COLUMN binds_day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE numbers ADD COLUMN binds_today INTEGER NOT NULL DEFAULT 0;
CREATE TABLE platform(name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blocked(
  app INTEGER NOT NULL, party INTEGER NOT NULL, pattern TEXT NOT NULL, added_at INTEGER NOT NULL,
  PRIMARY KEY(app, party, pattern)) WITHOUT ROWID;
";

/// What was told about a call stays with its record, to be read and told again: one JSON text for each fact, in order,
/// one a line. It is the last column, so that whoever does not ask for it does not read its pages. `refused_calls`
/// has the traces of INVITEs for numbers that nobody owns.
const V4: &str = "
ALTER TABLE call_records ADD COLUMN facts TEXT;
CREATE TABLE refused_calls(session TEXT PRIMARY KEY, at INTEGER NOT NULL, fact TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX refused_calls_time ON refused_calls(at);
";

/// Texts. `written` is what the sender wrote and `text` what the receiver reads; both are forgotten when a text is
/// over (state 3). `text_receipts` holds reports that came before what they are about was noted.
const V5: &str = "
ALTER TABLE numbers ADD COLUMN texts INTEGER NOT NULL DEFAULT 1;
CREATE TABLE texts(
  id TEXT PRIMARY KEY, app INTEGER NOT NULL, origin TEXT UNIQUE, x INTEGER NOT NULL, sender INTEGER NOT NULL,
  state INTEGER NOT NULL, ticket TEXT NOT NULL, written TEXT, receiver INTEGER, text TEXT,
  parts INTEGER NOT NULL DEFAULT 0, result INTEGER, attempts INTEGER NOT NULL DEFAULT 0, next_attempt INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL, changed_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX texts_due ON texts(next_attempt) WHERE state < 3;
CREATE INDEX texts_time ON texts(accepted_at);
CREATE INDEX texts_x ON texts(x, accepted_at);
CREATE TABLE text_parts(
  link TEXT NOT NULL, sender INTEGER NOT NULL, x INTEGER NOT NULL, reference INTEGER NOT NULL, total INTEGER NOT NULL,
  part INTEGER NOT NULL, coding INTEGER NOT NULL, octets BLOB NOT NULL, came_at INTEGER NOT NULL,
  PRIMARY KEY(sender, x, link, reference, total, part)) WITHOUT ROWID;
CREATE TABLE text_sent(
  text TEXT NOT NULL, part INTEGER NOT NULL, link TEXT NOT NULL, remote TEXT, state INTEGER NOT NULL,
  PRIMARY KEY(text, part)) WITHOUT ROWID;
CREATE INDEX text_sent_remote ON text_sent(link, remote) WHERE remote IS NOT NULL;
CREATE TABLE text_receipts(
  link TEXT NOT NULL, remote TEXT NOT NULL, state INTEGER NOT NULL, came_at INTEGER NOT NULL,
  PRIMARY KEY(link, remote));
CREATE INDEX text_receipts_age ON text_receipts(came_at);
";

/// Brings the file to the newest schema. Each step and its number are one transaction.
pub(crate) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    migrate_by(conn, MIGRATIONS)
}

fn migrate_by(conn: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done > steps.len() {
        return Err(StoreError::Invalid(format!(
            "the database is of schema {version}, newer than this program knows ({})",
            steps.len()
        )));
    }
    for (at, step) in steps.iter().enumerate().skip(done) {
        let tx = conn.transaction()?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", at as i64 + 1)?;
        tx.commit()?;
    }
    Ok(())
}

/// Settings of every connection.
pub(crate) fn tune(conn: &Connection, writer: bool) -> Result<(), StoreError> {
    // Nobody else writes, unless an operator does by hand: then operations are refused rather than held up.
    conn.busy_timeout(std::time::Duration::from_secs(2))?;
    conn.set_prepared_statement_cache_capacity(128);
    // Otherwise statements whose plan might depend on a value are compiled again at every use.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: the WAL is synced before a commit returns, so what was answered survives a power cut.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    if writer {
        conn.pragma_update(None, "foreign_keys", true)?;
        // Bindings are random access in `binding_parties`: 64 MiB keep its inner pages in memory.
        conn.pragma_update(None, "cache_size", -65_536)?;
        conn.pragma_update(None, "wal_autocheckpoint", 4_000)?;
        conn.pragma_update(None, "journal_size_limit", 64_i64 << 20)?;
    } else {
        conn.pragma_update(None, "query_only", true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_applied_once_and_in_order() {
        let mut conn = Connection::open_in_memory().expect("memory database");
        migrate_by(&mut conn, &["CREATE TABLE t(a);"]).expect("first");
        migrate_by(
            &mut conn,
            &["CREATE TABLE t(a);", "ALTER TABLE t ADD COLUMN b;"],
        )
        .expect("second only");
        conn.execute("INSERT INTO t(a, b) VALUES (1, 2)", [])
            .expect("both columns");
        let version: i64 = conn
            .query_row("PRAGMA user_version", [], |r| r.get(0))
            .expect("version");
        assert_eq!(version, 2);
    }

    #[test]
    fn a_failing_step_leaves_the_version_before_it() {
        let mut conn = Connection::open_in_memory().expect("memory database");
        let steps = [
            "CREATE TABLE t(a);",
            "CREATE TABLE u(a); CREATE TABLE t(a);",
        ];
        migrate_by(&mut conn, &steps).expect_err("t exists");
        let version: i64 = conn
            .query_row("PRAGMA user_version", [], |r| r.get(0))
            .expect("version");
        assert_eq!(version, 1);
        conn.execute("INSERT INTO u(a) VALUES (1)", [])
            .expect_err("half a step must not stay");
    }

    #[test]
    fn a_newer_file_is_refused() {
        let mut conn = Connection::open_in_memory().expect("memory database");
        conn.pragma_update(None, "user_version", MIGRATIONS.len() as i64 + 1)
            .expect("set");
        assert!(matches!(migrate(&mut conn), Err(StoreError::Invalid(_))));
    }
}

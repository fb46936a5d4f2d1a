//! Rules of calls as they are kept: each once, whatever kind of binding uses them.

use std::sync::Arc;

use axbridge_binding::Policy;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::sql::to_json;

/// The document under which equal policies meet. Keys are short because a million of them are compared.
#[derive(Serialize, Deserialize)]
struct PolicyDocument {
    max: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Arc<str>>,
    #[serde(default)]
    record: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pre_a: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pre_b: Option<Arc<str>>,
    warn: u16,
    sms: bool,
}

fn policy_text(policy: &Policy) -> Result<String, StoreError> {
    to_json(&PolicyDocument {
        max: policy.max_duration_min,
        last: policy.last_min_voice.clone(),
        record: policy.record,
        hint: policy.record_hint_tone.clone(),
        pre_a: policy.pre_voice_caller.clone(),
        pre_b: policy.pre_voice_callee.clone(),
        warn: policy.warn_before_s,
        sms: policy.private_sms,
    })
}

pub(crate) fn policy_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Policy> {
    let text = row.get_ref(at)?.as_str()?;
    let document: PolicyDocument = serde_json::from_str(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(e)))?;
    Ok(Policy {
        max_duration_min: document.max,
        last_min_voice: document.last,
        record: document.record,
        record_hint_tone: document.hint,
        pre_voice_caller: document.pre_a,
        pre_voice_callee: document.pre_b,
        warn_before_s: document.warn,
        private_sms: document.sms,
    })
}

/// The row of this policy, made when it is new.
pub(crate) fn intern(conn: &Connection, policy: &Policy) -> Result<i64, StoreError> {
    let text = policy_text(policy)?;
    let mut find = conn.prepare_cached("SELECT id FROM policies WHERE document = ?1")?;
    if let Some(id) = find.query_row([&text], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    conn.prepare_cached("INSERT INTO policies(document) VALUES (?1)")?
        .execute([&text])?;
    Ok(conn.last_insert_rowid())
}

/// Forgets the rules that no binding uses. Only when nothing else writes: it looks at every binding.
pub(crate) fn drop_unused(conn: &Connection) -> Result<(), StoreError> {
    let sql = "DELETE FROM policies WHERE id NOT IN (SELECT policy FROM bindings UNION SELECT policy FROM ax_bindings
               UNION SELECT policy FROM axe_bindings UNION SELECT policy FROM axyb_relations
               UNION SELECT policy FROM axyb_parts)";
    conn.execute(sql, [])?;
    Ok(())
}

//! What happened: facts out of the journal, what is still to be told, the call records.

mod apply;
mod audit;
mod history;
mod ingest;
mod notice;
mod outbox;
mod recordings;
mod records;
mod recovery;

pub use audit::AuditEntry;
pub(crate) use history::drop_refused;
pub use history::{CallFacts, HistoryFilter, REPLAYED_MAX, ReplayWhich, Replayed};
pub(crate) use ingest::{Ingest, position};
pub(crate) use notice::{tell_number_status, tell_text};
pub use outbox::{
    Due, NOTICES_MERGED_MAX, OutboxItem, OutboxKind, OutboxStats, RECORDS_MERGED_MAX,
    RETRY_AFTER_MIN,
};
pub(crate) use outbox::{InFlight, drop_old};
pub use recordings::Recording;
pub(crate) use records::drop_old as drop_old_records;
pub use records::{RecordFilter, StoredRecord};
pub use recovery::{OpenCall, RecoveredRecording, RecoveryReport};

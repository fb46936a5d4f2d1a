//! What must survive: bindings, numbers, applications, call records, the outbox. SQLite embedded.

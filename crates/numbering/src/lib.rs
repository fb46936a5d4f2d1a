//! E.164 numbers and how carriers write them.

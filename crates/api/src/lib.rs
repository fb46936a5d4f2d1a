//! The customer's HTTP API and the operator's; authentication, limits; webhooks out.

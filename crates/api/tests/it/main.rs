//! The API as its users meet it: over its router and over sockets on loopback, with a real store in a temporary folder.

// A failed unwrap is a failed test; tables are plain tuples.
#![allow(clippy::unwrap_used, clippy::type_complexity)]

mod ask;
mod auth;
mod ax;
mod axb;
mod axe;
mod axyb;
mod client;
mod deliver;
mod flood;
mod harness;
mod history;
mod kinds;
mod limits;
mod malformed;
mod openapi;
mod operator;
mod ours;
mod recording;
mod server;
mod sink;
mod told;

//! The customer's HTTP API and the operator's; authentication, limits; webhooks out.
//!
//! It does not decide how a call runs (that is the call's) nor keep anything (that is the store's). It promises:
//! - the customers' side is the PrivateNumber API to the letter: paths, names, types, codes ([`customer`]);
//! - nothing is done for a request that was not authenticated, and no input is answered with a panic ([`auth`]);
//! - what is told about calls reaches its receiver, in order for each call, and a receiver that is down delays nobody
//!   else ([`notify`]);
//! - secrets and whole telephone numbers stay out of logs and error texts.
#![forbid(unsafe_code)]

mod address;
mod admin;
mod answer;
mod apps;
pub mod auth;
mod clock;
mod control;
pub mod customer;
mod links;
pub mod notify;
mod openapi;
mod recordings;
mod routes;
mod serve;
mod state;
mod text_time;
mod wav_file;

pub use apps::{Application, Applications};
pub use clock::{Clock, ManualClock, SystemClock};
pub use control::{
    CallChange, CallControl, ChangeOutcome, Changing, LiveCall, NewLimit, NoCalls, StopOutcome,
    Stopping, Tracing,
};
pub use links::UrlSigner;
pub use notify::{Deliverer, DelivererConfig, TargetPolicy};
pub use routes::Route;
pub use serve::{ServeConfig, serve, tls_from_files};
pub use state::{Api, ApiConfig, ApiState, PeerAddress};
pub use text_time::created_text;

//! A switch with one trunk, one application and one AXB binding, without media.
#![allow(dead_code)] // Each test file uses its part.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axbridge_binding::{
    AppId, Axb, CallDirection, NumberInfo, NumberStatus, Policy, RouteKind, SubscriptionId, Table,
    TrunkId,
};
use axbridge_call::{
    App, CallKey, Directory, Listen, MediaPlane, NoPorts, Snapshot, Switch, SwitchConfig, Trunk,
};
use axbridge_media as media;
use axbridge_numbering::Number;
use axbridge_sip::{EndpointConfig, Transport};

pub const X: &str = "+8617000000001";
pub const A: &str = "+8613900000001";
pub const B: &str = "+8613900000002";

/// Hands out addresses and forgets everything else.
pub struct NoMedia;

impl MediaPlane for NoMedia {
    fn open(&mut self, _: CallKey, a: IpAddr, b: IpAddr) -> Result<[SocketAddr; 2], NoPorts> {
        Ok([SocketAddr::new(a, 20_000), SocketAddr::new(b, 20_002)])
    }

    fn command(&mut self, _: CallKey, _: media::Command) {}

    fn close(&mut self, _: CallKey) {}
}

pub fn number(text: &str) -> Number {
    Number::parse_global(text).unwrap()
}

/// The application with nothing set.
pub fn app() -> App {
    App::new(AppId(1), "key")
}

pub fn trunk() -> Trunk {
    Trunk::new(
        TrunkId(1),
        "carrier",
        vec!["192.0.2.1:5060".parse().unwrap()],
    )
}

/// A and B bound on X, an application, and whatever else the test wants of the snapshot.
pub fn directory(app: App, change: impl FnOnce(&mut Snapshot)) -> Arc<Directory> {
    let directory = Directory::new(Arc::new(Table::with_capacity(16)));
    give(&directory, X, NumberStatus::Normal);
    bind(&directory, 7, A, B);
    publish(&directory, app, change);
    Arc::new(directory)
}

/// Makes X a number of the application, in this state.
pub fn give(directory: &Directory, x: &str, status: NumberStatus) {
    let info = NumberInfo {
        app: AppId(1),
        status,
        trunk: TrunkId(1),
        mode: RouteKind::Axb,
        area: None,
    };
    directory.table.set_number(number(x), info);
}

/// Binds two parties on X.
pub fn bind(directory: &Directory, subscription: u128, a: &str, b: &str) {
    let axb = Axb {
        subscription: SubscriptionId(subscription),
        app: AppId(1),
        x: number(X),
        a: number(a),
        b: number(b),
        direction: CallDirection::Both,
        expires_at_ms: None,
        policy: Policy::default(),
        user_data: None,
    };
    directory.table.publish_axb(&axb).unwrap();
}

/// Publishes anew.
pub fn publish(directory: &Directory, app: App, change: impl FnOnce(&mut Snapshot)) {
    let mut snapshot = Snapshot {
        trunks: [(TrunkId(1), Arc::new(trunk()))].into(),
        apps: [(AppId(1), Arc::new(app))].into(),
        ..Snapshot::default()
    };
    change(&mut snapshot);
    directory.publish(snapshot);
}

pub fn switch(directory: Arc<Directory>, calls_max: usize) -> Switch {
    switch_at(directory, calls_max, "192.0.2.100:5060", "192.0.2.100:5060")
}

/// One that listens on `local` and is seen as `advertised`.
pub fn switch_at(
    directory: Arc<Directory>,
    calls_max: usize,
    local: &str,
    advertised: &str,
) -> Switch {
    let local: SocketAddr = local.parse().unwrap();
    let config = SwitchConfig {
        node: "n1".into(),
        host: "axbridge.invalid".into(),
        shard: 0,
        shards: 1,
        listen: vec![Listen {
            transport: Transport::Udp,
            local,
            advertised: advertised.parse().unwrap(),
        }],
        calls_max,
        minute: Duration::from_secs(60),
        closing_max: Duration::from_secs(10),
        trace: true,
        ring_back: Arc::new(media::tone::ring_back()),
        sip: EndpointConfig::default(),
    };
    Switch::new(config, directory, 1)
}

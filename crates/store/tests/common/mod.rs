//! What the tests of the store share: a folder that goes away, a clock that stands, facts of a call.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use axbridge_binding::{
    AppId, CallDirection, Decision, Policy, Refusal, SubscriptionId, Table, TrunkId,
};
use axbridge_call::{CallRecord, Fact, FactKind};
use axbridge_numbering::Number;
use axbridge_store::{
    AppSettings, AreaMatch, BindRequest, Mode, NewApp, NewNumber, NumberRecord, Secret, Store,
    StoreConfig,
};

/// A folder below the build's own temporary folder, removed at the end.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("store-test-{}-{count}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&dir);
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A clock that moves when told.
#[derive(Clone)]
pub struct Clock(pub Arc<AtomicU64>);

pub const START_MS: u64 = 1_900_000_000_000;
pub const DAY_MS: u64 = 24 * 3_600 * 1_000;

impl Clock {
    pub fn new() -> Clock {
        Clock(Arc::new(AtomicU64::new(START_MS)))
    }

    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn advance_ms(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

pub fn config(dir: &Dir, clock: &Clock) -> StoreConfig {
    let now = clock.clone();
    StoreConfig {
        clock: Arc::new(move || now.now()),
        ..StoreConfig::new(&dir.0)
    }
}

/// An open store with its table; nothing in it.
pub struct Fixture {
    pub store: Store,
    pub table: Arc<Table>,
    pub clock: Clock,
    pub dir: Dir,
}

impl Fixture {
    pub async fn new() -> Fixture {
        Fixture::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut StoreConfig)) -> Fixture {
        let (dir, clock) = (Dir::new(), Clock::new());
        let mut config = config(&dir, &clock);
        change(&mut config);
        let store = Store::open(config).expect("open");
        store.recover(|_| None).expect("recover");
        let table = Arc::new(Table::with_capacity(1_000));
        store.load_table(Arc::clone(&table)).await.expect("load");
        Fixture {
            store,
            table,
            clock,
            dir,
        }
    }

    /// The same folder in a new store and a new table.
    pub async fn reopen(self) -> Fixture {
        let Fixture {
            store, clock, dir, ..
        } = self;
        store.close();
        drop(store);
        let store = Store::open(config(&dir, &clock)).expect("open again");
        store.recover(|_| None).expect("recover");
        let table = Arc::new(Table::with_capacity(1_000));
        store.load_table(Arc::clone(&table)).await.expect("load");
        Fixture {
            store,
            table,
            clock,
            dir,
        }
    }

    pub async fn app(&self, key: &str, settings: AppSettings) -> AppId {
        self.app_in(Mode::Axb, key, settings).await
    }

    /// An application of this mode.
    pub async fn app_in(&self, mode: Mode, key: &str, settings: AppSettings) -> AppId {
        let new = NewApp {
            key: key.into(),
            secret: Secret::new("not a secret"),
            sp_id: "acme".into(),
            mode,
            settings,
        };
        self.store.create_app(new).await.expect("app").id
    }

    /// Adds an X of that city.
    pub async fn x(&self, app: AppId, x: Number, area: Option<&str>) {
        let new = NewNumber {
            x,
            area: area.map(Into::into),
            province: None,
            trunk: TrunkId(1),
        };
        self.store
            .add_numbers(app, vec![new])
            .await
            .expect("number");
    }

    /// X as it stands.
    pub async fn number(&self, x: Number) -> NumberRecord {
        let number = self.store.number(x).await.expect("read");
        number.expect("the number is there")
    }

    /// What `caller` meets who dials `x` now.
    pub fn meets(&self, x: Number, caller: Number) -> Meets {
        Meets::of(self.table.decide(x, caller, self.clock.now()))
    }

    /// Tells, as a call does, that `caller` is put through to A of this binding now.
    pub async fn reached(
        &self,
        app: AppId,
        session: &str,
        subscription: SubscriptionId,
        caller: Number,
    ) {
        let mut writer = self.store.journal_writer(0).expect("writer");
        let reached = FactKind::Reached {
            caller: caller.to_global(),
        };
        let told = Fact {
            at_ms: self.clock.now(),
            subscription_id: Some(subscription.to_string().into()),
            ..fact(app, session, 0, reached)
        };
        writer.append(&[told]).expect("append");
        self.store.journal_settled().await;
    }

    /// Who is called when `caller` dials `x` now.
    pub fn callee(&self, x: Number, caller: Number) -> Option<Number> {
        self.table
            .route(x, caller, self.clock.now())
            .ok()
            .map(|route| route.callee)
    }
}

/// What a caller meets, in as much as the tests look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meets {
    /// The first is called and sees the second.
    Callee(Number, Number),
    /// The question for an extension.
    Menu,
    /// The binding's own prompt.
    Tone,
    /// A stranger in need of a Y.
    NeedsY,
    /// The name of the refusal.
    Refused(&'static str),
}

impl Meets {
    pub fn of(decision: Result<Decision, Refusal>) -> Meets {
        match decision {
            Ok(Decision::Connect(route, _)) => Meets::Callee(route.callee, route.display),
            Ok(Decision::Menu { .. }) => Meets::Menu,
            Ok(Decision::PlayAndEnd { .. }) => Meets::Tone,
            Ok(Decision::AllocateY { .. }) => Meets::NeedsY,
            Ok(_) => Meets::Refused("another decision"),
            Err(Refusal::NoAxBinding { .. }) => Meets::Refused("8018"),
            Err(Refusal::NoAxybBinding { .. }) => Meets::Refused("8030"),
            Err(Refusal::BadExtension { .. }) => Meets::Refused("8022"),
            Err(Refusal::WrongDirection { .. }) => Meets::Refused("8016"),
            Err(Refusal::NoTemporaryCallee { .. }) => Meets::Refused("8013"),
            Err(Refusal::TurnedOff { .. }) => Meets::Refused("8104"),
            Err(Refusal::NoCallBack { .. }) => Meets::Refused("8019"),
            Err(Refusal::SelfCall { .. }) => Meets::Refused("8032"),
            Err(_) => Meets::Refused("another refusal"),
        }
    }
}

/// A short generator whose numbers are the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let count = from.len() as u64;
        (count > 0).then(|| from[self.below(count) as usize])
    }
}

/// A, B and other people.
pub fn person(n: u64) -> Number {
    assert!(n < 100_000);
    Number::from_u64(8_613_900_000_000 + n).expect("number")
}

/// X.
pub fn private(n: u64) -> Number {
    assert!(n < 100_000);
    Number::from_u64(8_617_000_000_000 + n).expect("number")
}

pub fn request(app: AppId, a: Number, b: Number, x: Option<Number>) -> BindRequest {
    BindRequest {
        app,
        a,
        b,
        x,
        area: None,
        area_match: AreaMatch::Strict,
        direction: CallDirection::Both,
        duration_s: 0,
        policy: Policy::default(),
        user_data: None,
    }
}

pub fn fact(app: AppId, session: &str, seq: u32, kind: FactKind) -> Fact {
    Fact {
        app,
        app_key: "demoKey01".into(),
        session_id: session.into(),
        seq,
        at_ms: START_MS + u64::from(seq) * 1_000,
        subscription_id: None,
        user_data: None,
        kind,
    }
}

/// The facts of an answered call; the last is its record.
pub fn call(app: AppId, session: &str) -> Vec<Fact> {
    let (a, x, b) = (
        person(1).to_global(),
        private(1).to_global(),
        person(2).to_global(),
    );
    let (caller, called) = (x.clone(), b.clone());
    let record = CallRecord {
        direction: 1,
        icid: session.into(),
        bind_num: x.clone(),
        caller_num: a.clone(),
        callee_num: x.clone(),
        fwd_display_num: x.clone(),
        fwd_dst_num: b,
        call_in_ms: START_MS,
        call_end_ms: START_MS + 4_000,
        ..CallRecord::default()
    };
    let kinds = vec![
        FactKind::CallIn {
            caller: a,
            called: x,
            asked: false,
        },
        FactKind::CallOut {
            caller: caller.clone(),
            called: called.clone(),
        },
        FactKind::Alerting {
            caller: caller.clone(),
            called: called.clone(),
        },
        FactKind::Answer {
            caller: caller.clone(),
            called: called.clone(),
        },
        FactKind::Disconnect {
            caller,
            called,
            state_code: 0,
            state_desc: "released".into(),
            released_by: Some(1),
        },
        FactKind::Record(Box::new(record)),
    ];
    kinds
        .into_iter()
        .enumerate()
        .map(|(seq, kind)| fact(app, session, seq as u32, kind))
        .collect()
}

/// Settings of an application that wants to be told of everything, at two addresses.
pub fn told() -> AppSettings {
    AppSettings {
        call_status_url: Some("https://customer.example/status".into()),
        cdr_url: Some("https://customer.example/cdr".into()),
        ..AppSettings::default()
    }
}

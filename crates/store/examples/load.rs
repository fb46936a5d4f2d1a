//! Figures: binds per second with 64 clients, and the start with many bindings.
//!
//! `cargo run --release -p axbridge-store --example load -- [bindings] [folder]`
//!
//! The bindings are made through the public interface, so they cost what binds cost; the folder must be on the
//! disk that is to be measured. The figure of one `fdatasync` of that disk comes first: it bounds the latency
//! of every answer.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axbridge_binding::{AppId, CallDirection, Policy, Table, TrunkId};
use axbridge_numbering::Number;
use axbridge_store::{
    AppSettings, AreaMatch, BindRequest, Mode, NewApp, NewNumber, Secret, Store, StoreConfig,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const CLIENTS: u64 = 64;
/// Pairs put on each X while the table is filled.
const PAIRS: u64 = 4_000;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let bindings: u64 = args.next().map_or(Ok(100_000), |text| text.parse())?;
    let dir = args.next().map_or_else(
        || std::env::temp_dir().join("axbridge-store-load"),
        PathBuf::from,
    );
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    println!(
        "one fdatasync after 4 KiB: {:?} (median of 200)",
        sync_time(&dir.join("sync"))?
    );

    let store = open(&dir)?;
    let app = set_up(&store, bindings / PAIRS + 2).await?;
    store
        .load_table(Arc::new(Table::with_capacity(bindings as usize * 2)))
        .await?;
    let measured = bindings.min(50_000);
    // As many as a full queue takes, to be done with it.
    binds(&store, app, 0..bindings - measured, 4_000, false).await?;
    binds(&store, app, bindings - measured..bindings, CLIENTS, false).await?;
    binds(
        &store,
        app,
        bindings..bindings + measured.min(20_000),
        CLIENTS,
        true,
    )
    .await?;
    store.close();
    drop(store);

    let start = Instant::now();
    let store = open(&dir)?;
    let opened = start.elapsed();
    let table = Arc::new(Table::with_capacity(bindings as usize * 2));
    let loaded = store.load_table(Arc::clone(&table)).await?;
    println!(
        "start: opened in {opened:?}, {} bindings on {} numbers loaded in {:?}; file {} MiB",
        loaded.bindings,
        loaded.numbers,
        loaded.took,
        std::fs::metadata(dir.join("axbridge.db"))?.len() >> 20
    );
    store.close();
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn open(dir: &std::path::Path) -> Outcome<Store> {
    let store = Store::open(StoreConfig::new(dir))?;
    store.recover(|_| None)?;
    Ok(store)
}

async fn set_up(store: &Store, numbers: u64) -> Outcome<AppId> {
    let new = NewApp {
        key: "load".into(),
        secret: Secret::new("not a secret"),
        sp_id: "acme".into(),
        mode: Mode::Axb,
        settings: AppSettings::default(),
    };
    let app = store.create_app(new).await?.id;
    let x = |n| NewNumber {
        x: private(n),
        area: Some("0755".into()),
        province: None,
        trunk: TrunkId(1),
    };
    store
        .add_numbers(app, (0..numbers).map(x).collect())
        .await?;
    Ok(app)
}

/// Binds with so many clients, each waiting for its answer before it asks again.
async fn binds(
    store: &Store,
    app: AppId,
    range: std::ops::Range<u64>,
    clients: u64,
    choose: bool,
) -> Outcome<()> {
    let next = Arc::new(AtomicU64::new(range.start));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let (store, next, end) = (store.clone(), Arc::clone(&next), range.end);
        tasks.spawn(async move {
            let mut times = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= end {
                    return Ok::<_, axbridge_store::BindError>(times);
                }
                let asked = Instant::now();
                store.bind(request(app, n, choose)).await?;
                times.push(asked.elapsed());
            }
        });
    }
    let mut times: Vec<Duration> = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    let took = start.elapsed();
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{} binds, {clients} clients, X {}: {:.0}/s, answer p50 {:?} p99 {:?}",
        times.len(),
        if choose { "chosen" } else { "given" },
        times.len() as f64 / took.as_secs_f64(),
        at(50),
        at(99)
    );
    Ok(())
}

/// A scattered over 100,000 people, B over another 100,000, as orders come; X filled one after the other.
fn request(app: AppId, n: u64, choose: bool) -> BindRequest {
    let x = n / PAIRS;
    BindRequest {
        app,
        a: person(n * 7 % PAIRS + x % 20 * PAIRS),
        b: person(100_000 + n * 11 % PAIRS + x % 20 * PAIRS),
        x: (!choose).then(|| private(x)),
        area: choose.then(|| "0755".into()),
        area_match: AreaMatch::Strict,
        direction: CallDirection::Both,
        duration_s: 3_600 * 24,
        policy: Policy {
            max_duration_min: (n % 60) as u16,
            ..Policy::default()
        },
        user_data: n.is_multiple_of(2).then(|| "order-0000000001".into()),
    }
}

fn person(n: u64) -> Number {
    number(8_613_900_000_000 + n)
}

fn private(n: u64) -> Number {
    number(8_617_000_000_000 + n)
}

fn number(value: u64) -> Number {
    Number::from_u64(value).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn sync_time(path: &std::path::Path) -> Outcome<Duration> {
    let mut file = File::create(path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[0; 4_096])?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    std::fs::remove_file(path)?;
    Ok(times[100])
}

//! A data folder as it would be after a customer has bound all pairs: application, numbers, trunks, bindings. Written
//! through the store, so that it is what the program itself would have written.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Result;
use axbridge_binding::{CallDirection, Policy, TrunkId};
use axbridge_call::Trunk;
use axbridge_store::{
    AppSettings, AreaMatch, BindRequest, Mode, NewApp, NewNumber, Secret, Store, StoreConfig,
};
use tokio::task::JoinSet;

use crate::{Arguments, pairs};

/// Operations on their way to the store at once; its queue takes 8,192.
const ON_THE_WAY_MAX: usize = 4_000;

/// `--dir --pairs --key --secret --a-peer --b-peer --a-media --b-media [--record yes] [--bind no]`
pub async fn run(arguments: &Arguments) -> Result<()> {
    let pairs = pairs::read(arguments.text("pairs")?)?;
    let record = arguments.maybe("record") == Some("yes");
    let store = Store::open(StoreConfig::new(arguments.text("dir")?))?;
    store.recover(|_| None)?;
    let settings = AppSettings {
        recording: record,
        axb_pairs_max: u32::MAX >> 1,
        rate_per_s: 10_000_000,
        rate_burst: 10_000_000,
        ..AppSettings::default()
    };
    let app = store
        .create_app(NewApp {
            key: arguments.text("key")?.into(),
            secret: Secret::new(arguments.text("secret")?),
            sp_id: "load".into(),
            mode: Mode::Axb,
            settings,
        })
        .await?;
    for (id, side) in [(1, "a"), (2, "b")] {
        let peer = arguments.text(&format!("{side}-peer"))?;
        let media = arguments.text(&format!("{side}-media"))?;
        let trunk = serde_json::json!({
            "id": id, "name": format!("carrier-{side}"), "peers": [peer], "media_ip": media,
        });
        store
            .put_trunk(serde_json::from_value::<Trunk>(trunk)?)
            .await?;
    }
    let numbers: BTreeSet<_> = pairs.iter().map(|pair| pair.x).collect();
    let numbers: Vec<_> = numbers
        .into_iter()
        .map(|x| NewNumber {
            x,
            area: None,
            province: None,
            trunk: TrunkId(2),
        })
        .collect();
    for part in numbers.chunks(5_000) {
        store.add_numbers(app.id, part.to_vec()).await?;
    }
    let begun = Instant::now();
    let wanted = if arguments.maybe("bind") == Some("no") {
        &[]
    } else {
        pairs.as_slice()
    };
    let mut waiting = JoinSet::new();
    for pair in wanted {
        let request = BindRequest {
            app: app.id,
            a: pair.a,
            b: pair.b,
            x: Some(pair.x),
            area: None,
            area_match: AreaMatch::Strict,
            direction: CallDirection::Both,
            duration_s: 0,
            policy: Policy {
                record,
                ..Policy::default()
            },
            user_data: None,
        };
        let store = store.clone();
        waiting.spawn(async move { store.bind(request).await.map(drop) });
        if waiting.len() >= ON_THE_WAY_MAX
            && let Some(done) = waiting.join_next().await
        {
            done??;
        }
    }
    while let Some(done) = waiting.join_next().await {
        done??;
    }
    let took = begun.elapsed().as_secs_f64();
    tokio::task::spawn_blocking(move || store.close()).await?;
    println!(
        "{}",
        serde_json::json!({ "pairs": wanted.len(), "seconds": took })
    );
    Ok(())
}

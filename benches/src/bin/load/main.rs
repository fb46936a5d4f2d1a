//! What the load tests need besides SIPp: a filled data folder, HTTP clients that bind, telephones that talk, a
//! receiver of notifications. `benches/load/run.py` starts these; each prints one line of JSON at its end.
#![forbid(unsafe_code)]

mod bind;
mod fill;
mod pairs;
mod phones;
mod sink;

use anyhow::{Context, Result, bail};

/// Named arguments `--name value`.
pub struct Arguments(Vec<String>);

impl Arguments {
    /// The text of an argument.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.maybe(name)
            .with_context(|| format!("--{name} is missing"))
    }

    /// The text of an argument that may be absent.
    pub fn maybe(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.windows(2);
        pairs
            .find(|pair| pair[0].strip_prefix("--") == Some(name))
            .map(|pair| pair[1].as_str())
    }

    /// An argument of another type.
    pub fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        text.parse()
            .ok()
            .with_context(|| format!("--{name} {text:?}"))
    }
}

/// What p50, p90, p99, p99.9 and the largest are, in milliseconds.
fn percentiles(times: &mut [std::time::Duration]) -> serde_json::Value {
    times.sort_unstable();
    let at = |share: f64| {
        let last = times.len().saturating_sub(1);
        let index = (times.len() as f64 * share) as usize;
        let time = times.get(index.min(last));
        time.map(|time| (time.as_secs_f64() * 1e6).round() / 1e3)
    };
    serde_json::json!({
        "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0), "count": times.len(),
    })
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let arguments = Arguments(arguments.collect());
    // One thread: the generators share one core, and must not take the one of the program under test.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match what.as_str() {
        "fill" => runtime.block_on(fill::run(&arguments)),
        "bind" => runtime.block_on(bind::run(&arguments)),
        "phones" => runtime.block_on(phones::run(&arguments)),
        "sink" => runtime.block_on(sink::run(&arguments)),
        _ => bail!("axbridge-load fill|bind|phones|sink --name value ..."),
    }
}

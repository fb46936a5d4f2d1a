//! `axbridge-sim`: many simulated calls, or one of them again.
//!
//! ```text
//! axbridge-sim --calls 30000 --from 1      so many calls, from the seed 1 on; exit code 1 if an invariant breaks
//! axbridge-sim --seed 4711                 one seed with its ladder (--whole: with the messages themselves)
//! ```

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use axbridge_sim::{World, replay};

struct Wanted {
    calls: u64,
    from: u64,
    threads: usize,
    seed: Option<u64>,
    whole: bool,
    keep_going: bool,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted {
        calls: 10_000,
        from: 1,
        threads: 2,
        seed: None,
        whole: false,
        keep_going: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().ok_or(format!("{arg} needs a number"))?;
            value
                .parse::<u64>()
                .map_err(|_| format!("{arg} {value}: not a number"))
        };
        match arg.as_str() {
            "--calls" => wanted.calls = number()?,
            "--from" => wanted.from = number()?,
            "--threads" => wanted.threads = number()?.clamp(1, 64) as usize,
            "--seed" => wanted.seed = Some(number()?),
            "--whole" => wanted.whole = true,
            "--keep-going" => wanted.keep_going = true,
            _ => {
                return Err(format!(
                    "{arg}: --calls N --from SEED [--threads N] [--keep-going] | --seed N [--whole]"
                ));
            }
        }
    }
    Ok(wanted)
}

fn main() -> ExitCode {
    match wanted() {
        Ok(Wanted {
            seed: Some(seed),
            whole,
            ..
        }) => show(seed, whole),
        Ok(wanted) => many(&wanted),
        Err(why) => {
            eprintln!("axbridge-sim: {why}");
            ExitCode::from(2)
        }
    }
}

/// One seed again, with its ladder.
fn show(seed: u64, whole: bool) -> ExitCode {
    let world = replay(seed, true);
    for (index, pair) in world.pairs.iter().enumerate() {
        println!("call {index}: {:?}\n", pair.story);
    }
    print!("{}", world.ladder.text(whole));
    for what in &world.breaks {
        println!("BROKEN: {what}");
    }
    match world.breaks.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

#[derive(Default)]
struct Totals {
    /// The seeds under way, and since when.
    at_work: Mutex<HashMap<u64, Instant>>,
    done: AtomicBool,
    next: AtomicU64,
    calls: AtomicU64,
    answered: AtomicU64,
    messages: AtomicU64,
    broken: AtomicU64,
    stop: AtomicBool,
}

fn many(wanted: &Wanted) -> ExitCode {
    let totals = Totals::default();
    totals.next.store(wanted.from, Ordering::Relaxed);
    let output = Mutex::new(());
    let start = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..wanted.threads)
            .map(|_| scope.spawn(|| work(wanted, &totals, &output)))
            .collect();
        scope.spawn(|| watch(&totals));
        for worker in workers {
            let _ = worker.join();
        }
        totals.done.store(true, Ordering::Relaxed);
    });
    let took = start.elapsed().as_secs_f64();
    let [calls, answered, messages, broken] = [
        &totals.calls,
        &totals.answered,
        &totals.messages,
        &totals.broken,
    ]
    .map(|n| n.load(Ordering::Relaxed));
    println!(
        "{calls} simulated calls (seeds from {}), {answered} of them answered, {messages} messages of ours; \
         5 % loss, duplication and reordering on both sides; {broken} seeds with a broken invariant; \
         {took:.1} s, {:.0} calls/s",
        wanted.from,
        calls as f64 / took
    );
    match broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// A world that lives for so long is caught in a loop.
const SECONDS_MAX: u64 = 60;

fn watch(totals: &Totals) {
    while !totals.done.load(Ordering::Relaxed) {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let Ok(at_work) = totals.at_work.lock() else {
            return;
        };
        if let Some((seed, _)) = at_work
            .iter()
            .find(|(_, since)| since.elapsed().as_secs() > SECONDS_MAX)
        {
            println!("seed {seed}: does not end");
            std::process::exit(1);
        }
    }
}

/// More breaks than this are not printed.
const SHOWN_MAX: u64 = 5;

fn work(wanted: &Wanted, totals: &Totals, output: &Mutex<()>) {
    while !totals.stop.load(Ordering::Relaxed) {
        if totals.calls.load(Ordering::Relaxed) >= wanted.calls {
            return;
        }
        let seed = totals.next.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut at_work) = totals.at_work.lock() {
            at_work.insert(seed, Instant::now());
        }
        let lived = std::panic::catch_unwind(|| replay(seed, false));
        if let Ok(mut at_work) = totals.at_work.lock() {
            at_work.remove(&seed);
        }
        let world = match lived {
            Ok(world) => world,
            Err(_) => {
                totals.broken.fetch_add(1, Ordering::Relaxed);
                let _lock = output.lock();
                println!("seed {seed}: PANIC (message above); again with --seed {seed}");
                totals.stop.store(!wanted.keep_going, Ordering::Relaxed);
                continue;
            }
        };
        tell(wanted, totals, output, seed, &world);
    }
}

fn tell(wanted: &Wanted, totals: &Totals, output: &Mutex<()>, seed: u64, world: &World) {
    let answered = world.pairs.iter().filter(|p| p.is_answered()).count();
    totals
        .calls
        .fetch_add(world.pairs.len() as u64, Ordering::Relaxed);
    totals
        .answered
        .fetch_add(answered as u64, Ordering::Relaxed);
    totals.messages.fetch_add(world.messages, Ordering::Relaxed);
    if world.breaks.is_empty() {
        return;
    }
    let shown = totals.broken.fetch_add(1, Ordering::Relaxed);
    let _lock = output.lock();
    println!("seed {seed}: {}", world.breaks.join("; "));
    if wanted.keep_going {
        return;
    }
    if shown < SHOWN_MAX {
        println!("{}", world.ladder.text(false));
    } else {
        totals.stop.store(true, Ordering::Relaxed);
    }
}

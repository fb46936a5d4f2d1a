use super::*;
use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("axbridge-rec-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn partial_files(&self) -> Vec<PathBuf> {
        let files = |dir: PathBuf| {
            fs::read_dir(dir)
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path())
        };
        files(self.0.join(".partial")).flat_map(files).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn begin(
    recorder: &Recorder,
    channels: u16,
) -> (RecordingId, RecordingName, mpsc::Receiver<Outcome>) {
    let (sender, outcome) = mpsc::channel();
    let name = RecordingName::from_stem("7/202601010000000000000001.wav");
    let on_outcome = Box::new(move |outcome| drop(sender.send(outcome)));
    let id = recorder.begin(name.clone(), channels, on_outcome).unwrap();
    (id, name, outcome)
}

/// Pushes `ms` milliseconds of a ramp in chunks of 20 ms.
fn push(recorder: &Recorder, id: RecordingId, channels: u16, ms: usize) {
    for chunk in 0..ms / 20 {
        let samples = (0..160 * usize::from(channels))
            .map(|index| (chunk * 7 + index) as i16)
            .collect();
        recorder.push(id, samples).unwrap();
    }
}

fn wait_for<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_finished_recording_is_a_wav_in_the_application_folder() {
    let folder = Folder::new("finished");
    let config = RecordingConfig::under(&folder.0);
    let (recorder, threads) = Recorder::start(&config).unwrap();
    let (id, name, outcome) = begin(&recorder, 2);
    push(&recorder, id, 2, 3_100);
    recorder.finish(id, None).unwrap();
    let outcome = outcome.recv_timeout(Duration::from_secs(10)).unwrap();
    let bytes = 44 + 3_100 * 8 * 2 * 2;
    assert_eq!(
        outcome,
        Outcome::Published {
            bytes,
            length_ms: 3_100
        }
    );
    let mut wav = hound::WavReader::open(config.path_of("7", &name.object)).unwrap();
    assert_eq!(
        (wav.spec().channels, wav.spec().sample_rate, wav.duration()),
        (2, 8_000, 24_800)
    );
    assert_eq!(
        wav.samples::<i16>().nth(321).unwrap().unwrap(),
        8,
        "second chunk, second sample"
    );
    assert!(folder.partial_files().is_empty());
    drop(recorder);
    threads.join();
}

#[test]
fn the_header_is_valid_while_the_call_goes_on_and_nothing_is_served_yet() {
    let folder = Folder::new("growing");
    let config = RecordingConfig::under(&folder.0);
    let (recorder, threads) = Recorder::start(&config).unwrap();
    let (id, name, _outcome) = begin(&recorder, 1);
    push(&recorder, id, 1, 3_000);
    let read = || {
        hound::WavReader::open(folder.partial_files().first()?)
            .ok()
            .map(|wav| wav.duration())
    };
    wait_for("the first file", || {
        read().filter(|&frames| frames == 24_000)
    });
    push(&recorder, id, 1, 500);
    let begun = Instant::now();
    wait_for("the flush", || read().filter(|&frames| frames == 28_000));
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(!config.path_of("7", &name.object).exists());
    drop(recorder);
    threads.join();
    assert!(
        config.path_of("7", &name.object).exists(),
        "an orderly end publishes what is open"
    );
}

#[test]
fn what_a_killed_process_left_is_repaired_and_published() {
    let folder = Folder::new("killed");
    let config = RecordingConfig::under(&folder.0);
    fs::create_dir_all(&config.partial_dir).unwrap();
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let partial = |object: &str| {
        let path = RecordingName::from_stem(&format!("7/{object}")).path_in(&config.partial_dir);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let mut wav = hound::WavWriter::create(partial("long.wav"), spec).unwrap();
    (0..24_000 * 2).for_each(|_| wav.write_sample(5i16).unwrap());
    wav.flush().unwrap();
    // What was written after the last flush of the header, cut in the middle of a frame.
    std::mem::forget(wav);
    let mut all = fs::read(partial("long.wav")).unwrap();
    all.extend_from_slice(&[1; 8_003]);
    fs::write(partial("long.wav"), all).unwrap();
    let wav = hound::WavWriter::create(partial("short.wav"), spec).unwrap();
    wav.finalize().unwrap();
    fs::write(partial("empty.wav"), b"").unwrap();

    // Begun, so the talk was long enough; the last half second had not reached the disk.
    let mut wav = hound::WavWriter::create(partial("soon.wav"), spec).unwrap();
    (0..20_800 * 2).for_each(|_| wav.write_sample(5i16).unwrap());
    wav.finalize().unwrap();

    let mut recovered = recover(&config).unwrap();
    recovered.sort_by_key(|r| r.object.clone());
    assert_eq!(recovered.len(), 2);
    assert_eq!(recovered[1].length_ms, 2_600);
    assert_eq!(
        (recovered[0].object.as_str(), recovered[0].length_ms),
        ("long.wav", 3_250)
    );
    let wav = hound::WavReader::open(config.path_of("7", "long.wav")).unwrap();
    assert_eq!(wav.duration(), 26_000);
    assert!(folder.partial_files().is_empty());
    assert_eq!(
        published(&config, "7", "long.wav"),
        Some(recovered[0].clone())
    );
    assert_eq!(published(&config, "7", "short.wav"), None);
}

#[test]
fn a_disk_that_refuses_fails_the_recording_with_a_reason() {
    let folder = Folder::new("refuses");
    let config = RecordingConfig::under(&folder.0);
    let (recorder, threads) = Recorder::start(&config).unwrap();
    // A file where the folder should be.
    fs::write(config.partial_dir.join("7"), b"").unwrap();
    let (id, _, outcome) = begin(&recorder, 1);
    push(&recorder, id, 1, 4_000);
    recorder.finish(id, None).unwrap();
    let outcome = outcome.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(matches!(outcome, Outcome::Failed(_)));
    drop(recorder);
    threads.join();
}

#[test]
fn a_recording_that_comes_too_late_for_its_record_is_not_left_behind() {
    let folder = Folder::new("late");
    let config = RecordingConfig {
        publish_within: Duration::ZERO,
        ..RecordingConfig::under(&folder.0)
    };
    let (recorder, threads) = Recorder::start(&config).unwrap();
    let (id, name, outcome) = begin(&recorder, 1);
    push(&recorder, id, 1, 4_000);
    recorder.finish(id, None).unwrap();
    let outcome = outcome.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    assert!(!config.path_of("7", &name.object).exists());
    drop(recorder);
    threads.join();
}

#[test]
fn missing_samples_fail_the_recording_and_leave_nothing() {
    let folder = Folder::new("missing");
    let config = RecordingConfig::under(&folder.0);
    let (recorder, threads) = Recorder::start(&config).unwrap();
    let (id, name, outcome) = begin(&recorder, 1);
    push(&recorder, id, 1, 4_000);
    recorder.finish(id, Some("queue full".into())).unwrap();
    let outcome = outcome.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(outcome, Outcome::Failed("queue full".into()));
    assert!(folder.partial_files().is_empty());
    assert!(!config.path_of("7", &name.object).exists());
    drop(recorder);
    threads.join();
}

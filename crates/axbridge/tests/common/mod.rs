//! Running the built program: with a folder of its own, bounded in time, and never left behind.

#![allow(dead_code)] // Each test file uses its part.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A folder that goes away with this value.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let path =
            std::env::temp_dir().join(format!("axbridge-test-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What is in it.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program with these arguments; its temporary files go into `scratch`, and nothing of our environment
/// configures it.
pub fn program(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axbridge"));
    command.args(arguments).env("TMPDIR", scratch.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AXBRIDGE")) {
        command.env_remove(name);
    }
    command
}

/// A running program whose output is read line by line. Killed when dropped.
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Every line so far.
    pub seen: Vec<String>,
    until: Instant,
}

impl Running {
    /// Starts it; both outputs are read as one. It must be over within `longest`.
    pub fn start(mut command: Command, longest: Duration) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for output in outputs {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
        }
        let input = child.stdin.take();
        Running {
            child,
            input,
            lines,
            seen: Vec::new(),
            until: Instant::now() + longest,
        }
    }

    /// Reads until a line holds `text`, and gives that line.
    pub fn line_with(&mut self, text: &str) -> String {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!(
                    "no line with {text:?} ({error}); so far:\n{}",
                    self.seen.join("\n")
                ),
            }
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, text: &str) {
        writeln!(self.input.as_mut().unwrap(), "{text}").unwrap();
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Reads to the end and gives the exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it does not end; so far:\n{}", self.seen.join("\n"))
                }
            }
        }
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program on ports of the system's choice.
pub const CONFIG: &str = r#"
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
[api]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
token = "a-token-for-this-test"
[metrics]
listen = "127.0.0.1:0"
[log]
format = "json"
"#;

/// Starts it and gives it with the fields of its "ready" line and the address of SIP over UDP.
pub fn start(scratch: &Scratch) -> (Running, Value, SocketAddr) {
    let config = format!("{CONFIG}[store]\ndir = {:?}\n", scratch.path().join("data"));
    let file = scratch.file("axbridge.toml", &config);
    let command = program(scratch, &["serve", "--config", file.to_str().unwrap()]);
    let mut running = Running::start(command, Duration::from_secs(60));
    let fields = |line: &str| serde_json::from_str::<Value>(line).unwrap()["fields"].take();
    let sip = fields(&running.line_with("\"SIP\""));
    let ready = fields(&running.line_with("\"ready\""));
    assert_eq!(sip["transport"], "UDP");
    let sip = sip["address"].as_str().unwrap().parse().unwrap();
    (running, ready, sip)
}

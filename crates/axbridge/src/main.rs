//! axbridge: the number-masking call platform, one program.

mod config;
mod control;
mod demo;
mod directory;
mod logging;
mod metrics;
mod oracle;
mod platform;
mod recordings;
mod secret;
mod serve;
mod sign;
mod texts;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

#[derive(Parser)]
#[command(
    name = "axbridge",
    version,
    about = "Number masking on your own SIP trunks: two people talk, neither learns the other's number."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the platform until SIGTERM or SIGINT.
    Serve {
        /// Configuration file; without it the defaults.
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// Shows it: the platform on loopback, two simulated carriers, one call, and what was verified.
    Demo(demo::Options),
    /// Says whether a configuration can be used.
    CheckConfig {
        /// Configuration file.
        file: PathBuf,
    },
    /// Prints the headers that sign one request of a customer, for `curl --config -`.
    Sign {
        /// The application's key.
        #[arg(long)]
        key: String,
        /// Its secret; better in the environment variable AXBRIDGE_SECRET.
        #[arg(long, env = "AXBRIDGE_SECRET", hide_env_values = true)]
        secret: String,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("axbridge: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve { config } => {
            let config = Config::load(config.as_deref(), std::env::vars())?;
            logging::start(&config.log)?;
            serve::run(config)
        }
        Command::Demo(options) => demo::run(&options),
        Command::CheckConfig { file } => {
            Config::load(Some(&file), std::env::vars())?;
            println!("{}: can be used", file.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Sign { key, secret } => {
            print!("{}", sign::curl_options(&key, &secret));
            Ok(ExitCode::SUCCESS)
        }
    }
}

//! The command line of AI In-between: rendering with either engine, managing weight files and
//! caches, and the server that draws with ToonCrafter for the plug-in.
//!
//! The executable is a thin wrapper around this library, so that tests can call its parts.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod argument_files;
mod cache;
pub mod cli;
mod doctor;
mod failure;
mod generate;
pub mod models;
mod options;
mod pictures;
mod presets;
mod progress;
mod render;
mod retime;
pub mod serve;
mod stdio;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use failure::{Failure, Kind, Result};

use cli::{Command, Man, Models};
use models::{convert, download, inspect, random, verify};
use stdio::errln;

/// Parses `arguments` (the first is the program's name), carries out the command, and returns the
/// exit code: 0, or that of the [`Kind`] of failure.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match argument_files::expanded(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => {
            errln!("inbetween: {failure}");
            return ExitCode::from(failure.kind.code());
        }
    };
    let command = match cli::Cli::try_parse_from(presets::expand(arguments)) {
        Ok(cli) => cli.command,
        Err(err) => {
            // Help and version were requested; everything else is wrong usage.
            let code = if err.use_stderr() { Kind::Usage.code() } else { 0 };
            // Nothing more can be done if even the message cannot be printed.
            let _ = err.print();
            return ExitCode::from(code);
        }
    };
    // The worker logs to its own file.
    if !matches!(&command, Command::Serve(_)) {
        let level = env_logger::Env::default().filter_or("INBETWEEN_LOG", "warn");
        env_logger::Builder::from_env(level).init();
    }
    match execute(command).and_then(|()| stdio::arrived()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            errln!("inbetween: {failure}");
            ExitCode::from(failure.kind.code())
        }
    }
}

/// Carries out `command`.
fn execute(command: Command) -> Result<()> {
    match command {
        Command::Render(arguments) => render::run(&arguments),
        Command::Cache(command) => cache::run(&command),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions(arguments) => {
            let mut command = <cli::Cli as clap::CommandFactory>::command();
            let mut script = Vec::new();
            clap_complete::generate(arguments.shell, &mut command, "inbetween", &mut script);
            stdio::out(format_args!("{}", String::from_utf8_lossy(&script)));
            Ok(())
        }
        Command::Man(arguments) => man(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Retime(arguments) => retime::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments, inbetween_generative::engines),
        Command::Models(Models::Inspect(arguments)) => inspect::run(&arguments),
        Command::Models(Models::Verify(arguments)) => verify::run(&arguments),
        Command::Models(Models::Convert(arguments)) => convert::run(&arguments),
        Command::Models(Models::Download(arguments)) => download::run(&arguments),
        Command::Models(Models::Random(arguments)) => random::run(&arguments),
    }
}

fn man(arguments: &Man) -> Result<()> {
    let command = <cli::Cli as clap::CommandFactory>::command();
    let failed = |err: std::io::Error| Failure::new(Kind::File, format!("manual pages: {err}"));
    match &arguments.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(failed)?;
            clap_mangen::generate_to(command, dir).map_err(failed)
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).map_err(failed)?;
            stdio::out(format_args!("{}", String::from_utf8_lossy(&page)));
            Ok(())
        }
    }
}

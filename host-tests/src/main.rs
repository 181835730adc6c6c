//! The command line of our OpenFX host.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use host_tests::commands::{bench, compare, describe, eval, hostile, render, soak, validate};
use host_tests::host::profile::Profile;

/// An OpenFX host for batch renders and for checking plug-ins.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tells what plug-ins say of themselves: clips and parameters with labels, hints and secrets
    #[command(alias = "list")]
    Describe {
        /// Plug-in files, bundles, or folders with bundles
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// For programs
        #[arg(long)]
        json: bool,
        /// Host to imitate
        #[arg(long, default_value = "natron")]
        profile: String,
    },
    /// Renders frames with a plug-in
    Render(render::RenderArgs),
    /// Checks what a plug-in does under the hosts of this world
    Validate(validate::ValidateArgs),
    /// Counts the pixels in which pictures differ
    Compare(compare::CompareArgs),
    /// Draws the in-betweens of a set of key pairs
    Eval(eval::EvalArgs),
    /// Times the plug-in beside known work
    Bench(bench::BenchArgs),
    /// Renders many frames with random parameters and watches memory and open files
    Soak(soak::SoakArgs),
    /// Calls a plug-in from many threads as no good host does, and looks whether it stands it
    Hostile(hostile::HostileArgs),
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Describe { paths, json, profile } => {
            let profile = Profile::find(&profile)
                .with_context(|| format!("there is no profile {profile}"))?;
            let mut plugins = Vec::new();
            for path in &paths {
                plugins.extend(describe::describe(path, profile)?);
            }
            if json {
                println!("{}", serde_json::to_string_pretty(&plugins)?);
            } else {
                describe::print(&plugins);
            }
            Ok(())
        }
        Command::Render(args) => render::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Hostile(args) => hostile::run(&args),
    }
}

/// Ends this program silently when its reader goes, as in `host-tests describe … | head`. Other
/// programs do the same, but Rust would panic.
fn end_with_the_reader() {
    #[cfg(unix)]
    // SAFETY: no other code runs yet, and the default action is always allowed.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

fn main() -> ExitCode {
    end_with_the_reader();
    env_logger::init();
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! `validate`: runs checks, each in a separate process with a time limit, and reports.

use std::{
    collections::{HashMap, hash_map::Entry},
    ffi::OsString,
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    checks::{CHECKS, Check, fixture::Fixture, outcome::Outcome},
    commands::render::progress_bar,
    host::binary::{self, Binary},
    host::profile::{PROFILES, Profile},
};

/// Checks of a plug-in.
#[derive(Args, Clone, Debug)]
pub struct ValidateArgs {
    /// The plug-in: an .ofx file, a bundle, or a folder with one
    #[arg(required_unless_present = "list_checks")]
    pub plugin: Option<PathBuf>,
    /// Identifier of the effect; by default all of the file
    #[arg(long)]
    pub id: Option<String>,
    /// Hosts to imitate; by default all: natron, nuke, resolve, fusion, mlt, bare
    #[arg(long = "profile", value_name = "PROFILE")]
    pub profiles: Vec<String>,
    /// Checks to run; by default all
    #[arg(long = "only", value_name = "CHECK")]
    pub only: Vec<String>,
    /// The only context to check: general, filter, transition …
    #[arg(long)]
    pub context: Option<String>,
    /// A parameter of every instance, where the context has it: ID=VALUE
    #[arg(long = "set", value_name = "ID=VALUE")]
    pub set: Vec<String>,
    /// Seed of the random cases; by default another one each time
    #[arg(long)]
    pub seed: Option<u64>,
    /// Seconds that a check may take
    #[arg(long, default_value_t = 60)]
    pub time_limit: u64,
    /// Checks run at once
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Runs the checks in this process, for a debugger
    #[arg(long)]
    pub in_process: bool,
    /// For programs: one line of JSON per check
    #[arg(long)]
    pub json: bool,
    /// Leaves out what is well
    #[arg(long)]
    pub quiet: bool,
    /// Describes the checks and the profiles, and runs none
    #[arg(long)]
    pub list_checks: bool,
}

/// The outcome of one check.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Identifier of the plug-in.
    pub id: String,
    /// Imitated host.
    pub profile: &'static str,
    /// Name of the check.
    pub check: &'static str,
    /// Its outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Duration in seconds, including the start of its process.
    pub seconds: f64,
}

/// Runs the `validate` command; fails if a check failed or crashed.
///
/// # Errors
/// When an argument makes no sense, or a check failed.
pub fn run(args: &ValidateArgs) -> Result<()> {
    if args.list_checks {
        describe_checks();
        return Ok(());
    }
    let executable = std::env::current_exe().context("cannot find this program's own file")?;
    let reports = validate(args, &executable)?;
    for report in &reports {
        if args.json {
            println!("{}", serde_json::to_string(report)?);
        }
    }
    if !args.json {
        print(&reports, args.quiet);
    }
    let bad = reports.iter().filter(|report| report.outcome.is_bad()).count();
    if bad > 0 {
        bail!("{bad} of {} checks failed", reports.len());
    }
    Ok(())
}

/// Runs the chosen checks with the chosen profiles, in child processes of `executable` unless
/// `--in-process` is set.
///
/// # Errors
/// When an argument makes no sense or the plug-in's file cannot be opened. A failed check is not an
/// error here.
pub fn validate(args: &ValidateArgs, executable: &Path) -> Result<Vec<Report>> {
    let Some(path) = &args.plugin else { bail!("there is no plug-in to check") };
    let path = binary::find_one(path)?;
    let seed = args.seed.unwrap_or_else(seed_of_now);
    let mut settings = Vec::new();
    for text in &args.set {
        let (id, value) =
            text.split_once('=').with_context(|| format!("--set {text}: use ID=VALUE"))?;
        settings.push((id.to_owned(), value.to_owned()));
    }
    let ids = match &args.id {
        Some(id) => vec![id.clone()],
        None => Binary::open(&path)?.ids(),
    };
    let mut tasks = Vec::new();
    for id in &ids {
        for profile in profiles(args)? {
            for check in checks(args)? {
                let mut fixture = Fixture::new(path.clone(), Some(id.clone()), profile, seed);
                fixture.context = args.context.clone();
                fixture.settings = settings.clone();
                tasks.push((fixture, check));
            }
        }
    }
    let finish = |fixture: &Fixture, check: &'static Check, outcome, started: Instant| Report {
        id: fixture.id.clone().unwrap_or_default(),
        profile: fixture.profile.id,
        check: check.name,
        outcome,
        seconds: started.elapsed().as_secs_f64(),
    };
    if args.in_process {
        let reports = tasks.iter().map(|(fixture, check)| {
            let started = Instant::now();
            finish(fixture, check, check.run(fixture), started)
        });
        return Ok(told_once(reports.collect()));
    }
    let limit = Duration::from_secs(args.time_limit);
    let jobs =
        args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    let bar = progress_bar(tasks.len(), "checks");
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, tasks.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some((fixture, check)) = tasks.get(at) else { break };
                    let started = Instant::now();
                    let outcome = isolated(executable, fixture, check, limit);
                    reports.lock().push((at, finish(fixture, check, outcome, started)));
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut reports = reports.into_inner();
    reports.sort_by_key(|(at, _)| *at);
    Ok(told_once(reports.into_iter().map(|(_, report)| report).collect()))
}

/// If several checks of a plug-in with one host fail with the same words, for example because no
/// instance can be created, that is reported as one failure: the other checks did not get as far as
/// their own subject.
fn told_once(mut reports: Vec<Report>) -> Vec<Report> {
    let mut told = HashMap::new();
    for report in &mut reports {
        let Outcome::Failed(text) = &report.outcome else { continue };
        let context = |(first, _): &(&str, &str)| first.chars().all(char::is_alphanumeric);
        let fault = text.split_once(": ").filter(context).map_or(text.as_str(), |(_, fault)| fault);
        match told.entry((report.id.clone(), report.profile, fault.to_owned())) {
            Entry::Vacant(free) => {
                free.insert(report.check);
            }
            Entry::Occupied(first) => {
                let text = format!("ends as {} does, which failed", first.get());
                report.outcome = Outcome::Skipped(text);
            }
        }
    }
    reports
}

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |since| u64::from(since.subsec_nanos()) % 1_000_000)
}

fn profiles(args: &ValidateArgs) -> Result<Vec<&'static Profile>> {
    if args.profiles.is_empty() {
        return Ok(PROFILES.iter().collect());
    }
    let find = |id: &String| {
        let known: Vec<_> = PROFILES.iter().map(|profile| profile.id).collect();
        Profile::find(id)
            .with_context(|| format!("there is no profile {id}; use {}", known.join(", ")))
    };
    args.profiles.iter().map(find).collect()
}

fn checks(args: &ValidateArgs) -> Result<Vec<&'static Check>> {
    if args.only.is_empty() {
        return Ok(CHECKS.iter().collect());
    }
    let find = |name: &String| {
        Check::find(name)
            .with_context(|| format!("there is no check {name}; see validate --list-checks"))
    };
    args.only.iter().map(find).collect()
}

/// Runs one check in a child process.
fn isolated(executable: &Path, fixture: &Fixture, check: &Check, limit: Duration) -> Outcome {
    match child(executable, fixture, check, limit) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Crashed(format!("{error:#}")),
    }
}

fn child(executable: &Path, fixture: &Fixture, check: &Check, limit: Duration) -> Result<Outcome> {
    // Each check has an empty folder for its cache and temporary files, so that nothing left by one
    // check can help another.
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut command = Command::new(executable);
    command.args(["validate", "--in-process", "--json", "--only", check.name]);
    command.args(["--profile", fixture.profile.id, "--seed", &fixture.seed.to_string()]);
    if let Some(id) = &fixture.id {
        command.args(["--id", id]);
    }
    if let Some(context) = &fixture.context {
        command.args(["--context", context]);
    }
    for (id, value) in &fixture.settings {
        command.arg("--set").arg(OsString::from(format!("{id}={value}")));
    }
    command.arg("--").arg(&fixture.path);
    for variable in ["XDG_CACHE_HOME", "TMPDIR", "TEMP", "TMP"] {
        command.env(variable, folder.path());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start a process for the check")?;
    // Read while the check runs, because a full pipe would block it.
    let reader = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                // If reading fails, what has been read so far is used.
                let _ = stream.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = reader(child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>));
    let stderr = reader(child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for the check")? {
            break status;
        }
        if started.elapsed() > limit {
            child.kill().context("cannot end the check")?;
            child.wait().context("cannot end the check")?;
            bail!("not done after {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = stdout.join().unwrap_or_default();
    let errors = stderr.join().unwrap_or_default();
    let line = text.lines().rev().find(|line| line.starts_with('{'));
    match line.and_then(|line| serde_json::from_str::<Outcome>(line).ok()) {
        Some(outcome) => Ok(outcome),
        None => {
            let last =
                errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            bail!(
                "the process ended with {status}{}{last}",
                if last.is_empty() { "" } else { ": " }
            )
        }
    }
}

fn print(reports: &[Report], quiet: bool) {
    let coloured = std::io::stdout().is_terminal();
    let mut heading = String::new();
    for (at, report) in reports.iter().enumerate() {
        let (word, text) = report.outcome.parts();
        // Checks that are skipped for the same reason are listed together.
        let same = |other: &&Report| {
            (other.profile, &other.id, &other.outcome)
                == (report.profile, &report.id, &report.outcome)
        };
        let skipped = matches!(report.outcome, Outcome::Skipped(_));
        if skipped && reports[..at].iter().any(|other| same(&other)) {
            continue;
        }
        let others = if skipped { reports[at + 1..].iter().filter(same).count() } else { 0 };
        let text = match others {
            0 => text.to_owned(),
            more => format!("and {more} more: {text}"),
        };
        if quiet && matches!(report.outcome, Outcome::Success(_)) {
            continue;
        }
        let new = format!("{} under {}", report.id, report.profile);
        if new != heading {
            println!("{new}");
            heading = new;
        }
        let colour = match report.outcome {
            Outcome::Success(_) => "32",
            Outcome::Warning(_) => "33",
            Outcome::Failed(_) | Outcome::Crashed(_) => "31",
            Outcome::Skipped(_) => "36",
        };
        let word =
            if coloured { format!("\x1b[{colour}m{word:<8}\x1b[0m") } else { format!("{word:<8}") };
        println!("  {word} {:<22} {text}", report.check);
    }
    let count =
        |wanted: &str| reports.iter().filter(|report| report.outcome.parts().0 == wanted).count();
    let counts = ["success", "warning", "failed", "crashed", "skipped"]
        .map(|word| format!("{} {word}", count(word)));
    let mut reasons: Vec<_> = reports
        .iter()
        .filter(|report| matches!(report.outcome, Outcome::Skipped(_)))
        .map(|report| (report.profile, &report.id, report.outcome.parts().1))
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    let reasons = match reasons.len() {
        0 => String::new(),
        1 => " for 1 reason".to_owned(),
        count => format!(" for {count} reasons"),
    };
    println!("{} checks: {}{reasons}", reports.len(), counts.join(", "));
}

fn describe_checks() {
    for check in CHECKS {
        println!("{} ({:?})\n    {}", check.name, check.theme, check.about);
    }
    println!("\nProfiles");
    for profile in &PROFILES {
        println!("{}\n    {}", profile.id, profile.about);
    }
}

//! Finding the executable and starting the worker.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::RemoteConfig;
use super::endpoint::{LOG_VARIABLE, SOCKET_VARIABLE};
use crate::{Control, Error, program};

/// Environment variable that names the executable.
pub const WORKER_VARIABLE: &str = "INBETWEEN_WORKER";

/// How long the worker may take to start; it loads nothing while it does.
const START: Duration = Duration::from_secs(60);

/// The executable for NVIDIA cards: a separate download that most machines do not need.
const WITH_CUDA: &str = "inbetween-cuda";

/// The user's own folder for the NVIDIA executable; `None` for a user without a home directory.
#[must_use]
pub fn own_programs() -> Option<PathBuf> {
    Some(
        directories::ProjectDirs::from("org", "inbetween", "AIInbetween")?
            .data_local_dir()
            .join("bin"),
    )
}

/// Looks for the executable in this order: the one `chosen`, the one from the environment, the
/// NVIDIA one in the user's own folder or in the folder `beside`, the plain one in `beside`, and
/// the one on the search path.
///
/// # Errors
/// [`Error::Worker`] when there is none, or when the chosen one does not exist.
pub fn find(chosen: Option<&Path>, beside: Option<&Path>) -> Result<PathBuf, Error> {
    find_with(chosen, beside, own_programs().as_deref(), |name| std::env::var_os(name))
}

fn find_with(
    chosen: Option<&Path>,
    beside: Option<&Path>,
    own: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, Error> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let named = chosen.map(Path::to_owned).or_else(|| set(WORKER_VARIABLE).map(PathBuf::from));
    if let Some(path) = named {
        if path.is_file() {
            // A host may change its working directory later.
            return Ok(std::path::absolute(&path).unwrap_or(path));
        }
        return Err(Error::Worker {
            reason: format!("was not found at {}", path.display()),
            advice: format!("Correct the setting, or the variable {WORKER_VARIABLE}."),
        });
    }
    let named = |name: &str| format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = set("PATH").unwrap_or_default();
    let with_cuda = own.into_iter().chain(beside).map(|folder| folder.join(named(WITH_CUDA)));
    let folders = beside.map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
    let plain = folders.map(|folder| folder.join(named("inbetween")));
    // Skips empty and relative entries of the search path, which depend on where the host was
    // started.
    let mut files = with_cuda.chain(plain).filter(|file| file.is_absolute());
    files.find(|file| file.is_file()).ok_or_else(|| Error::Worker {
        reason: "was not found: there is no executable `inbetween`".into(),
        advice: format!(
            "Install the whole plug-in bundle, or name the executable by {WORKER_VARIABLE}."
        ),
    })
}

/// Starts the worker and returns once it, or another one, is listening.
///
/// The process started here only starts the actual worker and ends, so that the host has no child
/// process to look after.
///
/// # Errors
/// [`Error::Cancelled`]; [`Error::Worker`] with the executable's own message.
pub(super) fn start(
    executable: &Path,
    config: &RemoteConfig,
    control: &Control,
) -> Result<(), Error> {
    config.endpoint.prepare()?;
    let mut command = program::command(executable);
    command.args(["serve", "--background"]);
    if let Some(idle) = config.idle {
        command.arg("--idle-seconds").arg(idle.as_secs().to_string());
    }
    command.env(SOCKET_VARIABLE, config.endpoint.dir());
    command.env(LOG_VARIABLE, &config.log_dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    log::info!("starting the worker {}", executable.display());
    let failed = |reason: String| Error::Worker {
        reason: format!("could not be started ({reason})"),
        advice: format!(
            "Try `{} serve` in a terminal; its log is in {}.",
            executable.display(),
            config.log_dir.display()
        ),
    };
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let ended = wait(&mut child, control);
    if !matches!(ended, Ok(Some(_))) {
        let _ = child.kill();
        let _ = child.wait();
    }
    match ended? {
        Some(true) => Ok(()),
        Some(false) => {
            let mut said = Vec::new();
            if let Some(pipe) = child.stderr.take() {
                // It has ended, so its whole output is in the pipe.
                let _ = pipe.take(4096).read_to_end(&mut said);
            }
            Err(failed(String::from_utf8_lossy(&said).trim().to_owned()))
        }
        None => Err(failed(format!("it took more than {} s", START.as_secs()))),
    }
}

/// Whether it ended successfully; `None` if it does not end.
fn wait(child: &mut Child, control: &Control) -> Result<Option<bool>, Error> {
    let since = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status.success())),
            Ok(None) if since.elapsed() > START => return Ok(None),
            Ok(None) => {}
            // The host itself reaps every child of the process. So this one has ended, but its
            // status is lost.
            Err(_) => return Ok(Some(true)),
        }
        control.check()?;
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = if cfg!(windows) { "inbetween.exe" } else { "inbetween" };

    fn folder_with_executable() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(NAME);
        std::fs::write(&file, b"").unwrap();
        (dir, file)
    }

    #[test]
    fn setting_then_environment_then_bundle_then_search_path() {
        let [(_a, set), (_b, environment), (c, beside), (d, path)] =
            std::array::from_fn(|_| folder_with_executable());
        let variables = |with_worker: bool| {
            let (environment, path) = (environment.clone(), d.path().to_owned());
            move |name: &str| match name {
                WORKER_VARIABLE if with_worker => Some(environment.clone().into_os_string()),
                "PATH" => Some(path.clone().into_os_string()),
                _ => None,
            }
        };
        let found =
            |chosen, beside, with| find_with(chosen, beside, None, variables(with)).unwrap();
        assert_eq!(found(Some(&set), Some(c.path()), true), set);
        assert_eq!(found(None, Some(c.path()), true), environment);
        assert_eq!(found(None, Some(c.path()), false), beside);
        assert_eq!(found(None, None, false), path);
    }

    #[test]
    fn the_one_for_nvidia_cards_goes_before_the_one_of_the_bundle() {
        let (bundle, plain) = folder_with_executable();
        let own = tempfile::tempdir().unwrap();
        let found = || find_with(None, Some(bundle.path()), Some(own.path()), |_| None).unwrap();
        assert_eq!(found(), plain);
        for folder in [bundle.path(), own.path()] {
            let with_cuda = folder.join(format!("{WITH_CUDA}{}", std::env::consts::EXE_SUFFIX));
            std::fs::write(&with_cuda, b"").unwrap();
            assert_eq!(found(), with_cuda);
        }
    }

    #[test]
    fn what_is_not_there_is_said_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent");
        let message = find_with(Some(&absent), None, None, |_| None).unwrap_err().user_message();
        assert!(message.contains("absent") && message.contains(WORKER_VARIABLE), "{message}");
        let message = find_with(None, Some(dir.path()), None, |_| None).unwrap_err().user_message();
        assert!(message.contains("bundle"), "{message}");
    }
}

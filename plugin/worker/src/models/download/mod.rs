//! `models download`: fetches the published weights from their public home, after the licence is
//! accepted.
//!
//! The `hf-hub` crate handles addresses, digests and access tokens. The transfer itself is done
//! here in pieces, because it must survive broken connections: the bytes received so far are kept
//! in a file beside the destination, named after the digest, and the next piece or the next run
//! continues from there. The finished file is renamed into place only if its SHA-256 is the
//! published one.

mod transfer;

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo};
use serde::Serialize;

use super::print_json;
use crate::cli::Download;
use crate::failure::{Failure, Kind, Result};
use crate::progress;
use crate::stdio::{self, outln};

/// Where the authors published the weights.
pub const REPOSITORY: &str = "Doubiiu/ToonCrafter";

/// The main checkpoint.
pub const MODEL: &str = "model.ckpt";

/// The sketch encoder.
pub const SKETCH: &str = "sketch_encoder.ckpt";

const LICENCE: &str = "\
ToonCrafter: Generative Cartoon Interpolation (2024), 512 x 320 interpolation model.
Weights by Jinbo Xing, Hanyuan Liu, Menghan Xia, Yong Zhang, Xintao Wang, Ying Shan and
Tien-Tsin Wong, published at https://huggingface.co/Doubiiu/ToonCrafter under the
Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0).
They are not part of AI In-between. You may use, change and share them, also commercially, if
you keep their notices; they come without warranty.
";

/// A server of published files, and the timing and size of requests to it.
#[derive(Clone, Debug)]
pub struct Server {
    /// A server other than the public one.
    pub endpoint: Option<String>,
    /// Pause before the first retry; it doubles with each further one.
    pub pause: Duration,
    /// Number of retries without a single new byte before giving up.
    pub repetitions: u32,
    /// Number of bytes requested at once.
    pub piece: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self { endpoint: None, pause: Duration::from_secs(1), repetitions: 6, piece: 64 << 20 }
    }
}

/// What the server says about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The address of its contents.
    pub url: String,
    /// SHA-256 of its contents, in hex.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The revision of the repository.
    pub commit: String,
}

/// A file that is now present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// Where it is.
    pub file: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its contents, in hex; verified.
    pub sha256: String,
    /// Bytes that had been received in an earlier run. If nothing was left to fetch, this is the
    /// whole size.
    pub resumed_from: u64,
}

pub(crate) fn run(arguments: &Download) -> Result<()> {
    if !arguments.json {
        outln!("{LICENCE}");
    }
    if !arguments.accept_licence {
        ask()?;
    }
    let folder = match &arguments.dir {
        Some(folder) => folder.clone(),
        None => default_folder()?,
    };
    let server = Server { endpoint: arguments.endpoint.clone(), ..Server::default() };
    let wanted: &[&str] = if arguments.sketch { &[MODEL, SKETCH] } else { &[MODEL] };
    let mut fetched = Vec::new();
    for name in wanted {
        let bar = progress::of_bytes(name);
        let done = fetch(&server, name, &folder, &mut progress::reporter(&bar))?;
        bar.finish_and_clear();
        if !arguments.json {
            outln!("{}: {} bytes, SHA-256 {}", done.file.display(), done.bytes, done.sha256);
        }
        fetched.push(done);
    }
    if arguments.json {
        print_json(&fetched);
    }
    Ok(())
}

/// Where AI In-between looks for weights.
///
/// # Errors
/// When the system has no home folder.
pub fn default_folder() -> Result<PathBuf> {
    match directories::ProjectDirs::from("org", "inbetween", "AIInbetween") {
        Some(folders) => Ok(folders.data_dir().join("models")),
        None => Err(Failure::new(Kind::File, "There is no home folder; give one with --dir.")),
    }
}

fn ask() -> Result<()> {
    let declined = |why: &str| Failure::new(Kind::Licence, why);
    if !std::io::stdin().is_terminal() {
        return Err(declined("Nothing was fetched: accept the licence with --accept-licence."));
    }
    stdio::out(format_args!("Accept the licence and fetch the weights? [y/N] "));
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(declined("Nothing was fetched: the licence was not accepted.")),
    }
}

/// Makes sure that the published file `name` is in `folder`, complete and verified. A copy that
/// another program has already fetched is used where it is.
///
/// `progress` is called with the number of bytes received and the whole size.
///
/// # Errors
/// [`Kind::Network`] when the server cannot be reached, fails, or sends something other than it has
/// listed; [`Kind::File`] when the folder cannot be written to.
pub fn fetch(
    server: &Server,
    name: &str,
    folder: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Fetched> {
    let listing = look_up(server, name)?;
    let shared = Cache::from_env().repo(repository()).get(name);
    for copy in [Some(folder.join(name)), shared].into_iter().flatten() {
        if transfer::is_copy(&copy, &listing, progress) {
            let Listing { size, sha256, .. } = listing;
            return Ok(Fetched { file: copy, bytes: size, sha256, resumed_from: size });
        }
    }
    std::fs::create_dir_all(folder)
        .map_err(|err| Failure::new(Kind::File, format!("{}: {err}", folder.display())))?;
    transfer::fetch(server, &listing, &folder.join(name), progress)
}

fn repository() -> Repo {
    Repo::model(REPOSITORY.into())
}

/// Asks the server for `name`, and tries again if it does not answer.
fn look_up(server: &Server, name: &str) -> Result<Listing> {
    let mut pause = server.pause;
    for repetition in 0.. {
        match look_up_once(server, name) {
            Err(LookUpError::Passing(_)) if repetition < server.repetitions => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            // Report a missing network at once, rather than after a minute of silence.
            Err(LookUpError::Unreachable(_)) if repetition < server.repetitions.min(1) => {
                std::thread::sleep(pause);
            }
            Err(LookUpError::Unreachable(why)) => {
                return Err(Failure::new(
                    Kind::Network,
                    format!(
                        "{name} cannot be fetched: {} cannot be reached ({why}). Is there a network, and does \
                         it need a proxy (HTTPS_PROXY)? Elsewhere fetched files can be copied: see \
                         --checkpoint.",
                        server.endpoint.as_deref().unwrap_or("huggingface.co")
                    ),
                ));
            }
            Err(LookUpError::Passing(why) | LookUpError::Final(why)) => {
                return Err(Failure::new(
                    Kind::Network,
                    format!("{name} cannot be fetched: {why}."),
                ));
            }
            Ok(listing) => return Ok(listing),
        }
    }
    unreachable!("the last repetition returns")
}

/// Why a request to the server failed.
enum LookUpError {
    /// No connection was made at all.
    Unreachable(String),
    /// The request may succeed the next time.
    Passing(String),
    /// The request will never succeed.
    Final(String),
}

fn look_up_once(server: &Server, name: &str) -> std::result::Result<Listing, LookUpError> {
    /// How long the answer may take.
    const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
    let mut builder = ApiBuilder::from_env().with_progress(false);
    if let Some(endpoint) = &server.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    let api = builder.build().map_err(|err| LookUpError::Final(err.to_string()))?;
    let url = api.repo(repository()).url(name);
    let (sender, answer) = mpsc::channel();
    let asked = url.clone();
    // The library waits for ever for a silent server, so it runs in a separate thread.
    std::thread::spawn(move || sender.send(api.metadata(&asked)));
    let metadata = match answer.recv_timeout(ANSWER_TIMEOUT) {
        Ok(Ok(metadata)) => metadata,
        Ok(Err(err)) => return Err(look_up_error(&err)),
        Err(_) => return Err(LookUpError::Unreachable("the server does not answer".into())),
    };
    let (sha256, size, commit) =
        (metadata.etag(), metadata.size() as u64, metadata.commit_hash().to_owned());
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(LookUpError::Final(format!(
            "the server names no SHA-256 for it, but {sha256:?}"
        )));
    }
    Ok(Listing { url, sha256: sha256.to_ascii_lowercase(), size, commit })
}

/// Whether no connection could be made at all.
fn is_unreachable(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
    )
}

fn look_up_error(err: &ApiError) -> LookUpError {
    match err {
        ApiError::RequestError(err) => match **err {
            ureq::Error::StatusCode(401 | 403) => {
                LookUpError::Final("the server wants you to log in; set HF_TOKEN".into())
            }
            ureq::Error::StatusCode(404) => {
                LookUpError::Final(format!("{REPOSITORY} no longer has it"))
            }
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
                LookUpError::Unreachable(err.to_string())
            }
            ureq::Error::Io(ref io) if is_unreachable(io) => {
                LookUpError::Unreachable(err.to_string())
            }
            ref err => LookUpError::Passing(err.to_string()),
        },
        err => LookUpError::Passing(err.to_string()),
    }
}

//! Transfers one file: in pieces, resumable, and verified.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::Cache;
use sha2::{Digest, Sha256};
use ureq::config::RedirectAuthHeaders;

use super::{Fetched, Listing, Server};
use crate::failure::{Failure, Kind, Result};

/// Whether the file at `path` is the listed one. Reads the whole file if its size matches.
pub(super) fn is_copy(path: &Path, listing: &Listing, progress: &mut dyn FnMut(u64, u64)) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    if file.metadata().map_or(true, |metadata| metadata.len() != listing.size) {
        return false;
    }
    let mut hasher = Sha256::new();
    match digest(&mut file, &mut hasher, &mut |done| progress(done, listing.size)) {
        Ok(_) => hex(hasher) == listing.sha256,
        Err(_) => false,
    }
}

/// Fetches the listed file to `path`, continuing where an earlier run stopped.
pub(super) fn fetch(
    server: &Server,
    listing: &Listing,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Fetched> {
    let part_path = part_of(path, listing);
    let unwritable = |err: std::io::Error| {
        let reason = match err.kind() {
            ErrorKind::StorageFull => {
                format!("the disk is full; {} bytes are needed", listing.size)
            }
            _ => err.to_string(),
        };
        Failure::new(Kind::File, format!("{}: {reason}", part_path.display()))
    };
    let file = OpenOptions::new().create(true).read(true).append(true).open(&part_path);
    let file = file.map_err(unwritable)?;
    if file.try_lock().is_err() {
        let message = format!("{} is already being fetched.", path.display());
        return Err(Failure::new(Kind::File, message));
    }

    let mut part = Part { file, hasher: Sha256::new(), length: 0 };
    part.read_again(listing, progress).map_err(unwritable)?;
    let resumed_from = part.length;
    let agent = agent();
    let (mut pause, mut repetitions) = (server.pause, 0);
    while part.length < listing.size {
        let before = part.length;
        let mut report = |length| progress(length, listing.size);
        match fetch_piece(&agent, server, listing, &mut part, &mut report) {
            Ok(()) => {}
            Err(WireError::Disk(err)) => return Err(unwritable(err)),
            Err(WireError::Connection(why)) => {
                log::info!("{}: {why}", path.display());
                if part.length > before {
                    (pause, repetitions) = (server.pause, 0);
                } else if repetitions == server.repetitions {
                    let message = format!(
                        "The connection broke after {} of {} bytes ({why}). Run the command again to go on.",
                        part.length, listing.size
                    );
                    return Err(Failure::new(Kind::Network, message));
                }
                repetitions += 1;
                std::thread::sleep(pause);
                pause *= 2;
            }
        }
    }
    let found = hex(part.hasher);
    if found != listing.sha256 {
        drop(part.file);
        // The next run must not continue from this file. If it cannot be deleted, it does no other
        // harm.
        let _ = std::fs::remove_file(&part_path);
        let message = format!(
            "{} arrived damaged: its SHA-256 is {found}, published is {}. Fetch it again.",
            path.display(),
            listing.sha256
        );
        return Err(Failure::new(Kind::Network, message));
    }
    part.file.sync_all().map_err(unwritable)?;
    std::fs::rename(&part_path, path).map_err(unwritable)?;
    Ok(Fetched { file: path.into(), bytes: listing.size, sha256: found, resumed_from })
}

/// The partial file, beside the destination and named after the digest, so that another version
/// starts from scratch.
fn part_of(path: &Path, listing: &Listing) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.{}.part", &listing.sha256[..16]))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        // The time limit for one piece. Whatever has been received by then is kept.
        .timeout_recv_body(Some(Duration::from_secs(900)))
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .build()
        .into()
}

/// The part of a file received so far.
struct Part {
    file: File,
    hasher: Sha256,
    length: u64,
}

impl Part {
    /// Hashes the bytes from an earlier run, to continue from there.
    fn read_again(
        &mut self,
        listing: &Listing,
        progress: &mut dyn FnMut(u64, u64),
    ) -> std::io::Result<()> {
        if self.file.metadata()?.len() > listing.size {
            self.file.set_len(0)?;
        }
        self.file.seek(SeekFrom::Start(0))?;
        let mut report = |done| progress(done, listing.size);
        self.length = digest(&mut self.file, &mut self.hasher, &mut report)?;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn start_over(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(())
    }
}

/// Why a piece did not arrive.
enum WireError {
    Connection(String),
    Disk(std::io::Error),
}

fn fetch_piece(
    agent: &ureq::Agent,
    server: &Server,
    listing: &Listing,
    part: &mut Part,
    report: &mut dyn FnMut(u64),
) -> std::result::Result<(), WireError> {
    let connection = |why: String| WireError::Connection(why);
    let end = listing.size.min(part.length + server.piece);
    let mut request = agent
        .get(&listing.url)
        .header("Range", format!("bytes={}-{}", part.length, end - 1))
        .header("Accept-Encoding", "identity");
    if let Some(token) = Cache::from_env().token() {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let response = request.call().map_err(|err| connection(err.to_string()))?;
    let end = match response.status().as_u16() {
        206 => {
            let range = response.headers().get("content-range").and_then(|v| v.to_str().ok());
            let begins = format!("bytes {}-", part.length);
            if !range.is_some_and(|range| range.starts_with(&begins)) {
                return Err(connection(format!("the server sent {range:?} instead of a piece")));
            }
            end
        }
        200 => {
            // This server sends everything from the start, whatever range is requested.
            part.start_over().map_err(WireError::Disk)?;
            listing.size
        }
        status => return Err(connection(format!("the server answered {status}"))),
    };
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 18];
    while part.length < end {
        let most = buffer.len().min((end - part.length) as usize);
        match body.read(&mut buffer[..most]) {
            Ok(0) => return Err(connection("the server hung up".into())),
            Ok(count) => part.append(&buffer[..count]).map_err(WireError::Disk)?,
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(connection(err.to_string())),
        }
        report(part.length);
    }
    Ok(())
}

/// Hashes the rest of `file`; returns the number of bytes read.
fn digest(
    file: &mut File,
    hasher: &mut Sha256,
    report: &mut dyn FnMut(u64),
) -> std::io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                done += count as u64;
                report(done);
            }
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

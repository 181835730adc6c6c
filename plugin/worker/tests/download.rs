//! Fetching from a local server with the same layout as the public one, including broken
//! connections, wrong contents and other network faults.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inbetween_worker::Kind;
use inbetween_worker::models::download::{Fetched, MODEL, Server, fetch};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// How the server misbehaves.
#[derive(Clone, Default)]
struct Manners {
    /// For this many answers, disconnect after this many bytes.
    hang_up: Option<(usize, usize)>,
    /// Number of connections to refuse before the first answer.
    refuse: usize,
    /// Send everything, whatever range is requested.
    ignore_ranges: bool,
    /// Send a wrong byte at this position.
    corrupt_at: Option<usize>,
    /// Answer every request with this status.
    status: Option<u16>,
    /// List the file with something that is not a digest.
    no_digest: bool,
}

/// A local server with one file.
struct Fake {
    endpoint: String,
    contents: Arc<Vec<u8>>,
    manners: Arc<Mutex<Manners>>,
    /// Start of each requested range.
    asked: Arc<Mutex<Vec<usize>>>,
}

impl Fake {
    fn new(manners: Manners) -> Self {
        let contents: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(97) >> 3) as u8).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            contents: Arc::new(contents),
            manners: Arc::new(Mutex::new(manners)),
            asked: Arc::default(),
        };
        let (contents, manners, asked) =
            (Arc::clone(&fake.contents), Arc::clone(&fake.manners), Arc::clone(&fake.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // It is not the server's failure if a client disconnects.
                let _ = answer(&stream.unwrap(), &contents, &manners, &asked);
            }
        });
        fake
    }

    fn digest(&self) -> String {
        Sha256::digest(&*self.contents).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn server(&self) -> Server {
        Server {
            endpoint: Some(self.endpoint.clone()),
            pause: Duration::from_millis(1),
            repetitions: 3,
            piece: 100_000,
        }
    }

    fn fetch(&self, folder: &TempDir) -> Result<Fetched, inbetween_worker::Failure> {
        fetch(&self.server(), MODEL, folder.path(), &mut |_, _| ())
    }
}

fn answer(
    mut stream: &TcpStream,
    contents: &[u8],
    manners: &Mutex<Manners>,
    asked: &Mutex<Vec<usize>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut range = None;
    for line in lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let line = line.to_ascii_lowercase();
        if let Some(bounds) = line.strip_prefix("range: bytes=") {
            let (from, to) = bounds.split_once('-').unwrap();
            range = Some((from.parse().unwrap(), to.parse().unwrap_or(contents.len() - 1)));
        }
    }
    let mut manners = manners.lock().unwrap();
    if manners.refuse > 0 {
        manners.refuse -= 1;
        return stream.shutdown(Shutdown::Both);
    }
    if let Some(status) = manners.status {
        return write!(
            stream,
            "HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    if path == format!("/Doubiiu/ToonCrafter/resolve/main/{MODEL}") {
        let digest: String =
            Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = if manners.no_digest { "main-12" } else { &digest };
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: http://{}/storage/blob\r\nx-repo-commit: abc123\r\n\
             x-linked-etag: \"{digest}\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            stream.local_addr()?
        );
    }
    assert_eq!(path, "/storage/blob");
    let (from, to) = match range {
        Some((from, to)) if !manners.ignore_ranges || to == 0 => (from, to),
        _ => (0, contents.len() - 1),
    };
    if to > 0 {
        asked.lock().unwrap().push(from);
    }
    let mut body = contents[from..=to].to_vec();
    if let Some(at) = manners.corrupt_at.filter(|at| (from..=to).contains(at)) {
        body[at - from] ^= 0xff;
    }
    let whole = range.is_none() || manners.ignore_ranges && to > 0;
    let status = if whole { "200 OK" } else { "206 Partial Content" };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n", body.len())?;
    if !whole {
        write!(stream, "content-range: bytes {from}-{to}/{}\r\n", contents.len())?;
    }
    write!(stream, "\r\n")?;
    match &mut manners.hang_up {
        Some((after, times)) if *times > 0 && to > 0 => {
            *times -= 1;
            let after = (*after).min(body.len());
            stream.write_all(&body[..after])?;
            stream.shutdown(Shutdown::Both)
        }
        _ => stream.write_all(&body),
    }
}

fn leftovers(folder: &TempDir) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap() != MODEL);
    files
}

#[test]
fn a_file_arrives_in_pieces_and_is_checked() {
    let (fake, folder) = (Fake::new(Manners::default()), TempDir::new().unwrap());
    let mut seen = Vec::new();
    let done = fetch(&fake.server(), MODEL, folder.path(), &mut |done, all| seen.push((done, all)))
        .unwrap();
    assert_eq!(done.file, folder.path().join(MODEL));
    assert_eq!((done.bytes, done.resumed_from), (300_000, 0));
    assert_eq!(done.sha256, fake.digest());
    assert_eq!(fs::read(&done.file).unwrap(), *fake.contents);
    assert_eq!(*fake.asked.lock().unwrap(), [0, 100_000, 200_000]);
    assert!(seen.is_sorted() && seen.last() == Some(&(300_000, 300_000)));
    assert!(leftovers(&folder).is_empty());
}

#[test]
fn broken_connections_are_taken_up_where_they_broke() {
    let manners = Manners { hang_up: Some((30_000, 5)), refuse: 2, ..Manners::default() };
    let (fake, folder) = (Fake::new(manners), TempDir::new().unwrap());
    let done = fake.fetch(&folder).unwrap();
    assert_eq!(fs::read(&done.file).unwrap(), *fake.contents);
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!(asked[..6], [0, 30_000, 60_000, 90_000, 120_000, 150_000]);
}

#[test]
fn the_next_run_goes_on_where_this_one_stopped() {
    let manners = Manners { hang_up: Some((70_000, 1)), ..Manners::default() };
    let (fake, folder) = (Fake::new(manners), TempDir::new().unwrap());
    // After the first answer has broken off, nothing more arrives.
    let failure = fetch(&fake.server(), MODEL, folder.path(), &mut |done, _| {
        if done >= 70_000 {
            fake.manners.lock().unwrap().status = Some(503);
        }
    })
    .unwrap_err();
    assert_eq!(failure.kind, Kind::Network);
    assert!(failure.message.contains("Run the command again to go on"), "{failure}");
    assert_eq!(leftovers(&folder).len(), 1);

    fake.manners.lock().unwrap().status = None;
    fake.asked.lock().unwrap().clear();
    let done = fake.fetch(&folder).unwrap();
    assert_eq!(done.resumed_from, 70_000);
    assert_eq!(fake.asked.lock().unwrap()[0], 70_000);
    assert_eq!(fs::read(&done.file).unwrap(), *fake.contents);
    assert!(leftovers(&folder).is_empty());
}

#[test]
fn a_file_that_is_there_is_checked_and_not_fetched_again() {
    let (fake, folder) = (Fake::new(Manners::default()), TempDir::new().unwrap());
    fake.fetch(&folder).unwrap();
    fake.asked.lock().unwrap().clear();
    assert_eq!(fake.fetch(&folder).unwrap().resumed_from, 300_000);
    assert!(fake.asked.lock().unwrap().is_empty());

    // One byte is changed, so the file is fetched again.
    let mut bytes = fs::read(folder.path().join(MODEL)).unwrap();
    bytes[1000] ^= 1;
    fs::write(folder.path().join(MODEL), bytes).unwrap();
    assert_eq!(fake.fetch(&folder).unwrap().resumed_from, 0);
    assert_eq!(fs::read(folder.path().join(MODEL)).unwrap(), *fake.contents);
}

#[test]
fn wrong_contents_are_noticed_and_thrown_away() {
    let manners = Manners { corrupt_at: Some(123_456), ..Manners::default() };
    let (fake, folder) = (Fake::new(manners), TempDir::new().unwrap());
    let failure = fake.fetch(&folder).unwrap_err();
    assert_eq!(failure.kind, Kind::Network);
    assert!(failure.message.contains("arrived damaged"), "{failure}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_server_without_ranges_is_read_from_the_start() {
    let manners = Manners { ignore_ranges: true, hang_up: Some((50_000, 1)), ..Manners::default() };
    let (fake, folder) = (Fake::new(manners), TempDir::new().unwrap());
    let done = fake.fetch(&folder).unwrap();
    assert_eq!(fs::read(&done.file).unwrap(), *fake.contents);
}

#[test]
fn a_leftover_longer_than_the_file_is_dropped() {
    let (fake, folder) = (Fake::new(Manners::default()), TempDir::new().unwrap());
    let part = folder.path().join(format!("{MODEL}.{}.part", &fake.digest()[..16]));
    fs::write(&part, vec![7; 300_001]).unwrap();
    let done = fake.fetch(&folder).unwrap();
    assert_eq!(done.resumed_from, 0);
    assert_eq!(fs::read(&done.file).unwrap(), *fake.contents);
}

#[test]
fn refusals_of_the_server_are_told_in_words() {
    for (status, words) in [(401, "log in"), (403, "log in"), (404, "no longer has it")] {
        let manners = Manners { status: Some(status), ..Manners::default() };
        let failure = Fake::new(manners).fetch(&TempDir::new().unwrap()).unwrap_err();
        assert_eq!(failure.kind, Kind::Network);
        assert!(failure.message.contains(words), "{failure}");
    }
    let manners = Manners { no_digest: true, ..Manners::default() };
    let failure = Fake::new(manners).fetch(&TempDir::new().unwrap()).unwrap_err();
    assert!(failure.message.contains("no SHA-256"), "{failure}");
}

#[test]
fn no_server_at_all() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server {
        endpoint: Some(format!("http://{closed}")),
        pause: Duration::from_millis(1),
        repetitions: 1,
        piece: 1000,
    };
    let folder = TempDir::new().unwrap();
    let failure = fetch(&server, MODEL, folder.path(), &mut |_, _| ()).unwrap_err();
    assert_eq!(failure.kind, Kind::Network);
}

#[test]
fn a_folder_that_cannot_be_made() {
    let (fake, folder) = (Fake::new(Manners::default()), TempDir::new().unwrap());
    let file = folder.path().join("a file");
    fs::write(&file, b"").unwrap();
    let failure = fetch(&fake.server(), MODEL, &file.join("models"), &mut |_, _| ()).unwrap_err();
    assert_eq!(failure.kind, Kind::File);
}

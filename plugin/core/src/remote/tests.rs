//! Message framing with arbitrary bytes, and errors that keep what the artist needs.

use super::failure::Failure;
use super::protocol::{self, MAX_PIECE, PROTOCOL, Piece, PieceError, ToClient, ToWorker, take};
use super::*;
use crate::settings::{ToonCrafterSettings, WeightRef};
use crate::{EngineInfo, Request, Settings, SketchRef};

fn draw() -> ToWorker {
    let weights = WeightRef { path: "/m.ckpt".into(), fingerprint: ContentHash::of(b"m") };
    let mut tooncrafter = ToonCrafterSettings::new(weights);
    // Numbers that would be rounded by a conversion to decimal.
    (tooncrafter.guidance, tooncrafter.rescale) = (7.5 + f64::EPSILON * 4.0, 0.1 + 0.2);
    let request = Request {
        first: ContentHash::of(b"first"),
        last: ContentHash::of(b"last"),
        sketches: vec![SketchRef { position: 1.0 / 3.0, picture: ContentHash::of(b"s") }],
        pins: Vec::new(),
        neighbours: [None, None],
        position: f64::from_bits(0x3fd5_5555_5555_5553),
        settings: Settings {
            engine: EngineKind::ToonCrafter,
            tooncrafter: Some(Box::new(tooncrafter)),
            ..Settings::default()
        },
    };
    let key = cache::key(&request, "1");
    let cache = Some(CacheDir { dir: "/cache".into(), limit_bytes: 1 << 40 });
    ToWorker::Draw(Box::new(protocol::Draw { request, key, size: (1920, 1080), cache }))
}

/// Deterministic noise: xorshift.
fn noise(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn messages_arrive_bit_for_bit_in_pieces_of_any_size() {
    let sent = [draw(), ToWorker::Fetch, ToWorker::Status, draw()];
    let mut bytes: Vec<u8> =
        sent.iter().flat_map(|message| protocol::message(message).unwrap()).collect();
    bytes.extend(protocol::pixels(&[7; 100]));
    for step in [1, 3, 64, 5000] {
        let (mut buffer, mut got) = (Vec::new(), Vec::new());
        for part in bytes.chunks(step) {
            buffer.extend_from_slice(part);
            while let Some(piece) = take::<ToWorker>(&mut buffer).unwrap() {
                got.push(piece);
            }
        }
        assert!(buffer.is_empty());
        assert_eq!(got.pop(), Some(Piece::Pixels(vec![7; 100])));
        let got: Vec<ToWorker> = got
            .into_iter()
            .map(|piece| match piece {
                Piece::Message(message) => message,
                Piece::Pixels(_) => panic!("pixels were not sent"),
            })
            .collect();
        assert_eq!(got, sent);
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_comes() {
    for length in [0, MAX_PIECE + 1, u32::MAX as usize] {
        let mut bytes = (length as u32).to_le_bytes().to_vec();
        assert_eq!(take::<ToWorker>(&mut bytes), Err(PieceError::TooLong(length)));
    }
    let long = ToClient::Invalid { reason: "a".repeat(MAX_PIECE) };
    assert!(matches!(protocol::message(&long), Err(PieceError::TooLong(_))));
}

#[test]
fn arbitrary_and_damaged_bytes_are_refused_or_waited_for() {
    let mut state = 0x1234_5678_9abc_def1;
    let good = protocol::message(&draw()).unwrap();
    let mut refused = 0;
    for round in 0..20_000 {
        let mut bytes: Vec<u8> = if round % 2 == 0 {
            (0..noise(&mut state) % 200).map(|_| noise(&mut state) as u8).collect()
        } else {
            let mut bytes = good.clone();
            for _ in 0..1 + noise(&mut state) % 8 {
                let at = noise(&mut state) as usize % bytes.len();
                bytes[at] = noise(&mut state) as u8;
            }
            bytes.truncate(noise(&mut state) as usize % (bytes.len() + 1));
            bytes
        };
        let length = bytes.len();
        match take::<ToWorker>(&mut bytes) {
            Ok(None) => assert_eq!(bytes.len(), length),
            Ok(Some(_)) => assert!(bytes.len() < length),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 5_000, "{refused}");
}

#[test]
fn a_deeply_nested_message_is_refused() {
    // Nested arrays of one element, a hundred thousand deep.
    let mut bytes = 100_001_u32.to_le_bytes().to_vec();
    bytes.push(1);
    bytes.extend(std::iter::repeat_n(0x91, 100_000));
    assert!(matches!(take::<ToWorker>(&mut bytes), Err(PieceError::Message(_))));
}

#[test]
fn errors_keep_what_the_artist_needs() {
    let errors = [
        Error::Cancelled,
        Error::Memory {
            device: "GPU 0".into(),
            needed: Some(20_000_000_000),
            available: None,
            advice: "Lower the size.".into(),
        },
        Error::Weights { path: "/m.ckpt".into(), reason: "it is damaged".into() },
        Error::Worker { reason: "was unwell".into(), advice: "Rest.".into() },
        Error::Picture { path: "/a.png".into(), reason: "it is gone".into() },
        Error::Engine { engine: "ToonCrafter", reason: "it broke".into() },
    ];
    for error in errors {
        let failure = Failure::from(&error);
        let bytes = rmp_serde::to_vec_named(&failure).unwrap();
        let back: Error = rmp_serde::from_slice::<Failure>(&bytes).unwrap().into();
        assert_eq!(back.user_message(), error.user_message());
        assert_eq!(back.to_string(), error.to_string());
    }
    let setting = Error::Setting { name: "Steps", value: "0".into(), allowed: "they are more" };
    assert!(Error::from(Failure::from(&setting)).user_message().contains("Steps is 0"));
}

#[test]
fn a_status_survives_its_written_form() {
    let status = Status {
        pid: 7,
        product: "1".into(),
        engine: tooncrafter_version("flow-1"),
        seconds: 3,
        clients: 1,
        running: vec![("drawing".into(), 0.5)],
        waiting: 2,
        about: EngineInfo { memory: Some(1 << 33), ..EngineInfo::default() },
        log: "/log".into(),
    };
    let mut bytes = protocol::message(&ToClient::Status(Box::new(status.clone()))).unwrap();
    let back = take::<ToClient>(&mut bytes).unwrap();
    assert_eq!(back, Some(Piece::Message(ToClient::Status(Box::new(status)))));
    assert_eq!(PROTOCOL, 1);
}

#[test]
fn without_an_executable_the_error_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = RemoteConfig::new(CacheConfig::in_memory(0), "1".into());
    config.endpoint = Endpoint::at(&dir.path().join("s"));
    config.executable = Some(dir.path().join("absent"));
    let engine = RemoteEngine::new(config);
    assert!(engine.status().unwrap().is_none());
    assert!(!engine.stop().unwrap());
    let ToWorker::Draw(draw) = draw() else { unreachable!() };
    let frame = std::sync::Arc::new(crate::Frame::transparent(2, 2).unwrap());
    let job = Job {
        request: draw.request,
        first: frame.clone(),
        last: frame.clone(),
        sketches: vec![frame],
        neighbours: [None, None],
    };
    let message = engine.draw(&job, &Control::default()).unwrap_err().user_message();
    assert!(message.contains("absent") && message.contains(WORKER_VARIABLE), "{message}");
}

/// A process listens but accepts no one, and its backlog is full of connections whose clients have
/// gone.
#[cfg(unix)]
#[test]
fn a_full_backlog_holds_nobody_up() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let dir = tempfile::tempdir().unwrap();
    let mut config = RemoteConfig::new(CacheConfig::in_memory(0), "1".into());
    config.endpoint = Endpoint::at(&dir.path().join("s"));
    config.endpoint.prepare().unwrap();
    let deaf = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&deaf, &SocketAddrUnix::new(config.endpoint.socket_file()).unwrap()).unwrap();
    listen(&deaf, 1).unwrap();
    let mut dead = 0;
    while let Ok(stream) = config.endpoint.connect() {
        drop(stream);
        dead += 1;
        assert!(dead < 100, "the backlog never fills");
    }
    assert_eq!(config.endpoint.connect().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    let engine = RemoteEngine::new(config);
    let ToWorker::Draw(draw) = draw() else { unreachable!() };
    let frame = std::sync::Arc::new(crate::Frame::transparent(2, 2).unwrap());
    let (first, last, sketches) = (frame.clone(), frame.clone(), vec![frame]);
    let neighbours = [None, None];
    let job = Job { request: draw.request, first, last, sketches, neighbours };
    let (control, start) = (Control::default(), Instant::now());
    std::thread::scope(|scope| {
        let drawing = scope.spawn(|| engine.draw(&job, &control));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!drawing.is_finished(), "it waits for its turn");
        control.cancel();
        assert!(matches!(drawing.join().unwrap(), Err(Error::Cancelled)));
    });
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

//! A conversation with one client. A client that closes the connection no longer wants anything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inbetween_core::cache;
use inbetween_core::queue::{Priority, Ticket};
use inbetween_core::remote::failure::Failure;
use inbetween_core::remote::protocol::{Draw, PROTOCOL, ToClient, ToWorker, Welcome};
use inbetween_core::remote::wire::{Wire, WireError, sum_of};
use inbetween_core::{ContentHash, Drawn, Error, Frame, Job};
use interprocess::local_socket::Stream;

use super::server::{Client, MOST_DRAWINGS, Server};
use super::services::Service;

/// How long a client may take to introduce itself, and to make a request.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two checks of the connection while an engine works.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Longest time until the client gets a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(1);

type ClientWire = Wire<ToWorker>;

/// Serves one client until it has its result, disconnects, or sends something that makes no sense.
pub(super) fn serve(client: &Client, stream: Stream) {
    let mut wire = match Wire::new(stream) {
        Ok(wire) => wire,
        Err(error) => return log::warn!("a connection cannot be used: {error}"),
    };
    match answer_requests(client, &mut wire) {
        Ok(()) | Err(WireError::Closed | WireError::Cancelled) => {}
        Err(broken) => {
            log::warn!("a client was turned away: {broken}");
            // The client may have disconnected or stopped reading, so a failure to send is ignored.
            let reason = broken.to_string();
            let _ = wire.send(&ToClient::Invalid { reason }, || false);
        }
    }
}

fn answer_requests(client: &Client, wire: &mut ClientWire) -> Result<(), WireError> {
    let server = &client.server;
    let hello = match next_request(client, wire, HELLO_TIMEOUT)? {
        Some(ToWorker::Hello(hello)) => hello,
        Some(_) => return Err(WireError::Unexpected("a client says hello first")),
        None => return Ok(()),
    };
    if hello.protocol != PROTOCOL {
        let reason = format!(
            "the worker is version {} and the client version {}",
            env!("CARGO_PKG_VERSION"),
            hello.product
        );
        return refuse(server, wire, reason);
    }
    let product = env!("CARGO_PKG_VERSION").to_owned();
    send(wire, &ToClient::Welcome(Welcome { pid: std::process::id(), product }))?;
    loop {
        match next_request(client, wire, CLIENT_TIMEOUT)? {
            None => return Ok(()),
            Some(ToWorker::Draw(draw)) => {
                if cache::key(&draw.request, server.services.version()) != draw.key {
                    let reason = "worker and client have different engines".to_owned();
                    return refuse(server, wire, reason);
                }
                match client.drawing() {
                    Some(_drawing) => self::draw(server, wire, &draw)?,
                    None => send(wire, &ToClient::Failed(too_many()))?,
                }
            }
            Some(ToWorker::Status) => send(wire, &ToClient::Status(Box::new(server.status())))?,
            Some(ToWorker::Stop) => {
                send(wire, &ToClient::Stopping)?;
                server.end("it was asked to");
                return Ok(());
            }
            Some(ToWorker::Hello(_) | ToWorker::Picture(_) | ToWorker::Fetch) => {
                return Err(WireError::Unexpected("this message has no place here"));
            }
        }
    }
}

/// The next message of an idle client; `None` if none comes in time, or if the client should make
/// room.
fn next_request(
    client: &Client,
    wire: &mut ClientWire,
    timeout: Duration,
) -> Result<Option<ToWorker>, WireError> {
    let since = Instant::now();
    loop {
        // Messages that have already arrived are handled first.
        if let Some(said) = wire.receive(POLL_INTERVAL)? {
            return Ok(Some(said));
        }
        if client.must_disconnect() || since.elapsed() > timeout {
            log::debug!("a client that asked for nothing was turned away");
            return Ok(None);
        }
    }
}

fn too_many() -> Failure {
    log::warn!("{MOST_DRAWINGS} clients wait for drawings; one more was turned away");
    Failure::Worker {
        reason: format!("has {MOST_DRAWINGS} others to draw for already"),
        advice: "Try again when some of them are done.".into(),
    }
}

/// Handles two versions that cannot work together. The worker ends if nobody is using it.
fn refuse(server: &Arc<Server>, wire: &mut ClientWire, reason: String) -> Result<(), WireError> {
    let ending = server.is_unused();
    // Sent before ending, since it would be lost with the end of the process.
    let said = send(wire, &ToClient::Refused { reason, ending });
    if ending {
        server.end("a client of another version came");
    }
    said
}

fn draw(server: &Arc<Server>, wire: &mut ClientWire, draw: &Draw) -> Result<(), WireError> {
    let found = match server.services.of(draw.cache.as_ref()) {
        Ok(service) => find_or_draw(&service, wire, draw)?,
        Err(error) => Err(Arc::new(error)),
    };
    match found {
        Ok(drawn) => send_drawing(wire, &drawn),
        Err(error) => {
            log::warn!("{} was not drawn: {error}", draw.key);
            send(wire, &ToClient::Failed(Failure::from(&*error)))
        }
    }
}

type DrawOutcome = Result<Arc<Drawn>, Arc<Error>>;

fn find_or_draw(
    service: &Service,
    wire: &mut ClientWire,
    draw: &Draw,
) -> Result<DrawOutcome, WireError> {
    if let Some(drawn) = service.queue.cached(&draw.request, draw.size) {
        return Ok(Ok(drawn));
    }
    let ticket = match service.queue.join(&draw.request, Priority::Final) {
        Some(ticket) => ticket,
        None => {
            let job = job(service, wire, draw)?;
            log::info!("{} at {}", draw.key, draw.request.position);
            service.queue.submit(job, Priority::Final)
        }
    };
    wait(&ticket, wire)
}

/// The request with its pictures, from the disk or else from the client.
fn job(service: &Service, wire: &mut ClientWire, draw: &Draw) -> Result<Job, WireError> {
    let request = draw.request.clone();
    let addresses: Vec<_> = request.pictures().collect();
    let mut pictures: HashMap<ContentHash, Arc<Frame>> = HashMap::new();
    for address in &addresses {
        if !pictures.contains_key(address)
            && let Some(frame) =
                service.disk.as_ref().and_then(|disk| disk.get_picture(address, draw.size))
        {
            pictures.insert(*address, Arc::new(frame));
        }
    }
    let mut lacking: Vec<_> =
        addresses.iter().filter(|address| !pictures.contains_key(*address)).copied().collect();
    lacking.sort_unstable();
    lacking.dedup();
    if !lacking.is_empty() {
        send(wire, &ToClient::Wants(lacking.clone()))?;
    }
    for address in lacking {
        let Some(ToWorker::Picture(head)) = wire.receive(CLIENT_TIMEOUT)? else {
            return Err(WireError::Unexpected("a picture that was asked for did not come"));
        };
        if head.address != address {
            return Err(WireError::Unexpected("another picture came than was asked for"));
        }
        let frame = wire.receive_pixels(draw.size, &head.sum, || true)?;
        pictures.insert(address, Arc::new(frame));
    }
    let of = |address: &ContentHash| {
        pictures.get(address).cloned().ok_or(WireError::Unexpected("a picture is lacking"))
    };
    let sketches = request.sketches.iter().map(|sketch| of(&sketch.picture));
    let sketches = sketches.collect::<Result<_, _>>()?;
    let beside = |k: usize| {
        let neighbour = request.neighbours[k].as_ref();
        neighbour.map(|neighbour| of(&neighbour.picture)).transpose()
    };
    let neighbours = [beside(0)?, beside(1)?];
    Ok(Job { first: of(&request.first)?, last: of(&request.last)?, sketches, neighbours, request })
}

fn wait(ticket: &Ticket, wire: &mut ClientWire) -> Result<DrawOutcome, WireError> {
    let mut told: Option<(Instant, f32, String)> = None;
    loop {
        if let Some(outcome) = ticket.wait_for(POLL_INTERVAL) {
            return Ok(outcome);
        }
        // The client has nothing to say now. Reading shows whether it has disconnected.
        if wire.receive(Duration::ZERO)?.is_some() {
            return Err(WireError::Unexpected("a message came while the drawing was not done"));
        }
        let (fraction, phase) = (ticket.progress(), ticket.phase());
        let news = told.as_ref().is_none_or(|(when, before, what)| {
            when.elapsed() > HEARTBEAT || *before != fraction || *what != phase
        });
        if news {
            send(wire, &ToClient::Progress { fraction, phase: phase.clone() })?;
            told = Some((Instant::now(), fraction, phase));
        }
    }
}

fn send_drawing(wire: &mut ClientWire, drawn: &Drawn) -> Result<(), WireError> {
    // Drawings from here have no remarks, because only Flow makes remarks, and it never draws here.
    let Drawn { frame, confidence, cut, remarks: _ } = drawn;
    let (confidence, cut, sum) = (*confidence, *cut, sum_of(frame));
    send(wire, &ToClient::Done { confidence, cut, sum })?;
    match wire.receive(CLIENT_TIMEOUT)? {
        // The client has found the drawing on disk.
        None => Ok(()),
        Some(ToWorker::Fetch) => {
            log::info!("a drawing goes over the socket: the cache did not take it");
            wire.send_pixels(frame, || true)
        }
        Some(_) => Err(WireError::Unexpected("this message has no place here")),
    }
}

fn send(wire: &mut ClientWire, message: &ToClient) -> Result<(), WireError> {
    wire.send(message, || true)
}

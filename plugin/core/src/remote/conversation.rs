//! The client's side of one conversation with the worker.

use std::time::{Duration, Instant};

use interprocess::local_socket::Stream;

use super::protocol::{CacheDir, Draw, Hello, PROTOCOL, PictureHead, Status, ToClient, ToWorker};
use super::wire::{Wire, WireError, sum_of};
use crate::cache::DiskCache;
use crate::{ContentHash, Control, Drawn, Error, Job, Remarks};

/// Time between two checks whether the host wants to stop.
const LOOK: Duration = Duration::from_millis(10);

/// How long the worker may take for an immediate answer, and between signs of life while it works.
const ANSWER: Duration = Duration::from_secs(20);
const SIGN_OF_LIFE: Duration = Duration::from_secs(120);

/// How long a worker that makes way for another one may take to end.
const MAKE_ROOM: Duration = Duration::from_secs(10);

/// Why a conversation failed.
#[derive(Debug)]
pub(super) enum ConversationError {
    /// The worker is gone; another one may succeed.
    Lost(String),
    /// The worker had another version and has ended to make way; one of ours may succeed.
    MadeRoom(String),
    /// Another worker would not do better.
    For(Error),
}

impl From<WireError> for ConversationError {
    fn from(broken: WireError) -> Self {
        match broken {
            WireError::Closed => Self::Lost("it ended".into()),
            WireError::Silent(_) | WireError::Io(_) => Self::Lost(broken.to_string()),
            other => Self::For(other.into()),
        }
    }
}

/// A connection to a worker that has said welcome.
pub(super) struct Conversation {
    wire: Wire<ToClient>,
    pid: u32,
}

impl Conversation {
    pub(super) fn begin(stream: Stream, control: &Control) -> Result<Self, ConversationError> {
        let wire = Wire::new(stream).map_err(WireError::Io)?;
        let mut conversation = Self { wire, pid: 0 };
        let product = env!("CARGO_PKG_VERSION").to_owned();
        conversation.say(&ToWorker::Hello(Hello { protocol: PROTOCOL, product }), control)?;
        match conversation.answer(ANSWER, control)? {
            ToClient::Welcome(welcome) => {
                conversation.pid = welcome.pid;
                Ok(conversation)
            }
            ToClient::Refused { reason, ending } => {
                Err(conversation.refused(reason, ending, control))
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn status(&mut self) -> Result<Status, ConversationError> {
        let control = Control::default();
        self.say(&ToWorker::Status, &control)?;
        match self.answer(ANSWER, &control)? {
            ToClient::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn stop(&mut self) -> Result<(), ConversationError> {
        let control = Control::default();
        self.say(&ToWorker::Stop, &control)?;
        match self.answer(ANSWER, &control)? {
            ToClient::Stopping => self.wait_for_end(&control),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn draw(
        &mut self,
        job: &Job,
        key: &ContentHash,
        cache: Option<CacheDir>,
        disk: Option<&DiskCache>,
        control: &Control,
    ) -> Result<Drawn, ConversationError> {
        let size = job.size();
        let draw = Draw { request: job.request.clone(), key: *key, size, cache };
        self.say(&ToWorker::Draw(Box::new(draw)), control)?;
        loop {
            match self.answer(SIGN_OF_LIFE, control)? {
                ToClient::Progress { fraction, phase } => {
                    control.report(fraction);
                    control.enter(phase);
                }
                ToClient::Wants(addresses) => self.hand_over(job, &addresses, control)?,
                ToClient::Done { confidence, cut, sum } => {
                    if let Some(drawn) = disk.and_then(|disk| disk.get(key, size)) {
                        return Ok(drawn);
                    }
                    self.say(&ToWorker::Fetch, control)?;
                    let go_on = || !control.is_cancelled();
                    let frame = self.wire.receive_pixels(size, &sum, go_on)?;
                    return Ok(Drawn { frame, confidence, cut, remarks: Remarks::default() });
                }
                ToClient::Failed(failure) => return Err(ConversationError::For(failure.into())),
                ToClient::Refused { reason, ending } => {
                    return Err(self.refused(reason, ending, control));
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    fn hand_over(
        &mut self,
        job: &Job,
        addresses: &[ContentHash],
        control: &Control,
    ) -> Result<(), ConversationError> {
        for wanted in addresses {
            let Some((address, picture)) = job.pictures().find(|(address, _)| address == wanted)
            else {
                return Err(ConversationError::For(misunderstood(
                    "it asks for a picture of another drawing",
                )));
            };
            let head = PictureHead { address, sum: sum_of(picture) };
            self.say(&ToWorker::Picture(head), control)?;
            self.wire.send_pixels(picture, || !control.is_cancelled())?;
        }
        Ok(())
    }

    fn say(&mut self, message: &ToWorker, control: &Control) -> Result<(), ConversationError> {
        Ok(self.wire.send(message, || !control.is_cancelled())?)
    }

    fn answer(
        &mut self,
        at_most: Duration,
        control: &Control,
    ) -> Result<ToClient, ConversationError> {
        let since = Instant::now();
        loop {
            control.check().map_err(ConversationError::For)?;
            if let Some(answer) = self.wire.receive(LOOK)? {
                return Ok(answer);
            }
            if since.elapsed() > at_most {
                let who = if self.pid == 0 { String::new() } else { format!(" {}", self.pid) };
                return Err(ConversationError::For(Error::Worker {
                    reason: format!("does not answer for {} s", at_most.as_secs()),
                    advice: format!("End its process{who} `inbetween serve` by hand."),
                }));
            }
        }
    }

    /// The error for a worker of another version. Such a worker ends if nobody is waiting for it.
    fn refused(&mut self, reason: String, ending: bool, control: &Control) -> ConversationError {
        if !ending {
            return ConversationError::For(Error::Worker {
                reason: format!("refused ({reason})"),
                advice: "Another version of AI In-between is at work. Wait until it is done, or end it with `inbetween serve --stop`.".into(),
            });
        }
        match self.wait_for_end(control) {
            Ok(()) => ConversationError::MadeRoom(reason),
            Err(stopped) => stopped,
        }
    }

    /// Waits until the worker has closed the connection.
    fn wait_for_end(&mut self, control: &Control) -> Result<(), ConversationError> {
        let since = Instant::now();
        while since.elapsed() < MAKE_ROOM {
            control.check().map_err(ConversationError::For)?;
            match self.wire.receive(LOOK) {
                Ok(_) => {}
                Err(_) => break,
            }
        }
        Ok(())
    }
}

fn unexpected(answer: &ToClient) -> ConversationError {
    let what = match answer {
        ToClient::Invalid { reason } => reason.clone(),
        ToClient::Failed(failure) => return ConversationError::For(failure.clone().into()),
        _ => "its answer belongs to another question".into(),
    };
    ConversationError::For(misunderstood(&what))
}

pub(super) fn misunderstood(what: &str) -> Error {
    Error::Worker {
        reason: format!("could not be understood ({what})"),
        advice: "Install one version of AI In-between everywhere, and end the worker with `inbetween serve --stop`.".into(),
    }
}

//! What a plug-in did while our host watched: broken rules, posted messages, calls.
//!
//! One journal belongs to one [`Host`](crate::host::Host). Suites write to it; checks and the batch
//! host read it.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// A rule of the API that our host watches on every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A property name that is defined by no OpenFX header and no vendor.
    UnknownProperty,
    /// A property read or set with the wrong type, or set outside its dimension.
    PropertyType,
    /// A property was set that only the host may write.
    ReadOnlyProperty,
    /// A handle that the host never issued, or that was given back.
    BadHandle,
    /// An image was still held when the action that fetched it returned.
    UnreleasedImage,
    /// Memory taken from the host and not returned, or returned while locked.
    Memory,
    /// Bytes outside of the render window were changed.
    OutsideWindow,
    /// An input image was written to.
    InputWritten,
    /// The host was called from a thread that is not inside an action.
    BackgroundThread,
    /// Null where the API requires an address.
    NullArgument,
    /// A call that the action in progress does not allow.
    Action,
    /// Something was defined when that is not allowed: twice, or outside a describe action.
    Definition,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownProperty => "unknown property",
            Self::PropertyType => "property type",
            Self::ReadOnlyProperty => "read-only property",
            Self::BadHandle => "bad handle",
            Self::UnreleasedImage => "unreleased image",
            Self::Memory => "memory",
            Self::OutsideWindow => "write outside of the window",
            Self::InputWritten => "write to an input",
            Self::BackgroundThread => "call from a background thread",
            Self::NullArgument => "NULL argument",
            Self::Action => "call in the wrong action",
            Self::Definition => "definition",
        })
    }
}

/// A broken rule, with a description of what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What was done, and to which object.
    pub text: String,
}

/// A message that the plug-in posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Kind without its prefix: `Fatal`, `Error`, `Warning`, `Message`, `Log`, `Question`.
    pub kind: String,
    /// Text for the user.
    pub text: String,
    /// Stays on the effect until cleared (message suite 2).
    pub persistent: bool,
}

impl Message {
    /// Whether the kind reports a failure.
    pub fn is_error(&self) -> bool {
        matches!(self.kind.as_str(), "Fatal" | "Error")
    }
}

/// A record of one host's dealings with a plug-in.
#[derive(Default)]
pub struct Journal {
    violations: Mutex<Vec<Violation>>,
    messages: Mutex<Vec<Message>>,
    suite_calls: AtomicU64,
}

/// Most broken rules that are recorded; nobody would read more.
const MOST_VIOLATIONS: usize = 1000;

/// Journals in use, for calls without an object that would lead to one of them.
static LIVE: Mutex<Vec<Weak<Journal>>> = Mutex::new(Vec::new());

impl Journal {
    /// A new, empty journal, which [`Journal::everywhere`] includes.
    pub fn new() -> Arc<Self> {
        let journal = Arc::new(Self::default());
        let mut live = LIVE.lock();
        live.retain(|other| other.strong_count() > 0);
        live.push(Arc::downgrade(&journal));
        journal
    }

    /// Every journal in use. A call from outside any action is recorded in all of them.
    pub fn everywhere() -> Vec<Arc<Self>> {
        LIVE.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Records a broken rule, once per wording.
    pub fn violate(&self, rule: Rule, text: impl Into<String>) {
        let violation = Violation { rule, text: text.into() };
        let mut violations = self.violations.lock();
        if violations.len() < MOST_VIOLATIONS && !violations.contains(&violation) {
            log::debug!("{}: {}", violation.rule, violation.text);
            violations.push(violation);
        }
    }

    /// Records a message.
    pub fn message(&self, message: Message) {
        self.messages.lock().push(message);
    }

    /// Broken rules so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.violations.lock().clone()
    }

    /// Broken rules of one kind so far.
    pub fn violations_of(&self, rule: Rule) -> Vec<String> {
        self.violations.lock().iter().filter(|v| v.rule == rule).map(|v| v.text.clone()).collect()
    }

    /// Messages posted since the last call.
    pub fn take_messages(&self) -> Vec<Message> {
        std::mem::take(&mut *self.messages.lock())
    }

    /// Counts a call of a suite function.
    pub(crate) fn count_call(&self) {
        self.suite_calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Suite functions called so far.
    pub fn suite_calls(&self) -> u64 {
        self.suite_calls.load(Ordering::Relaxed)
    }
}

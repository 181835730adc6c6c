//! Knows whether a thread is inside an action, and guards every suite function.
//!
//! The API allows calls to the host only from threads that the host itself has called, or that its
//! multi-thread suite has started. Any other call is recorded as a broken rule.

use std::{
    cell::RefCell,
    ffi::CStr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    host::buffer::Buffer,
    host::chaos,
    host::journal::{Journal, Rule},
    host::sys::*,
};

/// The kind of action in progress, as far as it decides what a plug-in may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Parameters may be set (ofxParameter, "Setting Parameters").
    Settable,
    /// The instance is partly destroyed: messages, progress and time can no longer be shown.
    Destroying,
    /// Everything else.
    Other,
}

impl Stage {
    /// The stage that belongs to an action's name.
    pub(crate) fn of(action: &CStr) -> Self {
        const SETTABLE: [&CStr; 5] = [
            kOfxActionCreateInstance,
            kOfxActionBeginInstanceChanged,
            kOfxActionInstanceChanged,
            kOfxActionEndInstanceChanged,
            kOfxActionSyncPrivateData,
        ];
        match action {
            action if SETTABLE.contains(&action) => Self::Settable,
            action if action == kOfxActionDestroyInstance => Self::Destroying,
            _ => Self::Other,
        }
    }
}

/// What the host is doing on this thread.
#[derive(Clone)]
pub(crate) struct Scope {
    /// Journal of the host that called the plug-in.
    pub(crate) journal: Arc<Journal>,
    /// Number of the action in progress.
    pub(crate) id: u64,
    /// The kind of the action.
    pub(crate) stage: Stage,
    /// Time of the render in progress.
    pub(crate) time: Option<OfxTime>,
    /// Image that the render in progress writes.
    pub(crate) target: Option<Arc<Buffer>>,
}

thread_local! {
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body` as part of an action.
pub(crate) fn inside<R>(scope: Scope, body: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            SCOPES.with_borrow_mut(|scopes| {
                scopes.pop();
            });
        }
    }
    SCOPES.with_borrow_mut(|scopes| scopes.push(scope));
    let _leave = Leave;
    body()
}

/// The innermost action on this thread.
pub(crate) fn scope() -> Option<Scope> {
    SCOPES.with_borrow(|scopes| scopes.last().cloned())
}

/// Records a broken rule in the journal of the action in progress, or in all journals if there is
/// none.
pub(crate) fn violate(rule: Rule, text: impl Into<String>) {
    let text = text.into();
    match SCOPES.with_borrow(|scopes| scopes.last().map(|scope| Arc::clone(&scope.journal))) {
        Some(journal) => journal.violate(rule, text),
        None => {
            for journal in Journal::everywhere() {
                journal.violate(rule, text.clone());
            }
        }
    }
}

/// Body of a suite function that may only be called from inside an action.
pub(crate) fn suite(function: &str, body: impl FnOnce() -> OfxStatus) -> OfxStatus {
    let known = SCOPES.with_borrow(|scopes| {
        if let Some(scope) = scopes.last() {
            scope.journal.count_call();
        }
        !scopes.is_empty()
    });
    if !known {
        violate(
            Rule::BackgroundThread,
            format!("{function} was called from a thread that is inside no action"),
        );
    }
    if let Some(mishap) = chaos::status(function) {
        return mishap;
    }
    anywhere(function, body)
}

/// Body of a suite function that may be called from any thread.
pub(crate) fn anywhere(function: &str, body: impl FnOnce() -> OfxStatus) -> OfxStatus {
    // A panic in our host must not unwind into the plug-in.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        log::error!("the host itself panicked in {function}");
        kOfxStatFailed
    })
}

fn stage() -> Option<Stage> {
    SCOPES.with_borrow(|scopes| scopes.last().map(|scope| scope.stage))
}

/// Called by functions that need a complete instance. Hosts made with the HostSupport library
/// destroy their instances from the outside in, so such a call in DestroyInstance crashes them (a
/// pure virtual call).
pub(crate) fn needs_whole_instance(function: &str) {
    if stage() == Some(Stage::Destroying) {
        let text =
            format!("{function} was called in DestroyInstance, where hosts no longer answer it");
        violate(Rule::Action, text);
    }
}

/// Called by functions that change parameters.
pub(crate) fn needs_settable_params(function: &str) {
    if stage().is_some_and(|stage| stage != Stage::Settable) {
        let text = format!(
            "{function} was called in an action that may not change parameters (only CreateInstance, \
             InstanceChanged and SyncPrivateData may)"
        );
        violate(Rule::Action, text);
    }
}

/// Reports a null argument.
pub(crate) fn null(function: &str, argument: &str) -> OfxStatus {
    violate(Rule::NullArgument, format!("{function} was called with a NULL {argument}"));
    crate::host::sys::kOfxStatErrValue
}

/// Reports a handle that the host never issued or that is no longer valid.
pub(crate) fn bad_handle<T>(function: &str, handle: *const T) -> OfxStatus {
    let what = if handle.is_null() {
        "a NULL handle"
    } else {
        "a handle that is not, or no longer, the host's"
    };
    violate(Rule::BadHandle, format!("{function} was called with {what}"));
    crate::host::sys::kOfxStatErrBadHandle
}

//! Message suite, versions 1 and 2. The variadic functions format in the C shim.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::{
    host::call,
    host::journal::{Message, Rule},
    host::registry,
    host::sys::*,
};

// Defined in shim/variadic.c.
unsafe extern "C" {
    fn ofx_host_message_shown(
        handle: *mut c_void,
        kind: *const c_char,
        id: *const c_char,
        format: *const c_char,
        ...
    ) -> OfxStatus;
    fn ofx_host_setPersistentMessage(
        handle: *mut c_void,
        kind: *const c_char,
        id: *const c_char,
        format: *const c_char,
        ...
    ) -> OfxStatus;
}

pub(super) static SUITE_1: OfxMessageSuiteV1 =
    OfxMessageSuiteV1 { message: Some(ofx_host_message_shown) };

pub(super) static SUITE_2: OfxMessageSuiteV2 = OfxMessageSuiteV2 {
    message: Some(ofx_host_message_shown),
    setPersistentMessage: Some(ofx_host_setPersistentMessage),
    clearPersistentMessage: Some(clear_persistent),
};

/// What Resolve 14 gives.
pub(super) static SUITE_2_OF_NULLS: OfxMessageSuiteV2 =
    OfxMessageSuiteV2 { message: None, setPersistentMessage: None, clearPersistentMessage: None };

/// For the shim: a message with its text complete.
#[unsafe(no_mangle)]
unsafe extern "C" fn ofx_host_message(
    handle: *mut c_void,
    kind: *const c_char,
    _id: *const c_char,
    text: *const c_char,
    persistent: c_int,
) -> OfxStatus {
    let function = if persistent == 0 { "message" } else { "setPersistentMessage" };
    call::suite(function, || {
        if kind.is_null() {
            return call::null(function, "type");
        }
        // SAFETY: not NULL; the plug-in passes NUL-terminated text.
        let kind = unsafe { CStr::from_ptr(kind) };
        const KINDS: [&CStr; 6] = [
            kOfxMessageFatal,
            kOfxMessageError,
            kOfxMessageWarning,
            kOfxMessageMessage,
            kOfxMessageLog,
            kOfxMessageQuestion,
        ];
        if !KINDS.contains(&kind) {
            let kind = kind.to_string_lossy();
            call::violate(
                Rule::PropertyType,
                format!("{function} was called with {kind}, which is no message type"),
            );
            return kOfxStatErrValue;
        }
        // SAFETY: the shim passes its own NUL-terminated text.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        let kind = kind.to_string_lossy().trim_start_matches("OfxMessage").to_owned();
        let effect = registry::effect(handle);
        if effect.is_none() && !handle.is_null() {
            return call::bad_handle(function, handle);
        }
        let message = Message { kind, text, persistent: persistent != 0 };
        if let Some(scope) = call::scope() {
            scope.journal.message(message.clone());
        }
        let question = message.kind == "Question";
        if persistent != 0
            && let Some(effect) = effect
        {
            effect.set_persistent(Some(message));
        }
        if question { kOfxStatReplyNo } else { kOfxStatOK }
    })
}

unsafe extern "C" fn clear_persistent(handle: *mut c_void) -> OfxStatus {
    call::suite("clearPersistentMessage", || match registry::effect(handle) {
        Some(effect) => {
            effect.set_persistent(None);
            kOfxStatOK
        }
        None => call::bad_handle("clearPersistentMessage", handle),
    })
}

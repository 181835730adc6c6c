//! Message suite, versions 1 and 2. The variadic functions do their formatting in the C shim.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::{
    host::call,
    host::effect::Effect,
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

/// The suite as it is in Resolve 14.
pub(super) static SUITE_2_OF_NULLS: OfxMessageSuiteV2 =
    OfxMessageSuiteV2 { message: None, setPersistentMessage: None, clearPersistentMessage: None };

/// For the shim: posts a message whose text is complete.
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
        call::needs_whole_instance(function);
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
        let mut text = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        if ofx_host_loses_arguments(handle) != 0 {
            text = without_arguments(&text);
        }
        let kind = kind.to_string_lossy().trim_start_matches("OfxMessage").to_owned();
        let effect = registry::behind::<Effect, _>(handle);
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

/// For the shim: whether the host formats messages without their arguments, so that the text is the
/// bare format.
#[unsafe(no_mangle)]
extern "C" fn ofx_host_loses_arguments(handle: *mut c_void) -> c_int {
    let effect = registry::behind::<Effect, _>(handle);
    c_int::from(effect.is_some_and(|effect| effect.host.behaviour().loses_message_arguments))
}

/// Natron's result for a format whose arguments were lost: a blank for each of them.
fn without_arguments(format: &str) -> String {
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        // Up to the letter that ends a conversion, or to the second percent sign.
        match characters.by_ref().find(|c| c.is_ascii_alphabetic() || *c == '%') {
            Some('%') => text.push('%'),
            _ => text.push(' '),
        }
    }
    text
}

unsafe extern "C" fn clear_persistent(handle: *mut c_void) -> OfxStatus {
    call::suite("clearPersistentMessage", || {
        call::needs_whole_instance("clearPersistentMessage");
        match registry::behind::<Effect, _>(handle) {
            Some(effect) => {
                effect.set_persistent(None);
                kOfxStatOK
            }
            None => call::bad_handle("clearPersistentMessage", handle),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_arguments_are_blanks_and_percent_signs_stay() {
        assert_eq!(without_arguments("%s"), " ");
        assert_eq!(without_arguments("50 %% of %-5.2f frames"), "50 % of   frames");
        assert_eq!(without_arguments("a key is missing"), "a key is missing");
        assert_eq!(without_arguments("100 %"), "100  ");
    }
}

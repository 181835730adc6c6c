//! Messages to the artist, through whichever message suite the host has.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxMessageSuite.html>

use std::collections::HashMap;
use std::ffi::CStr;

use openfx::sys::image_effect_v1::message::*;
use parking_lot::Mutex;

use super::entry::EffectRef;
use super::host::call;
use super::props::c_text;

/// The last message of each instance since its artist changed something, by the address of its
/// handle. It keeps a batch of a thousand frames from opening a thousand dialogs.
static SAID: Mutex<Option<HashMap<usize, String>>> = Mutex::new(None);

/// Shows `text` as an error of this instance: beside the node if the host can do that, otherwise
/// once in a dialog. Logging is left to the caller, because a failed action is logged where it
/// ends.
pub(crate) fn show_message(effect: &EffectRef<'_>, text: &str) {
    show(effect, kOfxMessageError, text);
}

/// Shows `text` about a picture that could be made. It is shown once, until another message is
/// shown or something changes.
pub(crate) fn show_warning(effect: &EffectRef<'_>, text: &str) {
    let said = SAID.lock().as_ref().and_then(|said| said.get(&effect.address()).cloned());
    if said.as_deref() != Some(text) {
        log::warn!("{text}");
        show(effect, kOfxMessageWarning, text);
    }
}

fn show(effect: &EffectRef<'_>, kind: &CStr, text: &str) {
    let previous = SAID.lock().get_or_insert_default().insert(effect.address(), text.to_owned());
    let host = effect.host();
    // The host formats the text like printf. Natron loses the arguments, so there are none, and
    // percent signs are doubled.
    let format = c_text(&text.replace('%', "%%"));
    let (handle, kind, id) = (effect.raw().cast(), kind.as_ptr(), c"inbetween".as_ptr());
    let shown = if let Some(suite) = &host.message2 {
        call!(suite, setPersistentMessage(handle, kind, id, format.as_ptr()))
    } else if previous.as_deref() == Some(text) {
        return;
    } else if let Some(suite) = &host.message1 {
        call!(suite, message(handle, kind, id, format.as_ptr()))
    } else {
        return;
    };
    log::debug!("the host answered {shown:?} to a message");
}

/// Allows a dialog to be shown again, because the artist has changed something. A message beside
/// the node stays until a render succeeds.
pub(crate) fn forget_dialog(effect: &EffectRef<'_>) {
    if effect.host().message2.is_none()
        && let Some(said) = SAID.lock().as_mut()
    {
        said.remove(&effect.address());
    }
}

/// Forgets the messages of an instance that is being destroyed. The host is not called: it may
/// already have destroyed the object that shows messages, and hosts based on the HostSupport
/// library would crash in a pure virtual call.
pub(crate) fn forget_messages(effect: &EffectRef<'_>) {
    if let Some(said) = SAID.lock().as_mut() {
        said.remove(&effect.address());
    }
}

/// Removes this instance's message, if there is one.
pub(crate) fn clear_message(effect: &EffectRef<'_>) {
    let said = SAID.lock().as_mut().and_then(|said| said.remove(&effect.address()));
    if said.is_some()
        && let Some(suite) = &effect.host().message2
    {
        let cleared = call!(suite, clearPersistentMessage(effect.raw().cast()));
        log::debug!("the host answered {cleared:?} to clearing a message");
    }
}

//! Telling the artist, through whichever message suite the host has.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxMessageSuite.html>

use std::collections::HashMap;
use std::ffi::CStr;

use openfx::sys::image_effect_v1::message::*;
use parking_lot::Mutex;

use super::entry::EffectRef;
use super::host::call;
use super::props::c_text;

/// The last message of each instance since its artist changed something, by the address of its handle. A batch of a
/// thousand frames must not open a thousand dialogs.
static SAID: Mutex<Option<HashMap<usize, String>>> = Mutex::new(None);

/// Shows `text` as an error of this instance: beside the node where the host can, else once in a
/// dialog. The log is the caller's matter: an action that fails is logged where it ends.
pub(crate) fn show_message(effect: &EffectRef<'_>, text: &str) {
    show(effect, kOfxMessageError, text);
}

/// Shows `text` about a picture that could be made. It is shown once, until something else is said or changed.
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
    // The host formats the text in the manner of printf. Natron loses the arguments on the way, so there are
    // none, and a percent sign is doubled.
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

/// Lets a dialog that was shown be shown again: the artist changed something in the meantime.
/// A message beside the node stays until a render succeeds.
pub(crate) fn forget_dialog(effect: &EffectRef<'_>) {
    if effect.host().message2.is_none()
        && let Some(said) = SAID.lock().as_mut()
    {
        said.remove(&effect.address());
    }
}

/// Forgets what an instance said, when it goes. Nothing is asked of the host: it may have torn down by now what shows
/// messages, and hosts made with the HostSupport library would crash in a pure virtual call.
pub(crate) fn forget_messages(effect: &EffectRef<'_>) {
    if let Some(said) = SAID.lock().as_mut() {
        said.remove(&effect.address());
    }
}

/// Takes back what this instance said, if it said anything.
pub(crate) fn clear_message(effect: &EffectRef<'_>) {
    let said = SAID.lock().as_mut().and_then(|said| said.remove(&effect.address()));
    if said.is_some()
        && let Some(suite) = &effect.host().message2
    {
        let cleared = call!(suite, clearPersistentMessage(effect.raw().cast()));
        log::debug!("the host answered {cleared:?} to clearing a message");
    }
}

//! Telling the artist, through whichever message suite the host has.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxMessageSuite.html>

use std::collections::HashMap;

use openfx::sys::image_effect_v1::message::*;
use parking_lot::Mutex;

use super::entry::EffectRef;
use super::host::call;
use super::props::c_text;

/// What each instance said last, by its handle's address: a batch of a thousand frames must not
/// open a thousand dialogs.
static SAID: Mutex<Option<HashMap<usize, String>>> = Mutex::new(None);

/// Shows `text` as an error of this instance, once until it changes or is cleared.
pub(crate) fn show_message(effect: &EffectRef<'_>, text: &str) {
    log::error!("{text}");
    let key = effect.address();
    let previous = SAID.lock().get_or_insert_default().insert(key, text.to_owned());
    if previous.as_deref() == Some(text) {
        return;
    }
    let host = effect.host();
    // The host formats the text in the manner of printf, so a percent sign must not count.
    let (handle, id, text) = (effect.raw().cast(), c"inbetween", c_text(text));
    let (kind, format) = (kOfxMessageError.as_ptr(), c"%s".as_ptr());
    let shown = host.message2.as_ref().and_then(|suite| {
        call!(suite, setPersistentMessage(handle, kind, id.as_ptr(), format, text.as_ptr())).ok()
    });
    if shown.is_none()
        && let Some(suite) = &host.message1
    {
        let shown = call!(suite, message(handle, kind, id.as_ptr(), format, text.as_ptr()));
        log::debug!("the host answered {shown:?} to a message");
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

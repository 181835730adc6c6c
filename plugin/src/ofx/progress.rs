//! A progress bar in the host, shown only for work that takes long.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxProgressSuites.html>

use std::time::{Duration, Instant};

use openfx::sys::generic::core::kOfxStatReplyNo;

use super::entry::EffectRef;
use super::host::call;
use super::props::c_text;

/// How long a render must last before the bar appears; for shorter ones it would only flicker.
const PATIENCE: Duration = Duration::from_millis(700);

/// The bar of one render; it closes when dropped.
pub(crate) struct Progress<'a> {
    effect: &'a EffectRef<'a>,
    label: &'static str,
    since: Instant,
    open: bool,
}

impl<'a> Progress<'a> {
    /// A bar that appears if the work takes long.
    pub(crate) fn new(effect: &'a EffectRef<'a>, label: &'static str) -> Self {
        Self { effect, label, since: Instant::now(), open: false }
    }

    /// Shows that `fraction` (0..=1) is done. Returns `false` if the artist pressed cancel.
    pub(crate) fn update(&mut self, fraction: f64) -> bool {
        let Some(suite) = &self.effect.host().progress else { return true };
        let handle = self.effect.raw().cast();
        if !self.open && self.since.elapsed() >= PATIENCE {
            let label = c_text(self.label);
            self.open = call!(suite, progressStart(handle, label.as_ptr())).is_ok();
        }
        if !self.open {
            return true;
        }
        let answer = call!(suite, progressUpdate(handle, fraction));
        answer.ok() != Some(kOfxStatReplyNo)
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.open
            && let Some(suite) = &self.effect.host().progress
        {
            let ended = call!(suite, progressEnd(self.effect.raw().cast()));
            log::debug!("the host answered {ended:?} to the end of progress");
        }
    }
}

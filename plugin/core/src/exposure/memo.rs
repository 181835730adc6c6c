//! Recently made signatures, for callers that get frames one by one.

use std::sync::Arc;

use super::Signature;
use crate::ContentHash;
use crate::budget::{Budget, Shelf};

/// Signatures by the content of their frames, within a budget.
///
/// A clip that plays forwards asks for each frame several times. With its signature kept, a frame
/// has to be fetched and analysed only once.
#[derive(Debug)]
pub struct SignatureMemo {
    kept: Shelf<ContentHash, Signature>,
}

impl SignatureMemo {
    /// A memo within `budget`; a signature takes about one megabyte.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { kept: Shelf::new(budget) }
    }

    /// The signature kept under `key`, or the one that `make` gives, which is kept from then on.
    /// The key names the frame's content together with its encoding, or the clip and the time.
    ///
    /// # Errors
    /// Whatever `make` returns; nothing is kept then.
    pub fn get_or_make<E>(
        &self,
        key: ContentHash,
        make: impl FnOnce() -> Result<Signature, E>,
    ) -> Result<Arc<Signature>, E> {
        if let Some(found) = self.kept.get(&key) {
            return Ok(found);
        }
        // Two threads may make the same signature; one of the two is kept.
        let made = Arc::new(make()?);
        self.kept.put(key, made.clone(), made.byte_len());
        Ok(made)
    }

    /// Drops all signatures, for a host that wants its memory back.
    pub fn forget_all(&self) {
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Error, Frame};

    #[test]
    fn what_was_asked_for_last_is_kept_within_the_limit() {
        let signature = || Signature::of(&Frame::transparent(64, 64).unwrap(), Encoding::Srgb);
        let memo = SignatureMemo::new(&Budget::new(2 * signature().byte_len()));
        let ask = |name: u8| {
            let mut made = false;
            let make = || {
                made = true;
                Ok::<_, Error>(signature())
            };
            memo.get_or_make(ContentHash([name; 32]), make).unwrap();
            made
        };
        assert!(ask(1) && ask(2) && !ask(1));
        assert!(ask(3), "there is room for two");
        assert!(!ask(1) && ask(2), "2 was asked for longest ago");
        memo.forget_all();
        assert!(ask(1));
        let failing = memo.get_or_make(ContentHash([9; 32]), || Err(Error::Cancelled));
        assert!(failing.is_err() && ask(9));
    }
}

//! Removes a neighbour that shows through a frame of the film.

use inbetween_core::Frame;
use inbetween_core::exposure::Ghost;
use serde::{Deserialize, Serialize};

/// A frame of the film through which another one shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Haunted {
    pub(super) frame: u32,
    /// The frame of the film that shows through.
    pub(in super::super) other: u32,
    share: f32,
}

impl Haunted {
    /// The ghosts in a film of `frames` frames.
    pub(super) fn of(ghosts: &[Ghost], frames: usize) -> Vec<Self> {
        let haunted = ghosts.iter().filter_map(|ghost| {
            let other = if ghost.of_next { ghost.frame + 1 } else { ghost.frame.checked_sub(1)? };
            (other < frames).then_some(Self {
                frame: ghost.frame as u32,
                other: other as u32,
                share: ghost.share,
            })
        });
        haunted.collect()
    }

    /// The picture without the other one. A mix with known shares can be separated again.
    pub(in super::super) fn clean(&self, picture: &Frame, other: &Frame) -> Frame {
        let mut clean = picture.clone();
        let own = 1.0 / (1.0 - self.share);
        for (to, through) in clean.pixels_mut().iter_mut().zip(other.pixels()) {
            for (value, other) in to.iter_mut().zip(through).take(3) {
                *value = ((*value - self.share * other) * own).max(0.0);
            }
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_mixed_is_told_apart() {
        let flat = |value: f32| Frame::from_pixels(1, 1, vec![[value, value, value, 1.0]]).unwrap();
        let ghosts = [
            Ghost { frame: 0, of_next: false, share: 0.1 },
            Ghost { frame: 3, of_next: true, share: 0.1 },
            Ghost { frame: 4, of_next: true, share: 0.1 },
        ];
        let haunted = Haunted::of(&ghosts, 5);
        assert_eq!(haunted.len(), 1, "nothing is before the first frame and after the last");
        let clean = haunted[0].clean(&flat(0.9 * 0.4 + 0.1 * 0.8), &flat(0.8));
        assert!((clean.pixels()[0][0] - 0.4).abs() < 1e-6);
        assert_eq!(clean.pixels()[0][3], 1.0);
    }
}

//! Two keys of one scene: what was found about them, and the motion between them.

use std::sync::OnceLock;

use crate::light::Light;
use crate::map::Map;
use crate::mask::Rest;
use crate::near_keys::{carry, trained_position};
use crate::net::{Features, Matched, TweenNet};
use crate::stage::Stage;

/// Two keys of one scene, in the form that the decoder needs.
pub(crate) struct KeyPair {
    pub(crate) guides: [Map; 2],
    pub(crate) small: [Map; 2],
    pub(crate) features: [Features; 2],
    pub(crate) matched: Matched,
    /// How far the matched flows agree in both directions, 0..=1: `[1, h / 8, w / 8]`.
    pub(crate) trust: [Map; 2],
    /// The start flows at half guide size, first to last key and back: `[2, h / 2, w / 2]`.
    pub(crate) flows: [Map; 2],
    /// Grain that was removed from the guides; 0 for none.
    pub(crate) grain: f32,
    /// Grain of the frames, in their own values; 0 for none.
    pub(crate) full_grain: f32,
    /// What rests in both keys.
    pub(crate) rest: Rest,
    /// How the keys differ in light.
    pub(crate) light: Option<Light>,
    /// The motion in the middle, which tells what layers are needed and is often the one to draw.
    pub(crate) middle: OnceLock<Map>,
}

impl KeyPair {
    /// Motion and mask at `t` before the mask is settled, `[5, h, w]`.
    pub(crate) fn decoded(&self, net: &TweenNet, t: f32) -> Map {
        if t == 0.5 { self.middle(net).clone() } else { self.decode(net, t) }
    }

    /// The same in the middle.
    pub(crate) fn middle(&self, net: &TweenNet) -> &Map {
        self.middle.get_or_init(|| self.decode(net, 0.5))
    }

    fn decode(&self, net: &TweenNet, t: f32) -> Map {
        let stage = Stage::begin("decoder");
        let features = [&self.features[0], &self.features[1]];
        let small = [&self.small[0], &self.small[1]];
        let motion = net.decode(features, small, &self.matched, trained_position(t));
        let mut motion = carry(motion, t);
        self.rest.apply(&mut motion);
        stage.end();
        motion
    }
}

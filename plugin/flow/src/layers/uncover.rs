//! Ground that figures hide in both keys, taken from a drawing beside the span that shows it.

use super::Layers;
use super::compose::GroundShown;
use super::course::Course;
use super::follow::{GROUND, PairView};
use super::transform::Affine;
use crate::map::Map;
use crate::synth::beside;

/// The ground as one drawing beside the span shows it.
pub(crate) struct GroundBeside {
    /// From the key next to it to that drawing.
    way: Affine,
    /// Its pixels that show nothing but ground, `h w`.
    bare: Vec<bool>,
}

impl GroundBeside {
    pub(crate) fn byte_len(&self) -> usize {
        self.bare.len()
    }
}

impl Layers {
    /// What `pair`, of key `key` and the drawing beside it, shows of the ground; none where the ground is not found
    /// there. `places`: pixels of the ground in the key.
    pub(super) fn ground_beside(
        key: usize,
        places: &[usize],
        pair: &PairView<'_>,
        onward: Option<&Affine>,
    ) -> Option<GroundBeside> {
        // Under another light its colours are not those of the keys.
        if pair.relit {
            return None;
        }
        let way = Self::follow(1 - key, places, pair, onward, &GROUND)?;
        let owners = &pair.layers.owners[key];
        let bare = (0..owners.piece.len()).map(|i| owners.piece[i] == 0 && owners.clean[i]);
        Some(GroundBeside { way, bare: bare.collect() })
    }

    /// Fetches the ground that neither key shows from the drawings beside the span: there `motion: [5, h, w]` of
    /// position `t` leads to the drawing that `label` then names.
    pub(crate) fn uncover(&self, course: &Course, motion: &mut Map, label: &mut [u16], t: f32) {
        let (w, area) = (self.w, self.h * self.w);
        // From where the ground is to where both keys have it.
        let way = match course.bends() {
            true => self.bent_way(course, 0, t).map(|(_, way)| way),
            false => self.way(0, t),
        };
        let Some(way) = way else { return };
        let near = usize::from(t >= 0.5);
        for (i, name) in label.iter_mut().enumerate().filter(|(_, name)| **name == 0) {
            let place = [(i % w) as f32, (i / w) as f32];
            let keys = way.keys(place);
            if self.ground_shown(keys, near) != GroundShown::Hidden {
                continue;
            }
            let found = [near, 1 - near].into_iter().find_map(|side| {
                let ground = course.grounds[side].as_ref()?;
                let there = ground.way.at(keys[side]);
                self.pixel(there).filter(|&j| ground.bare[j]).map(|_| (side, there))
            });
            if let Some((side, there)) = found {
                *name = beside(side);
                let off = [there[0] - place[0], there[1] - place[1]];
                (0..4).for_each(|c| motion.v[c * area + i] = off[c % 2]);
            }
        }
    }
}

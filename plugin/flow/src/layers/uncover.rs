//! Ground that figures hide in both keys, taken from a drawing beside the span that shows it.

use super::Layers;
use super::compose::GroundShown;
use super::course::Course;
use crate::map::Map;
use crate::synth::beside;

impl Layers {
    /// Takes the ground that neither key shows from the drawings beside the span. At those pixels,
    /// `motion: [5, h, w]` for position `t` leads to the drawing that `label` names.
    pub(crate) fn uncover(&self, course: &Course, motion: &mut Map, label: &mut [u16], t: f32) {
        let (w, area) = (self.w, self.h * self.w);
        // From the place of the ground now to its place in both keys.
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

//! Makes pieces of the parts of a figure that a sketch moves apart.

use std::cmp::Reverse;

use super::Layers;
use super::explain::Scene;
use super::line_fit::middle;
use super::sketched::{HeldPart, Sketched};
use super::sketched_poses::Found;
use super::sketched_units::{Unit, lines_of};

/// Share of the chords of a line between two parts that lie in the one in front.
const IN_FRONT: f32 = 0.65;

impl Scene<'_> {
    /// Makes a piece of each part of one key's figure. `shown` are their places in sketches.
    pub(super) fn take_apart(
        &mut self,
        units: &[Unit],
        shown: &[(f32, Found)],
        drawn: &Layers,
        out: &mut Vec<Sketched>,
    ) {
        if shown.is_empty() {
            return;
        }
        // Units that belong together in all sketches.
        let mut parts: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        for (n, unit) in units.iter().enumerate() {
            let mut names: Vec<usize> = shown.iter().map(|(_, found)| found.part[n]).collect();
            names.push(unit.piece);
            match parts.iter_mut().find(|part| part.0 == names) {
                Some(part) => part.1.push(n),
                None => parts.push((names, vec![n])),
            }
        }
        let first = self.pieces.len();
        for (names, some) in &parts {
            let Unit { key, piece: from, .. } = units[some[0]];
            let motion = drawn.pieces[from].motion;
            let way = units[some[0]].since_first(drawn);
            let piece = self.pieces.len();
            self.add(motion, [Vec::new(), Vec::new()]);
            let regions: Vec<usize> =
                some.iter().flat_map(|&n| units[n].members[key].clone()).collect();
            self.reassign(key, &regions, piece);
            let hangs = (shown.iter().zip(names))
                .find_map(|((_, found), &part)| found.joints[part].map(|joint| (found, joint)));
            let joint =
                hangs.map_or_else(|| middle(&lines_of(units, some)), |(_, (_, joint))| joint);
            let joint = way.inverse().map_or(joint, |back| back.at(joint));
            let parent = hangs.and_then(|(found, (part, _))| {
                let own =
                    |n: &usize| parts[*n].1.iter().filter(|&&n| found.part[n] == part).count();
                (0..parts.len()).max_by_key(|n| (own(n), Reverse(*n))).map(|n| first + n)
            });
            let parent = parent.filter(|&p| p != piece);
            let poses =
                shown.iter().map(|(at, found)| (*at, found.poses[some[0]].after(&way))).collect();
            out.push(Sketched { piece, held: Some(HeldPart { key, joint, parent }), poses });
        }
        self.judge_overlaps(units[0].key, first);
    }

    /// Finds which of two touching parts of `key`, which are the pieces from `first` on, is in front of
    /// the other: the one whose side of their common line bulges, as outlines do.
    fn judge_overlaps(&mut self, key: usize, first: usize) {
        let regions = &self.keys[key].regions;
        let mut found = Vec::new();
        for p in first..self.pieces.len() {
            for q in first..p {
                let [some, others] = [p, q].map(|p| &self.pieces[p].members[key]);
                let line = self.contact(key, some, |k| others.contains(&k));
                let mut inside = [0u32; 2];
                for (n, a) in line.iter().enumerate() {
                    for b in &line[..n] {
                        let middle = [0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])];
                        let piece = regions.at(regions.pixel(middle)).and_then(|k| self.of[key][k]);
                        inside[0] += u32::from(piece == Some(p));
                        inside[1] += u32::from(piece == Some(q));
                    }
                }
                let sure = |n: usize| inside[n] as f32 > IN_FRONT * (inside[0] + inside[1]) as f32;
                if sure(0) {
                    found.push((p, q));
                } else if sure(1) {
                    found.push((q, p));
                }
            }
        }
        self.overlaps.extend(found);
    }
}

//! Finds the motion of the ground, and everything that moves with it.

use rayon::prelude::*;

use super::appearance::{Appearance, Explained, Group, Leaving, STAYS};
use super::explain::{FOLLOWS, OTHER_COLOUR, Scene};
use super::register::{Registration, Search, by_moments, thin};
use super::rows::{self, Row};
use super::side::colours;
use super::transform::{Affine, UNIT};

/// Agreement from which the ground and regions at the picture's border, which figures partly cover,
/// follow a motion; for others see [`FOLLOWS`].
const GROUND_FOLLOWS: f32 = 0.6;
/// Share of a region's lines that it must have in common with the ground at the border if they
/// alone ...
const BESIDE: f32 = 0.1;
/// ... decide that it moves with it: this share of them must agree.
const BESIDE_FOLLOWS: f32 = 0.7;
/// Agreement that such a region also needs outside the lines it shares with figures.
const OPEN_FOLLOWS: f32 = 0.5;
/// Agreement from which a region counts as seen elsewhere.
const ELSEWHERE: f32 = 0.8;
/// How much better a region must agree with a motion of its own to leave its piece.
const BETTER: f32 = 0.08;
/// Bonus for a ground that does not move.
const REST: f32 = 0.05;
/// Number of points needed to determine the ground's motion; with fewer it rests.
const EVIDENCE: usize = 60;
/// Number of things away from the border, and their spread (of the diagonal), that indicate a
/// camera move ...
const MANY: usize = 6;
/// ... see [`MANY`] ...
const WIDE: f32 = 0.2;
/// ... if all of them agree this well.
const ALL: f32 = 0.7;
/// Difference in agreement within which motions of the ground count as equally good.
const REPEATS: f32 = 0.06;
/// The same as a share of the best, where things in a row make several motions agree too well.
const IN_ROW: f32 = 0.8;

impl Scene<'_> {
    /// The motion of the whole picture; none if there is too little evidence.
    fn moves(&self, rows: &[Row]) -> Affine {
        let [a, b] = self.keys;
        let still = Affine::shift([0.0; 2]);
        // What stands in a row fits in many places, so it decides only where there is little else.
        let in_row = rows::members(rows);
        let (row, other): (Vec<usize>, Vec<usize>) =
            (0..a.groups.len()).partition(|k| in_row.contains(k));
        let weight = |some: &[usize]| some.iter().map(|&k| a.groups[k].weight()).sum::<f32>();
        let mut some = other;
        if weight(&row) > weight(&some) {
            some.extend(row);
            some.sort_unstable();
        }
        let every = a.together(&some);
        let mut whole = every.clone();
        whole.points = a.ground_evidence();
        // Without lines of a ground, many things that all move the same way also indicate a camera
        // move.
        let plain = whole.points.len() < EVIDENCE;
        if plain {
            let inner = a.regions.list.iter().filter(|r| !r.at_border).count();
            if inner < MANY || every.reach < WIDE * self.diagonal {
                return still;
            }
            whole = every.clone();
        }
        let search = Search { leaving: Leaving::IsLeftOut, ..self.search(0, still) };
        let (h, w) = (a.regions.h, a.regions.w);
        // A horizon says nothing about a pan along it. What was found from everything visible is
        // improved with everything visible.
        let mut many = every.clone();
        many.points = thin(many.points, 2000);
        let by =
            |group| shifts(group, &b.appearance, h, w).into_iter().map(move |seed| (group, seed));
        let seeds: Vec<(&Group, Affine)> = by(&whole).chain(by(&many)).collect();
        let mut found: Vec<Registration> = seeds
            .par_iter()
            .flat_map_iter(|&(group, seed)| {
                let rough = search.climb(group, seed, 2, &[8.0, 4.0], false).motion;
                let mut few = group.clone();
                few.points = thin(few.points, 300);
                let fine = |motion| {
                    let motion = search.climb(group, motion, 1, &[2.0, 1.0], false).motion;
                    Registration { motion, score: search.score(&whole, &motion, 1) }
                };
                search.repeats(&few, rough).into_iter().map(fine).collect::<Vec<Registration>>()
            })
            .collect();
        let rest = search.score(&whole, &still, 1);
        found.insert(0, Registration { motion: still, score: rest + REST });
        let most = found.iter().map(|f| f.score).fold(f32::MIN, f32::max);
        let least = if rows.is_empty() { most - REPEATS } else { IN_ROW * most };
        found.retain(|f| f.score > least);
        // If the ground repeats itself, everything else in the picture decides how far it moved.
        // A figure that walks along a horizon says little about the horizon, so rest has its bonus
        // here as well.
        let best = found
            .into_iter()
            .map(|f| {
                let rest = if f.motion == still { REST } else { 0.0 };
                Registration { score: f.score + search.score(&many, &f.motion, 1) + rest, ..f }
            })
            .reduce(|a, b| if b.score > a.score + 1e-4 { b } else { a });
        let straight = |f: &Registration| {
            let bent = f.motion.m.iter().flatten().zip(UNIT.iter().flatten());
            bent.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 0.02
        };
        let best = best.filter(|f| !plain || straight(f) && f.score > 2.0 * ALL);
        match best.map(|f| f.motion).filter(|best| *best != still) {
            Some(best) => {
                let fine = search.climb(&whole, best, 0, &[1.0, 0.5], false);
                // Whole samples are preferred if they fit as well.
                let off = [0, 1].map(|c| fine.motion.to[c] - fine.motion.from[c]);
                let whole_steps = fine.motion.changed(off.map(|d| d.round() - d), 0.0, UNIT);
                let fits = search.score(&whole, &whole_steps, 0) > fine.score - 0.01;
                if fits { whole_steps } else { fine.motion }
            }
            None => still,
        }
    }

    /// Whether the other key shows region `k` of `key` turned or in another place, like the spoke
    /// of a wheel whose rim looks the same however far it turned.
    fn seen_elsewhere(&self, key: usize, k: usize) -> bool {
        let (side, other) = (self.keys[key], self.keys[1 - key]);
        let (region, group) = (&side.regions.list[k], &side.groups[k]);
        other.regions.list.iter().any(|s| {
            colours(region.colour, s.colour) < OTHER_COLOUR
                && (0.5..2.0).contains(&(s.area / region.area))
                && by_moments((region.middle, region.moments), (s.middle, s.moments))
                    .into_iter()
                    .any(|to| group.follows(&to, &other.appearance, None) > ELSEWHERE)
        })
    }

    /// Finds the ground and everything that moves with it.
    pub(super) fn ground(&mut self, rows: &[Vec<Row>; 2]) {
        let motion = self.moves(&rows[0]);
        let members = [0, 1].map(|key| {
            let side = self.keys[key];
            let Some(motion) = motion.seen_from(key) else { return Vec::new() };
            let search = self.search(key, motion);
            (0..side.groups.len())
                .into_par_iter()
                .filter(|&k| {
                    let group = &side.groups[k];
                    if side.regions.list[k].frame || group.within(&motion, search.other) < STAYS {
                        return true;
                    }
                    let at_border = side.regions.list[k].at_border;
                    // What a figure in front of a ground hides is no evidence against the ground.
                    let follows = |group: &Group| {
                        group.follows(&motion, search.other, Some(search.explained))
                    };
                    if at_border {
                        return follows(&side.of_ground(k)) >= GROUND_FOLLOWS;
                    }
                    if follows(group) < FOLLOWS {
                        let open = side.of_ground(k);
                        let all = follows(&open);
                        let beside = side.lines_of(open, k);
                        return beside.weight() > BESIDE * group.weight()
                            && follows(&beside) > BESIDE_FOLLOWS
                            && all > OPEN_FOLLOWS
                            && !self.seen_elsewhere(key, k);
                    }
                    let own = search.climb(group, motion, 0, &[4.0, 2.0, 1.0, 0.5], true);
                    let away = own.motion.away(&motion, group.middle, group.reach);
                    let then = group.agreement(
                        &motion,
                        search.other,
                        search.explained,
                        0,
                        Leaving::Disagrees,
                    );
                    own.score < then + BETTER || away < 0.8
                })
                .collect()
        });
        // Only what reaches the border is the ground itself; the rest moves with it, but is in
        // front of it.
        let keys = self.keys;
        let some = |at_border: bool| {
            [0, 1].map(|key| {
                let list = &keys[key].regions.list;
                let of = members[key].iter().copied();
                of.filter(|&k| list[k].at_border == at_border).collect::<Vec<usize>>()
            })
        };
        self.add(motion, some(true));
        let rest = some(false);
        if !rest[0].is_empty() || !rest[1].is_empty() {
            self.add(motion, rest);
        }
        self.grounds = self.pieces.len();
    }
}

/// The shifts of the whole picture that explain the most, at an eighth of the size.
fn shifts(whole: &Group, other: &Appearance, h: usize, w: usize) -> Vec<Affine> {
    let none = Explained::none(h, w);
    let step = 8i32;
    let (rows, columns) = (h as i32 * 2 / 5 / step, w as i32 * 9 / 20 / step);
    let mut few = whole.clone();
    few.points = thin(few.points, 500);
    let places: Vec<[i32; 2]> =
        (-rows..=rows).flat_map(|y| (-columns..=columns).map(move |x| [x, y])).collect();
    let mut scored: Vec<(f32, Affine)> = places
        .par_iter()
        .map(|[x, y]| {
            let shift = Affine::shift([(x * step) as f32, (y * step) as f32]);
            (few.agreement(&shift, other, &none, 3, Leaving::IsLeftOut), shift)
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<Affine> = Vec::new();
    for (_, shift) in scored {
        if kept
            .iter()
            .all(|k| libm::hypotf(k.to[0] - shift.to[0], k.to[1] - shift.to[1]) > 1.5 * step as f32)
        {
            kept.push(shift);
        }
        if kept.len() == 5 {
            break;
        }
    }
    kept
}

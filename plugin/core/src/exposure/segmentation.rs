//! From differences to drawings: where the limit between drawings lies, where scenes change, and
//! what pans.

use super::compare::{LEAST_LIMIT, Noise, median};
use super::{Drawing, Kind, Sheet, Step};

pub(super) const MOST_LIMIT: f32 = 300.0;

/// The limit for clips that do not suggest another.
pub(super) const USUAL_LIMIT: f32 = 40.0;

/// Number of frames on either side from which the usual noise is derived.
const NOISE_REACH: usize = 48;

/// Share of a scene's structure that must be new for a cut to be possible, and the share from which
/// it is a cut whatever the changes around it look like.
pub(super) const LEAST_CUT: f32 = 0.45;
const CERTAIN_CUT: f32 = 0.85;

/// The share that is required where a change cannot be compared with others around it.
pub(super) const CUT_ALONE: f32 = 0.6;

/// How many times more structure must be new at a cut than at the changes around it.
const CUT_AGAINST_OTHERS: f32 = 1.8;

/// Changes on either side that a cut is compared with.
const CUT_REACH: usize = 3;

/// Least movement that counts as a pan, in pixels.
pub(super) const LEAST_PAN: f32 = 0.3;

/// Least number of steps of a fade, and a smaller number that suffices if each step changes the
/// picture by more than the last value (of 1).
const LEAST_FADE: usize = 4;
const LEAST_STRONG_FADE: usize = 2;
const STRONG_FADE: f32 = 4.0 / 255.0;

/// Number of steps on either side from which the speed of a pan is derived.
pub(super) const PAN_REACH: usize = 4;

/// The sheet of a clip of `frames` frames from its `steps`, of which there is one fewer.
pub(super) fn sheet(frames: usize, steps: &[Step]) -> Sheet {
    if frames == 0 {
        return Sheet::default();
    }
    let noises: Vec<Noise> = steps.iter().map(|step| step.with_previous.noise).collect();
    let usual: Vec<Noise> =
        (0..steps.len()).map(|at| usual_noise(around(&noises, at, NOISE_REACH))).collect();
    let differences: Vec<f32> = steps
        .iter()
        .zip(&usual)
        .map(|(step, usual)| {
            step.with_previous.difference_over(step.with_previous.noise.within(*usual))
        })
        .collect();
    let limit = limit_of(&differences);
    let is_new: Vec<bool> = differences.iter().map(|difference| *difference > limit).collect();
    let is_cut = cuts_of(steps, &is_new);
    let mut moves: Vec<[f32; 2]> = steps.iter().map(|step| step.with_previous.shift).collect();
    for (way, _) in moves.iter_mut().zip(&is_cut).filter(|(_, cut)| **cut) {
        *way = [0.0; 2];
    }
    let weave =
        weave_of(moves.iter().zip(&is_new).filter(|(_, is_new)| !**is_new).map(|(way, _)| *way));
    let fades = fades_of(steps);
    let mut starts = vec![0];
    for (at, step) in steps.iter().enumerate() {
        let (frame, start) = (at + 1, starts[starts.len() - 1]);
        let drifts = || {
            let noise = usual[at];
            step.with_earlier.iter().any(|(lag, earlier)| {
                frame - start >= *lag
                    && earlier.difference_over(earlier.noise.within(noise)) > limit
            })
        };
        if is_new[at] || fades[at] || is_step(&moves, &is_cut, &is_new, at, weave) || drifts() {
            starts.push(frame);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([frames]);
    let drawings = starts
        .iter()
        .zip(ends)
        .map(|(first, end)| {
            let first = *first;
            let inside = &differences[first.saturating_sub(1)..(end).min(differences.len())];
            Drawing {
                first,
                frames: end - first,
                kind: kind_of(&moves, &is_cut, first, end, weave),
                cut: first > 0 && is_cut[first - 1],
                confidence: inside.iter().map(|value| margin(*value, limit)).fold(1.0, f32::min),
            }
        })
        .collect();
    let mut camera = vec![[0.0_f32; 2]; frames];
    for (at, [x, y]) in moves.iter().enumerate() {
        camera[at + 1] = [camera[at][0] + x, camera[at][1] + y];
    }
    Sheet { drawings, camera }
}

/// Which steps belong to a fade or a dissolve: the picture changes the same way several times
/// running. Flickering light does so by chance now and then, but never for long or by much.
fn fades_of(steps: &[Step]) -> Vec<bool> {
    let mut fades = Vec::with_capacity(steps.len());
    let begins = |(_, step): &(usize, &Step)| !step.is_steady;
    let starts: Vec<usize> = steps.iter().enumerate().filter(begins).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([steps.len()]);
    for (start, end) in starts.iter().copied().zip(ends) {
        let is_strong = steps[start..end].iter().all(|step| step.change > STRONG_FADE);
        let least = if is_strong { LEAST_STRONG_FADE } else { LEAST_FADE };
        fades.resize(end, end - start >= least);
    }
    fades.resize(steps.len(), false);
    fades
}

/// The part of `all` within `reach` of `at`.
fn around<T>(all: &[T], at: usize, reach: usize) -> &[T] {
    &all[at.saturating_sub(reach)..(at + reach + 1).min(all.len())]
}

/// The noise of the quieter pairs; in the others something moves.
fn usual_noise(noises: &[Noise]) -> Noise {
    let quarter = |value: fn(&Noise) -> f32| {
        let mut all: Vec<f32> = noises.iter().map(value).collect();
        let at = all.len() / 4;
        *all.select_nth_unstable_by(at, f32::total_cmp).1
    };
    Noise { flat: quarter(|noise| noise.flat), edge: quarter(|noise| noise.edge) }
}

/// The middle of the clearest gap between differences, within the bounds of the limit. A gap is
/// measured as a ratio, and the nearer it is to the usual limit, the narrower it may be.
fn limit_of(differences: &[f32]) -> f32 {
    let mut inside: Vec<f32> = differences
        .iter()
        .copied()
        .filter(|difference| (LEAST_LIMIT..MOST_LIMIT).contains(difference))
        .collect();
    inside.extend([LEAST_LIMIT, MOST_LIMIT]);
    inside.sort_by(f32::total_cmp);
    let clear = |gap: &[f32]| {
        let off = libm::logf((gap[0] * gap[1]).sqrt() / USUAL_LIMIT).abs();
        libm::logf(gap[1] / gap[0]) / (1.0 + 0.25 * off)
    };
    let clearest = inside.windows(2).max_by(|a, b| clear(a).total_cmp(&clear(b)));
    clearest.map_or(USUAL_LIMIT, |gap| (gap[0] * gap[1]).sqrt())
}

/// How far a difference is from the limit: 0 on it, towards 1 far away.
fn margin(difference: f32, limit: f32) -> f32 {
    1.0 - libm::expf(-libm::logf(difference.max(1e-3) / limit).abs())
}

/// Which steps lead to another scene.
fn cuts_of(steps: &[Step], is_new: &[bool]) -> Vec<bool> {
    let changes: Vec<usize> = (0..steps.len()).filter(|at| is_new[*at]).collect();
    let novelties: Vec<f32> = changes.iter().map(|at| steps[*at].with_previous.novelty).collect();
    let mut cuts = vec![false; steps.len()];
    for (n, at) in changes.into_iter().enumerate() {
        cuts[at] = is_cut(&novelties, n);
    }
    // In a flash, neither the beginning nor the end leads to another scene.
    for (at, step) in steps.iter().enumerate() {
        if let Some(begins) = step.flash_frames.and_then(|frames| at.checked_sub(frames)) {
            cuts[begins] = false;
            cuts[at] = false;
        }
    }
    cuts
}

/// Whether a change leads to another scene. Either next to nothing of the picture is found again, or
/// little is, and clearly less than at the changes around it. Of those, certain cuts do not count.
fn is_cut(novelties: &[f32], at: usize) -> bool {
    let here = novelties[at];
    if here < LEAST_CUT {
        return false;
    }
    let before = &novelties[at.saturating_sub(CUT_REACH)..at];
    let after = &novelties[at + 1..(at + 1 + CUT_REACH).min(novelties.len())];
    let others: Vec<f32> =
        before.iter().chain(after).copied().filter(|other| *other < CERTAIN_CUT).collect();
    here > CERTAIN_CUT || here > CUT_AGAINST_OTHERS * median(others)
}

/// The usual play of the picture from frame to frame while a drawing is held, in pixels. It is
/// derived from the smaller steps, because the larger ones may belong to a pan.
pub(super) fn weave_of(moves: impl Iterator<Item = [f32; 2]> + Clone) -> f32 {
    let middle = [0, 1].map(|axis| median(moves.clone().map(|way| way[axis]).collect()));
    let around = |from: [f32; 2]| -> f32 {
        let mut rests: Vec<f32> = moves
            .clone()
            .flat_map(|way| [0, 1].map(|axis| (way[axis] - from[axis]).abs()))
            .collect();
        rests.sort_by(f32::total_cmp);
        // If the movement of the picture in its gate is normally distributed, a quarter of the values lie below 0.32
        // deviations.
        rests.get(rests.len() / 4).map_or(0.0, |quarter| quarter / 0.32)
    };
    around([0.0; 2]).min(around(middle))
}

/// Whether the picture jumped in this step and stood still just before or after it: something on
/// empty ground, or the camera, moves on twos or threes.
///
/// A step to another drawing is not used as evidence, because there the movement of the picture is
/// a guess. A new drawing pulls it along, and a pan over drawings on twos would look like jumps
/// between them.
fn is_step(moves: &[[f32; 2]], is_cut: &[bool], is_new: &[bool], at: usize, weave: f32) -> bool {
    let beside = [at.checked_sub(1), Some(at + 1).filter(|next| *next < moves.len())];
    let beside = beside.into_iter().flatten().filter(|other| !is_cut[*other] && !is_new[*other]);
    !is_cut[at] && beside.into_iter().any(|other| jumps(moves[at], moves[other], weave))
}

/// Whether the picture jumps by `way` and all but stands still in the neighbouring step.
pub(super) fn jumps(way: [f32; 2], beside: [f32; 2], weave: f32) -> bool {
    let length = |way: [f32; 2]| libm::hypotf(way[0], way[1]);
    length(way) > LEAST_PAN.max(5.0 * weave) && length(beside) < 0.3 * length(way)
}

/// The speed of the picture around a step, in pixels per frame, measured within its scene.
fn speed_at(moves: &[[f32; 2]], is_cut: &[bool], at: usize) -> [f32; 2] {
    let in_scene = |step: &usize| !is_cut[*step];
    let before = (at.saturating_sub(PAN_REACH)..at).rev().take_while(in_scene);
    let after = (at..(at + PAN_REACH + 1).min(moves.len())).take_while(in_scene);
    let near: Vec<[f32; 2]> = before.chain(after).map(|step| moves[step]).collect();
    [0, 1].map(|axis| median(near.iter().map(|way| way[axis]).collect()))
}

/// The median of these steps if the camera surely moves: at least three of them, and all but at most
/// one, are near it.
pub(super) fn steady_pan(steps: impl Iterator<Item = [f32; 2]>) -> Option<[f32; 2]> {
    const LEAST: usize = 3;
    let steps: Vec<[f32; 2]> = steps.collect();
    let middle = [0, 1].map(|axis| median(steps.iter().map(|step| step[axis]).collect()));
    let length = libm::hypotf(middle[0], middle[1]);
    let is_near = |step: &&[f32; 2]| {
        libm::hypotf(step[0] - middle[0], step[1] - middle[1]) < LEAST_PAN + 0.2 * length
    };
    let near = steps.iter().filter(is_near).count();
    let is_sure = near >= LEAST && near + 1 >= steps.len() && length > 2.0 * LEAST_PAN;
    is_sure.then_some(middle)
}

/// Whether the drawing on `first..end` pans: the picture moves farther than weave explains, or in
/// the same direction as its neighbours do.
fn kind_of(moves: &[[f32; 2]], is_cut: &[bool], first: usize, end: usize, weave: f32) -> Kind {
    if end - first < 2 {
        return Kind::Held;
    }
    let own = &moves[first..end - 1];
    let shift = [0, 1].map(|axis| own.iter().map(|step| step[axis]).sum::<f32>());
    let length = |way: [f32; 2]| libm::hypotf(way[0], way[1]);
    let speed = speed_at(moves, is_cut, first + own.len() / 2);
    let way = speed.map(|part| part * own.len() as f32);
    let off = length([shift[0] - way[0], shift[1] - way[1]]);
    let steady =
        length(speed) > LEAST_PAN.max(1.5 * weave) && off < 4.0 * weave + 0.5 * length(way);
    if length(shift) > LEAST_PAN.max(5.0 * weave) || steady {
        Kind::Panned { shift }
    } else {
        Kind::Held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(moves: &[[f32; 2]], is_new: &[bool]) -> Vec<bool> {
        let no_cut = vec![false; moves.len()];
        (0..moves.len()).map(|at| is_step(moves, &no_cut, is_new, at, 0.0)).collect()
    }

    #[test]
    fn a_camera_on_twos_steps_beside_standing_still() {
        let moves = [[0.0; 2], [3.0, 0.0], [0.0; 2], [3.0, 0.0], [0.0; 2]];
        assert_eq!(steps(&moves, &[false; 5]), [false, true, false, true, false]);
    }

    #[test]
    fn a_pan_over_drawings_on_twos_is_no_step_however_their_change_pulls() {
        let moves = [[-2.6, 0.0], [-0.3, 0.1], [-2.6, 0.0], [-0.6, 0.2], [-2.6, 0.0]];
        assert_eq!(steps(&moves, &[false, true, false, true, false]), [false; 5]);
    }
}

//! Light, repeats and grain are not motion and stay as they are.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::noise::noise;
use inbetween_core::{Control, Drawn, Engine, Frame};
use inbetween_flow::FlowEngine;

const W: usize = 320;
const H: usize = 180;

const PAPER: [f32; 4] = [0.92, 0.88, 0.82, 1.0];
const GRASS: [f32; 4] = [0.45, 0.62, 0.35, 1.0];
const INK: [f32; 4] = [0.08, 0.08, 0.1, 1.0];
const RED: [f32; 4] = [0.85, 0.25, 0.2, 1.0];
const BLUE: [f32; 4] = [0.25, 0.45, 0.8, 1.0];
const CLEAR: [f32; 4] = [0.0; 4];

fn picture(colour: impl Fn(f32, f32) -> [f32; 4]) -> Frame {
    common::painted(W, H, colour)
}

fn changed(frame: &Frame, change: impl Fn(usize, [f32; 4]) -> [f32; 4]) -> Frame {
    let pixels = frame.pixels().iter().enumerate().map(|(i, p)| change(i, *p)).collect();
    Frame::from_pixels(frame.width(), frame.height(), pixels).unwrap()
}

fn scaled(frame: &Frame, gain: [f32; 4]) -> Frame {
    changed(frame, |_, p| [0, 1, 2, 3].map(|c| gain[c] * p[c]))
}

fn draw(first: &Frame, last: &Frame, t: f64) -> Drawn {
    let job = common::job(first, last, t, &[]);
    FlowEngine::new().unwrap().draw(&job, &Control::default()).unwrap()
}

/// Mean difference of all channels within a margin, of values 0..=255.
fn apart(a: &Frame, b: &Frame, margin: usize) -> f32 {
    let inside = |i: &usize| {
        let (x, y) = (i % W, i / W);
        x >= margin && y >= margin && x + margin < W && y + margin < H
    };
    let places: Vec<usize> = (0..W * H).filter(inside).collect();
    let off =
        |&i: &usize| (0..4).map(|c| (a.pixels()[i][c] - b.pixels()[i][c]).abs()).sum::<f32>() / 4.0;
    255.0 * places.iter().map(off).sum::<f32>() / places.len() as f32
}

/// A meadow, a house and a walker at `x`.
fn meadow(walker: f32) -> Frame {
    picture(|x, y| {
        let (dx, dy) = (x - walker, y - 100.0);
        let figure = dx.abs() < 14.0 && dy.abs() < 30.0;
        let rim = dx.abs() < 17.0 && dy.abs() < 33.0;
        match () {
            () if figure => BLUE,
            () if rim => INK,
            () if (220.0..270.0).contains(&x) && (60.0..140.0).contains(&y) => RED,
            () if y > 140.0 => GRASS,
            () => PAPER,
        }
    })
}

/// A red ball with an outline on nothing.
fn cel(x0: f32) -> Frame {
    picture(|x, y| match (x - x0).hypot(y - 90.0) {
        away if away < 40.0 => RED,
        away if away < 46.0 => INK,
        _ => CLEAR,
    })
}

#[test]
fn a_change_of_light_goes_evenly_with_and_without_motion() {
    let dark = |gain: f32| [gain, gain, gain, 1.0];
    let warm = [0.6, 0.85, 1.0, 1.0];
    for (gain, t) in [(dark(0.9), 0.5), (dark(0.7), 0.25), (dark(0.4), 0.75), (warm, 0.5)] {
        for (from, to) in [(60.0, 60.0), (60.0, 100.0), (110.0, 60.0)] {
            {
                let x = from + (to - from) * t as f32;
                let at = gain.map(|g| 1.0 + t as f32 * (g - 1.0));
                let (bright, dim) = (meadow(from), scaled(&meadow(to), gain));
                let wanted = scaled(&meadow(x), at);
                let drawn = draw(&bright, &dim, t);
                let off = apart(&drawn.frame, &wanted, 2);
                assert!(!drawn.cut && off < 1.5, "{off} at {t}, {gain:?}, {from} to {to}");
                // The same pair in the other order.
                let off = apart(&draw(&dim, &bright, 1.0 - t).frame, &wanted, 2);
                assert!(off < 1.5, "{off} at {t}, back, {gain:?}, {from} to {to}");
            }
        }
    }
}

#[test]
fn a_cel_that_fades_keeps_its_outline() {
    for left in [0.5f32, 0.1, 0.0] {
        for t in [0.25f64, 0.5, 0.75] {
            let opacity = 1.0 + t as f32 * (left - 1.0);
            let wanted = scaled(&cel(140.0), [opacity; 4]);
            let drawn = draw(&cel(140.0), &scaled(&cel(140.0), [left; 4]), t).frame;
            let off = apart(&drawn, &wanted, 0);
            assert!(off < 0.5, "{off} at {t} to {left}");
            let back = draw(&scaled(&cel(140.0), [left; 4]), &cel(140.0), 1.0 - t).frame;
            let off = apart(&back, &wanted, 0);
            assert!(off < 0.5, "{off} at {t} from {left}");
        }
    }
}

#[test]
fn a_figure_that_fades_before_a_ground_at_rest_is_blended() {
    let ground = meadow(-100.0);
    let whole = meadow(100.0);
    for left in [0.6f32, 0.3] {
        let faded = changed(&ground, |i, g| {
            [0, 1, 2, 3].map(|c| g[c] + left * (whole.pixels()[i][c] - g[c]))
        });
        let wanted =
            changed(&whole, |i, p| [0, 1, 2, 3].map(|c| 0.5 * (p[c] + faded.pixels()[i][c])));
        let off = apart(&draw(&whole, &faded, 0.5).frame, &wanted, 2);
        assert!(off < 1.0, "{off} at {left}");
    }
}

/// A fence under a sky with landmarks, panned by `pan`.
fn fence(pan: f32, period: f32) -> Frame {
    picture(|x, y| {
        let x = x - pan;
        let sun = (x - 90.0).hypot(y - 30.0);
        match () {
            () if sun < 18.0 => [0.98, 0.93, 0.45, 1.0],
            () if sun < 21.0 => INK,
            () if (200.0..236.0).contains(&x) && (10.0..50.0).contains(&y) => RED,
            () if (70.0..150.0).contains(&y) && x.rem_euclid(period) < 0.35 * period => {
                [0.45, 0.3, 0.18, 1.0]
            }
            () => [0.6, 0.75, 0.9, 1.0],
        }
    })
}

#[test]
fn a_fence_goes_with_the_whole_picture() {
    for (period, pans) in [(20.0, [6.0, 10.0, 12.0, -14.0]), (12.0, [4.0, 6.0, 8.0, -9.0])] {
        for pan in pans {
            let drawn = draw(&fence(0.0, period), &fence(pan, period), 0.5).frame;
            let off = apart(&drawn, &fence(0.5 * pan, period), 24);
            assert!(off < 2.0, "{off} for a period of {period} panned by {pan}");
        }
    }
}

/// Trees on a hill, panned by `pan` behind a frame line, and a car whose middle is at `car`.
fn drive(pan: f32, car: f32, gap: f32) -> Frame {
    const GRASS: [f32; 4] = [0.5, 0.72, 0.4, 1.0];
    const LEAVES: [f32; 4] = [0.2, 0.5, 0.28, 1.0];
    let lined = |away: f32, r: f32, colour: [f32; 4]| {
        (away < r).then_some(if away < r - 2.0 { colour } else { INK })
    };
    picture(|x, y| {
        if y > 177.0 {
            return INK;
        }
        let body = (x - car).abs() < 34.0 && (102.0..132.0).contains(&y);
        let rim = (x - car).abs() > 32.0 || !(104.0..130.0).contains(&y);
        for wheel in [-20.0, 20.0] {
            if let Some(c) = lined((x - car - wheel).hypot(y - 134.0), 10.0, PAPER) {
                return c;
            }
        }
        if body {
            return if rim { INK } else { RED };
        }
        let x = x - pan;
        let n = (x / gap).round();
        // No two trees have the same height.
        let up = 96.0 + 9.0 * (1.7 * n).sin();
        if let Some(c) = lined((x - n * gap).hypot(0.8 * (y - up)), 13.0, LEAVES) {
            return c;
        }
        match () {
            () if (x - n * gap).abs() < 2.5 && (up..128.0).contains(&y) => [0.4, 0.25, 0.12, 1.0],
            () if y > 114.0 => GRASS,
            () if y > 112.0 => INK,
            () => [0.6, 0.8, 0.95, 1.0],
        }
    })
}

#[test]
fn what_a_figure_passes_before_stays_with_the_ground() {
    for (gap, pan, car) in [(44.0, -40.0, -70.0), (52.0, -60.0, -30.0), (48.0, -36.0, 50.0)] {
        let at = |t: f32| drive(t * pan, 170.0 + t * car, gap);
        for t in [0.25f32, 0.5, 0.75] {
            let drawn = draw(&at(0.0), &at(1.0), f64::from(t)).frame;
            let off = apart(&drawn, &at(t), 0);
            assert!(off < 2.0, "{off} at {t}, trees {gap} apart, pan {pan}, car {car}");
        }
    }
}

/// A wheel with `spokes` spokes and a mark, turned by `turn` degrees.
fn wheel(spokes: f32, turn: f32) -> Frame {
    picture(|x, y| {
        let (dx, dy) = (x - 160.0, y - 90.0);
        let (away, angle) = (dx.hypot(dy), dy.atan2(dx).to_degrees() - turn);
        let step = 360.0 / spokes;
        let beside =
            ((angle / step - (angle / step).round()) * step).to_radians().sin().abs() * away;
        let at = (angle - 0.5 * step).to_radians();
        let mark = (away * at.cos() - 50.0).hypot(away * at.sin());
        match () {
            () if away < 10.0 => INK,
            () if mark < 7.0 => RED,
            () if away > 80.0 => PAPER,
            () if away > 75.0 || beside < 2.0 => INK,
            () => [0.8, 0.8, 0.85, 1.0],
        }
    })
}

#[test]
fn a_wheel_keeps_its_spokes() {
    for (spokes, turn) in [(5.0, 30.0), (5.0, -25.0), (4.0, 40.0), (6.0, 24.0)] {
        let drawn = draw(&wheel(spokes, 0.0), &wheel(spokes, turn), 0.5).frame;
        let off = apart(&drawn, &wheel(spokes, 0.5 * turn), 2);
        assert!(off < 3.0, "{off} for {spokes} spokes turned by {turn}");
    }
}

/// A head with locks of hair before a sky, whose tips are blown `sway` samples aside.
fn hair(sway: f32) -> Frame {
    picture(|x, y| {
        let down = ((y - 40.0) / 110.0).max(0.0);
        // How far a sample is inside a lock, in samples.
        let inside = |lock: usize| {
            let blown = sway * (0.7 + 0.1 * ((lock * 7) % 5) as f32) * down.powf(1.5);
            let half = 9.0 * (1.0 - down / (0.8 + 0.1 * ((lock * 3) % 4) as f32));
            half - (x - 104.0 - 16.0 * lock as f32 - blown).abs()
        };
        let lock = (0..8).map(inside).fold(f32::MIN, f32::max);
        let face = 40.0 - (x - 160.0).hypot(y - 30.0);
        match () {
            () if lock > 1.4 => [0.88, 0.66, 0.72, 1.0],
            () if lock > 0.0 => [0.4, 0.25, 0.3, 1.0],
            () if face > 0.0 => [0.98, 0.9, 0.85, 1.0],
            () => [0.45 + 0.001 * y, 0.7 + 0.0005 * y, 0.9, 1.0],
        }
    })
}

#[test]
fn locks_that_sway_by_more_than_their_width_are_not_torn() {
    for sway in [18.0, -22.0, 26.0] {
        let (first, last, truth) = (hair(-0.5 * sway), hair(0.5 * sway), hair(0.0));
        let drawn = draw(&first, &last, 0.5).frame;
        let (off, held) = (apart(&drawn, &truth, 0), apart(&first, &truth, 0));
        assert!(off < 0.4 * held, "{off} for a sway of {sway}, a held key has {held}");
    }
}

#[test]
fn grain_is_as_strong_in_between_as_in_the_keys() {
    for (deviation, to) in [(0.02, 60.0), (0.05, 60.0), (0.05, 95.0)] {
        let grained = |frame: &Frame, roll: u64| {
            changed(frame, |i, p| {
                let at = |c: usize| p[c] + deviation * noise(roll + 4 * i as u64 + c as u64);
                [at(0), at(1), at(2), 1.0]
            })
        };
        let keys = [grained(&meadow(60.0), 1), grained(&meadow(to), 1_000_000)];
        // Paper, away from all that moves.
        let strength = |frame: &Frame| {
            let places = (5..50).flat_map(|y| (150..210).map(move |x| y * W + x));
            let v: Vec<f32> = places.map(|i| frame.pixels()[i][1]).collect();
            let mean = v.iter().sum::<f32>() / v.len() as f32;
            (v.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / v.len() as f32).sqrt()
        };
        let wanted = strength(&keys[0]);
        for t in [0.2, 0.5, 0.7] {
            let got = strength(&draw(&keys[0], &keys[1], t).frame);
            assert!((got / wanted - 1.0).abs() < 0.1, "{got} at {t}, {wanted} in the keys");
        }
    }
}

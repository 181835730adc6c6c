//! Figures stay whole at large distances: a ball with a band is moved farther than its size, turned
//! and squashed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::path::Path;

use common::ball::*;
use common::draw;
use inbetween_core::Frame;
use inbetween_flow::FlowEngine;

/// Every in-between of two poses shows one whole ball on its way.
fn stays_whole(engine: &FlowEngine, pair: u8, from: Pose, to: Pose) {
    let (first, last) = (ball(from), ball(to));
    let (start, _, _) = figure(&first);
    let (end, _, _) = figure(&last);
    for n in 1..8 {
        let t = n as f32 / 8.0;
        let drawn = draw(engine, &first, &last, f64::from(t));
        let (area, middle, pieces) = figure(&drawn);
        let what = format!("pair {pair} at {n} of 8");
        assert_eq!(pieces, 1, "{what}: the ball is in pieces");
        let (least, most) = (start.min(end), start.max(end));
        assert!(area > 0.85 * least && area < 1.15 * most, "{what}: {area} of {least} to {most}");
        for k in 0..2 {
            let wanted = from.middle[k] + t * (to.middle[k] - from.middle[k]);
            assert!((middle[k] - wanted).abs() < 12.0, "{what}: at {middle:?}, not {wanted}");
        }
        // All its parts are there.
        let whole = std::f32::consts::PI * BALL * BALL;
        for (name, colour, share) in [("red", RED, 0.40), ("yellow", YELLOW, 0.14)] {
            let seen = of_colour(&drawn, colour).iter().filter(|v| **v).count() as f32;
            let scale = area / whole;
            assert!(seen > share * whole * scale, "{what}: {name} {:.2}", seen / (whole * scale));
        }
    }
}

#[test]
fn a_ball_stays_whole_however_far_it_goes() {
    let engine = FlowEngine::new().unwrap();
    let round = [1.0, 1.0];
    for (pair, way) in [(1, 240.0), (2, 420.0), (3, 620.0)] {
        stays_whole(
            &engine,
            pair,
            pose(160.0, 200.0, 0.0, round),
            pose(160.0 + way, 260.0, 0.0, round),
        );
    }
}

#[test]
fn a_ball_stays_whole_while_it_turns() {
    let engine = FlowEngine::new().unwrap();
    let round = [1.0, 1.0];
    for (pair, degrees) in [(1, 30.0), (2, -60.0), (3, 90.0)] {
        stays_whole(
            &engine,
            pair,
            pose(200.0, 150.0, 0.0, round),
            pose(620.0, 330.0, degrees, round),
        );
    }
}

#[test]
fn a_ball_stays_whole_while_it_is_squashed() {
    let engine = FlowEngine::new().unwrap();
    let flat = [1.35, 0.7];
    for (pair, degrees) in [(1, 0.0), (2, -45.0)] {
        let from = pose(200.0, 120.0, 0.0, [1.0, 1.0]);
        stays_whole(&engine, pair, from, pose(620.0, 400.0, degrees, flat));
    }
}

/// The ball over a floor, with a shadow that has no outline of its own.
fn over_floor(pose: Pose) -> Frame {
    const FLOOR: f32 = 440.0;
    let ball = ball(pose);
    let half = 36.0 + 90.0 * (pose.middle[1] / FLOOR).powi(2);
    let floor = common::painted(W, H, |x, y| {
        let shadow = ((x - pose.middle[0]) / half).hypot((y - FLOOR - 8.0) / 9.0) < 1.0;
        match () {
            () if (y - FLOOR).abs() < 2.5 => INK,
            () if y < FLOOR => PAPER,
            () if shadow => [0.4, 0.6, 0.33, 1.0],
            () => [0.55, 0.75, 0.45, 1.0],
        }
    });
    let paper = of_colour(&ball, PAPER);
    let mut out = floor;
    for ((to, from), paper) in out.pixels_mut().iter_mut().zip(ball.pixels()).zip(paper) {
        if !paper {
            *to = *from;
        }
    }
    out
}

/// The ball over tiles of 80 pixels.
fn over_tiles(pose: Pose) -> Frame {
    common::painted(W, H, |x, y| {
        let odd = ((x / 80.0) as usize + (y / 80.0) as usize) % 2;
        let light = [0.9, 0.72][odd];
        colour(pose, x, y).unwrap_or([light, light, 0.95, 1.0])
    })
}

#[test]
fn tiles_stay_in_their_places_behind_a_ball() {
    let engine = FlowEngine::new().unwrap();
    let ways = [([120.0, 400.0], [300.0, 230.0]), ([300.0, 230.0], [560.0, 210.0])];
    for (pair, (from, to)) in ways.into_iter().enumerate() {
        let at = |t: f32| [0, 1].map(|k| from[k] + t * (to[k] - from[k]));
        let keys =
            [0.0, 1.0].map(|t| over_tiles(Pose { middle: at(t), turn: 0.0, squash: [1.0; 2] }));
        for n in 1..4 {
            let t = n as f32 / 4.0;
            let [x, y] = at(t);
            let drawn = draw(&engine, &keys[0], &keys[1], f64::from(t));
            let wanted = over_tiles(Pose { middle: [x, y], turn: 0.0, squash: [1.0; 2] });
            let what = format!("pair {pair} at {n} of 4");
            let (mut torn, mut ball) = (0, 0);
            for (i, (drawn, wanted)) in drawn.pixels().iter().zip(wanted.pixels()).enumerate() {
                let away = ((i % W) as f32 - x).hypot((i / W) as f32 - y);
                let off = (0..3).any(|c| (drawn[c] - wanted[c]).abs() > 0.12);
                torn += usize::from(off && away > BALL + 3.0);
                ball += usize::from(!off && away < BALL - 8.0);
            }
            assert!(torn < 700, "{what}: {torn} pixels of the tiles are torn");
            let inside = std::f32::consts::PI * (BALL - 8.0) * (BALL - 8.0);
            assert!(ball as f32 > 0.8 * inside, "{what}: {ball} pixels of the ball");
        }
    }
}

#[test]
fn a_ball_that_lands_takes_nothing_of_the_floor_and_leaves_nothing_on_it() {
    let engine = FlowEngine::new().unwrap();
    for (x, squash) in [(560.0, [1.4, 0.62]), (420.0, [1.2, 0.8])] {
        // It lies on the line of the floor.
        let to = pose(x, 440.0 - squash[1] * BALL + 1.0, 0.0, squash);
        let keys = [pose(200.0, 110.0, 0.0, [1.0, 1.0]), to].map(over_floor);
        for pair in [[0, 1], [1, 0]] {
            for n in 3..6 {
                let t = f64::from(n) / 8.0;
                let drawn = draw(&engine, &keys[pair[0]], &keys[pair[1]], t);
                let paper = of_colour(&drawn, PAPER);
                // Between ball and floor there is paper, from side to side.
                let marks = (400..434).flat_map(|y| (0..W).map(move |x| y * W + x));
                let marks = marks.filter(|&i| !paper[i]).count();
                assert!(marks < 12, "{marks} marks over the floor at {t}, ball to {x}, {pair:?}");
            }
        }
    }
}

#[test]
fn a_ball_that_turns_and_lands_is_followed_by_no_specks_and_the_floor_stays_a_line() {
    let engine = FlowEngine::new().unwrap();
    for (x, degrees, squash) in [(470.0, 40.0, [1.4, 0.62]), (600.0, -30.0, [1.3, 0.7])] {
        let to = pose(x, 440.0 - squash[1] * BALL + 1.0, degrees, squash);
        let keys = [pose(200.0, 110.0, 0.0, [1.0, 1.0]), to].map(over_floor);
        for n in 2..7 {
            let t = f64::from(n) / 8.0;
            let drawn = draw(&engine, &keys[0], &keys[1], t);
            let paper = of_colour(&drawn, PAPER);
            let pieces = sizes((0..W * H).map(|i| i < 434 * W && !paper[i]).collect());
            let specks = pieces.iter().sum::<usize>() - pieces.iter().max().unwrap();
            let ink = of_colour(&drawn, INK);
            let floor = (438 * W..442 * W).filter(|&i| !ink[i]).count();
            assert!(specks < 12, "{specks} pixels of specks round the ball to {x} at {t}");
            assert!(floor < 12, "{floor} pixels of the floor's line are gone at {t}, ball to {x}");
        }
    }
}

/// A road under a camera that has gone `camera` pixels to the right: hills far away, trees, and posts in front at equal
/// distances, which move twice as far as the trees.
fn road(camera: f32) -> Frame {
    const STEP: f32 = 170.0;
    const TREES: [f32; 9] = [-130.0, 40.0, 150.0, 330.0, 420.0, 600.0, 690.0, 880.0, 1010.0];
    common::painted(W, H, |x, y| {
        let post = (x + 2.0 * camera - 60.0).rem_euclid(STEP);
        let (far, edge) = (x + camera, 6.0);
        let tree = TREES.iter().map(|tree| (far - tree).hypot(y - 290.0)).fold(f32::MAX, f32::min);
        let hill = 190.0 + 50.0 * (far / 83.0).sin() + 30.0 * (far / 31.0).cos();
        match () {
            () if y > 420.0 && post < 30.0 => {
                if post < edge || post > 30.0 - edge || y < 420.0 + edge { INK } else { PAPER }
            }
            () if tree < 34.0 => {
                if tree > 29.0 {
                    INK
                } else {
                    [0.2, 0.5, 0.27, 1.0]
                }
            }
            () if (y - 340.0).abs() < 2.5 || (y - hill).abs() < 2.5 => INK,
            () if y > 340.0 => [0.5, 0.72, 0.4, 1.0],
            () if y > hill => [0.55, 0.6, 0.72, 1.0],
            () => [0.62, 0.83, 0.95, 1.0],
        }
    })
}

#[test]
fn posts_at_equal_distances_go_along_with_a_pan_and_stay_whole() {
    let engine = FlowEngine::new().unwrap();
    // Posts move by about half of their distance, one way and the other, and by nearly all of it.
    for (from, to) in [(0.0, 42.0), (90.0, 50.0), (20.0, 100.0)] {
        let (first, last) = (road(from), road(to));
        for n in 1..4 {
            let t = n as f32 / 4.0;
            let drawn = draw(&engine, &first, &last, f64::from(t));
            let wanted = road(from + t * (to - from));
            // Where all of a post is in the picture.
            let inside = |i: &usize| (220..W - 220).contains(&(i % W));
            let torn = (420 * W..(H - 2) * W).filter(inside).filter(|&i| {
                let (drawn, wanted) = (drawn.pixels()[i], wanted.pixels()[i]);
                (0..3).any(|c| (drawn[c] - wanted[c]).abs() > 0.25)
            });
            let torn = torn.count();
            let what = format!("at {n} of 4, camera from {from} to {to}");
            assert!(torn < 100, "{torn} pixels of the posts are torn {what}");
        }
    }
}

/// Number of pixels whose channels are within a tenth of a colour's, seen over black.
fn amount(frame: &Frame, colour: [u8; 3]) -> f32 {
    let alike = |p: &&[f32; 4]| {
        p[3] > 0.5 && (0..3).all(|c| (p[c] - f32::from(colour[c]) / 255.0).abs() < 0.1)
    };
    frame.pixels().iter().filter(alike).count() as f32
}

#[test]
fn figures_that_change_their_pose_lose_nothing_and_double_nothing() {
    const COAT: [u8; 3] = [242, 195, 66];
    const BOOT: [u8; 3] = [216, 74, 66];
    const TROUSERS: [u8; 3] = [74, 85, 128];
    const HAIR: [u8; 3] = [53, 56, 102];
    const SKIN: [u8; 3] = [238, 189, 144];
    // The ground behind the head, of which holes would show more.
    const CIRCLE: [u8; 3] = [218, 239, 229];
    const FROG: [u8; 3] = [108, 184, 58];
    let engine = FlowEngine::new().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../resources/samples");
    for (name, colours) in [
        ("stride", &[COAT, BOOT, TROUSERS][..]),
        ("head", &[HAIR, SKIN, CIRCLE]),
        ("jump", &[FROG]),
    ] {
        let key = |file: &str| common::read(&samples.join(name).join(file), None);
        let (first, last) = (key("key_a.png"), key("key_b.png"));
        for n in 1..8 {
            let drawn = draw(&engine, &first, &last, f64::from(n) / 8.0);
            for &colour in colours {
                let keys = [&first, &last].map(|key| amount(key, colour));
                let (least, most) = (keys[0].min(keys[1]), keys[0].max(keys[1]));
                let seen = amount(&drawn, colour);
                assert!(
                    seen > 0.95 * least && seen < 1.05 * most,
                    "{name}, {n} of 8: {seen} pixels of {colour:?}; the keys have {keys:?}"
                );
            }
        }
    }
}

//! Any number of keys in one clip, and what the drawings beside a span change.

use std::sync::Arc;

use host_tests::host::instance::{FrameRequest, Instance};
use host_tests::host::param::Value;
use host_tests::host::plugin::Plugin;
use host_tests::host::status::Status;
use host_tests::host::sys::*;
use host_tests::pictures::footage::Footage;
use host_tests::pictures::picture::Picture;

use crate::bench::{alone, plugin, press, refusal, succeeded, text, with_source};

const SIZE: (usize, usize) = (480, 270);
const BALL: f32 = 34.0;

/// The frames of a clip from 1 on: the place of a ball on each, or a blank frame; the second scene
/// is darker.
struct Clip(Vec<Option<([f32; 2], bool)>>);

impl Footage for Clip {
    fn picture(&self, time: f64) -> anyhow::Result<Option<Arc<Picture>>> {
        let at = time.floor() as usize;
        let Some(frame) = at.checked_sub(1).and_then(|at| self.0.get(at)) else { return Ok(None) };
        let Some(([x, y], dark)) = *frame else {
            return Ok(Some(Arc::new(Picture::from_fn(SIZE.0, SIZE.1, |_, _| [0.0; 4]))));
        };
        Ok(Some(Arc::new(Picture::from_fn(SIZE.0, SIZE.1, |px, py| {
            let [u, v] = [px as f32 - x, py as f32 - y];
            let ground = 0.7 + 0.1 * ((px / 40 + py / 40) % 2) as f32;
            match u.hypot(v) {
                away if away > BALL && dark => [0.1, ground - 0.5, ground - 0.4, 1.0],
                away if away > BALL => [ground, ground, 0.9, 1.0],
                away if away > BALL - 4.0 || (u - v).abs() < 3.0 => [0.1, 0.1, 0.2, 1.0],
                _ => [0.9, 0.4, 0.2, 1.0],
            }
        }))))
    }

    fn range(&self) -> (f64, f64) {
        (1.0, self.0.len() as f64)
    }

    fn size(&self) -> (usize, usize) {
        SIZE
    }
}

/// The place of the thrown ball at a frame.
fn thrown(frame: f32) -> [f32; 2] {
    let t = (frame - 1.0) / 18.0;
    [60.0 + 340.0 * t, 200.0 - 560.0 * t * (1.0 - t)]
}

/// A clip of `frames` frames with the throw on the frames `keys`, and blank frames between them.
fn throw(keys: &[usize], frames: usize) -> Clip {
    let frame = |at: usize| keys.contains(&at).then(|| (thrown(at as f32), false));
    Clip((1..=frames).map(frame).collect())
}

fn instance(plugin: &Arc<Plugin>, clip: Clip, values: &[(&str, &str)]) -> Instance {
    let mut instance = with_source(plugin, kOfxImageEffectContextGeneral, clip, 24.0, values);
    instance.negotiate().unwrap();
    instance
}

const EVERY: (&str, &str) = ("keysFrom", "Every drawing in one clip");

/// The output at a time. Checks that every fetched frame had been announced.
fn output(instance: &Instance, time: f64) -> Picture {
    let source = instance.effect().clip("Source").unwrap();
    let needed = instance.frames_needed(time).unwrap().remove("Source").unwrap();
    source.take_fetched();
    let picture = succeeded(instance.render(FrameRequest::at(time)).unwrap()).picture();
    for at in source.take_fetched() {
        assert!(needed.contains(&(at, at)), "frame {time} fetched {at}, not of {needed:?}");
    }
    picture
}

fn needed(instance: &Instance, time: f64) -> Vec<f64> {
    let needed = instance.frames_needed(time).unwrap().remove("Source").unwrap_or_default();
    needed.into_iter().map(|(from, _)| from).collect()
}

/// The source's frame, bit for bit.
fn source(instance: &Instance, frame: f64) -> Picture {
    instance.identity_picture("Source", frame, 1.0).unwrap()
}

/// The centre of the ball, in pixels.
fn middle(picture: &Picture) -> [f32; 2] {
    let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
    for py in 0..SIZE.1 {
        for px in 0..SIZE.0 {
            let [red, _, blue, _] = picture.pixels[py * SIZE.0 + px];
            if red > 0.7 && blue < 0.5 {
                (x, y, count) = (x + px as f32, y + py as f32, count + 1.0);
            }
        }
    }
    assert!(count > 1500.0, "{count} pixels of a ball");
    [x / count, y / count]
}

fn off(instance: &Instance, frame: f64) -> f32 {
    let ([x, y], [u, v]) = (middle(&output(instance, frame)), thrown(frame as f32));
    (x - u).hypot(y - v)
}

#[test]
fn every_drawing_of_a_clip_is_a_key_of_one_movement() {
    alone("key_frames::every_drawing_of_a_clip_is_a_key_of_one_movement", |_| {
        let plugin = plugin(true);
        let clip = throw(&[1, 6, 13, 19], 24);
        let every = instance(&plugin, clip, &[]);
        // Choosing it is enough: the drawings are searched for if nobody has listed them.
        every.edit("keysFrom", Value::Ints(vec![3]), 1.0).unwrap();
        assert_eq!(text(&every, "keyFrames"), "1 6 13 19", "{}", text(&every, "statusText"));
        assert!(text(&every, "statusText").contains("4 drawings: 1 6 13 19."));
        for key in [1.0, 6.0, 13.0, 19.0] {
            assert_eq!(output(&every, key), source(&every, key), "key {key}");
        }
        assert_eq!(output(&every, 23.0), source(&every, 19.0), "the last one is held");
        assert_eq!(needed(&every, 9.0), [6.0, 13.0, 1.0, 19.0]);
        assert_eq!(needed(&every, 3.0), [1.0, 6.0, 13.0]);
        let straight = throw(&[1, 6, 13, 19], 24);
        let list = ("keyFrames", "1 6 13 19");
        let straight = instance(&plugin, straight, &[EVERY, list, ("path", "Straight")]);
        assert_eq!(needed(&straight, 9.0), [6.0, 13.0]);
        let frames = [3.0, 4.0, 8.0, 9.0, 11.0, 15.0, 17.0];
        let worst =
            |of: &Instance| frames.map(|frame| off(of, frame)).into_iter().fold(0.0, f32::max);
        let (along, across) = (worst(&every), worst(&straight));
        assert!(along < 2.0 && across > 8.0, "{along} pixels off the arc, straight {across}");
    });
}

/// Held keys instead of blank frames, and a scene of one drawing between two others.
fn scenes() -> Clip {
    let frame = |at: usize| match at {
        1..=4 => Some(([80.0, 100.0], false)),
        5..=8 => Some(([140.0, 100.0], false)),
        9..=12 => Some(([300.0, 200.0], true)),
        13..=16 => Some(([100.0, 80.0], false)),
        _ => Some(([180.0, 80.0], false)),
    };
    Clip((1..=20).map(frame).collect())
}

#[test]
fn scenes_are_kept_apart_and_a_single_drawing_stands() {
    alone("key_frames::scenes_are_kept_apart_and_a_single_drawing_stands", |_| {
        let plugin = plugin(true);
        let scenes = instance(&plugin, scenes(), &[EVERY]);
        let said = refusal(&scenes, 3.0);
        assert!(said.contains("Key frames is empty") && said.contains("Find drawings"), "{said}");
        press(&scenes, "findDrawings");
        let said = text(&scenes, "statusText");
        assert_eq!(text(&scenes, "keyFrames"), "1 5 | 9 | 13 17", "{said}");
        assert!(said.contains("5 drawings in 3 scenes"), "{said}");
        for (time, held) in [(7.0, 5.0), (8.0, 5.0), (9.0, 9.0), (12.0, 9.0), (20.0, 17.0)] {
            assert_eq!(output(&scenes, time), source(&scenes, held), "frame {time}");
        }
        let [x, _] = middle(&output(&scenes, 3.0));
        assert!((x - 110.0).abs() < 2.0, "half the way: {x}");
        let generated = |time| {
            assert_eq!(scenes.edit("generate", Value::None, time).unwrap(), Status::OK);
            text(&scenes, "statusText")
        };
        assert!(generated(10.0).contains("no frame between the keys"), "{}", generated(10.0));
        // The artist may change the list: the single drawing is removed, and with it its scene.
        scenes.edit("keyFrames", Value::Text(c"1 5 13".into()), 1.0).unwrap();
        assert_eq!(needed(&scenes, 9.0), [5.0, 13.0, 1.0]);
        scenes.edit("keyFrames", Value::Text(c"5 1".into()), 1.0).unwrap();
        let said = refusal(&scenes, 3.0);
        assert!(said.contains("Key frames") && said.contains("rising order"), "{said}");
    });
}

#[test]
fn pins_do_not_join_scenes() {
    alone("key_frames::pins_do_not_join_scenes", |_| {
        let pins = [("usePins", "true"), ("pin1From", "100,150"), ("pin1To", "160,150")];
        let pinned = instance(&plugin(true), scenes(), &[&[EVERY], &pins[..]].concat());
        press(&pinned, "findDrawings");
        assert_eq!(text(&pinned, "keyFrames"), "1 5 | 9 | 13 17");
    });
}

#[test]
fn a_clip_without_drawings_says_so() {
    alone("key_frames::a_clip_without_drawings_says_so", |_| {
        let blank = instance(&plugin(true), Clip(vec![None; 5]), &[EVERY]);
        press(&blank, "findDrawings");
        let said = text(&blank, "statusText");
        assert!(said.contains("all of its frames are blank"), "{said}");
        assert_eq!(text(&blank, "keyFrames"), "");
    });
}

#[test]
fn each_span_has_the_timing_of_its_first_key() {
    alone("key_frames::each_span_has_the_timing_of_its_first_key", |_| {
        let list = ("keyFrames", "1 7 13");
        let values = [EVERY, list, ("path", "Straight")];
        let timed = instance(&plugin(true), throw(&[1, 7, 13], 13), &values);
        let exposure = timed.effect().params.find("exposure").unwrap();
        exposure.set_key(1.0, Value::Ints(vec![0]));
        exposure.set_key(7.0, Value::Ints(vec![2]));
        assert_ne!(output(&timed, 4.0), output(&timed, 5.0), "on ones up to 7");
        let threes = [10.0, 11.0, 12.0].map(|time| output(&timed, time));
        assert!(threes.iter().all(|held| *held == threes[0]), "on threes from 7");
        assert_eq!(output(&timed, 8.0), source(&timed, 7.0));
    });
}

#[test]
fn a_retimed_clip_goes_through_the_drawings_beside_each_step() {
    alone("key_frames::a_retimed_clip_goes_through_the_drawings_beside_each_step", |_| {
        let plugin = plugin(true);
        let retimed = |path| {
            let held = |at: usize| Some((thrown((at - (at - 1) % 3) as f32), false));
            let clip = Clip((1..=19).map(held).collect());
            let to = ("toRate", "Twice the source's");
            instance(&plugin, clip, &[("mode", "Retime a clip"), to, ("path", path)])
        };
        let (smooth, straight) = (retimed("Smooth"), retimed("Straight"));
        // Frame 16 of the output is 7.5 frames into the clip, halfway between the drawings on 7 and
        // 10.
        let off = |of: &Instance| {
            let ([x, y], [u, v]) = (middle(&output(of, 16.0)), thrown(8.5));
            (x - u).hypot(y - v)
        };
        let (along, across) = (off(&smooth), off(&straight));
        assert!(
            along < 0.5 * across && across > 3.0,
            "{along} pixels off the arc, straight {across}"
        );
    });
}

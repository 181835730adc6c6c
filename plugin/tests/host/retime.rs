//! A clip retimed in a host, and drawings of a clip offered as keys.

use std::sync::Arc;

use host_tests::host::Host;
use host_tests::host::instance::{FrameRequest, Instance};
use host_tests::host::param::Value;
use host_tests::host::plugin::Plugin;
use host_tests::host::profile::Profile;
use host_tests::host::props::Values;
use host_tests::host::status::Status;
use host_tests::host::sys::*;
use host_tests::pictures::footage::Footage;
use host_tests::pictures::picture::Picture;

use crate::bench::{alone, library, plugin, press, refusal, succeeded, text, weights, with_source};

const SIZE: (usize, usize) = (96, 72);

/// Frames with their drawings and scenes; some may be missing.
struct Clip {
    frames: Vec<Option<Arc<Picture>>>,
    first: f64,
    /// The number of frames that it reports.
    told: usize,
}

impl Clip {
    /// Drawings with these exposures; a scene begins at each drawing in `cuts`.
    fn new(exposures: &[usize], cuts: &[usize]) -> Self {
        let mut frames = Vec::new();
        for (drawing, held) in exposures.iter().enumerate() {
            let scene = cuts.iter().filter(|cut| **cut <= drawing).count();
            let picture = Arc::new(drawn(drawing, scene));
            frames.extend(vec![Some(picture); *held]);
        }
        let told = frames.len();
        Self { frames, first: 1.0, told }
    }

    /// Repeats frames as an editor does that plays a clip of rate `from` in a timeline of rate
    /// `to`.
    fn repeated(self, from: usize, to: usize) -> Self {
        let length = self.frames.len() * to / from;
        let frames: Vec<_> = (0..length).map(|at| self.frames[at * from / to].clone()).collect();
        Self { told: frames.len(), frames, ..self }
    }
}

impl Footage for Clip {
    fn picture(&self, time: f64) -> anyhow::Result<Option<Arc<Picture>>> {
        let at = (time - self.first).floor();
        Ok(if at < 0.0 { None } else { self.frames.get(at as usize).cloned().flatten() })
    }

    fn range(&self) -> (f64, f64) {
        (self.first, self.first + self.told as f64 - 1.0)
    }

    fn size(&self) -> (usize, usize) {
        SIZE
    }
}

/// A figure that moves and changes its shape from drawing to drawing, over a still ground. Each
/// scene has other figures and another ground.
fn drawn(drawing: usize, scene: usize) -> Picture {
    let (x, y) = (24.0 + 4.0 * (drawing % 12) as f32, 36.0);
    let (wide, high) = (11.0 + (drawing % 3) as f32, 13.0 - (drawing % 3) as f32);
    Picture::from_fn(SIZE.0, SIZE.1, |px, py| {
        let inside = ((px as f32 - x) / wide).hypot((py as f32 - y) / high);
        match (scene % 2, inside) {
            (0, d) if (0.85..1.1).contains(&d) => [0.1, 0.1, 0.15, 1.0],
            (0, d) if d < 0.85 => [0.9, 0.5, 0.3, 1.0],
            (0, _) => {
                let light = 0.7 + 0.2 * ((px / 12 + py / 12) % 2) as f32;
                [light, light, 0.9, 1.0]
            }
            (_, d) if d < 1.0 => [0.2, 0.7, 0.2, 1.0],
            _ => {
                let dark = 0.1 + 0.3 * ((px + 2 * py) / 9 % 2) as f32;
                [dark, 0.1, dark, 1.0]
            }
        }
    })
}

/// How the host presents the effect and its clip.
struct Stage<'a> {
    context: &'static std::ffi::CStr,
    /// The clip's rate as reported by the host.
    clip_rate: f64,
    project_rate: f64,
    values: &'a [(&'a str, &'a str)],
}

const RETIME: (&str, &str) = ("mode", "Retime a clip");

impl Default for Stage<'_> {
    fn default() -> Self {
        let context = kOfxImageEffectContextGeneral;
        Self { context, clip_rate: 12.0, project_rate: 24.0, values: &[RETIME] }
    }
}

fn stand(plugin: &Arc<Plugin>, clip: Clip, stage: &Stage<'_>) -> Instance {
    let mut instance = with_source(plugin, stage.context, clip, stage.project_rate, stage.values);
    let source = instance.effect().clip("Source").unwrap();
    for name in [kOfxImageEffectPropFrameRate, kOfxImageEffectPropUnmappedFrameRate] {
        source.props.put(name, Values::Double(vec![stage.clip_rate]));
    }
    instance.negotiate().unwrap();
    instance
}

/// The output at a time. Checks that every fetched frame had been announced.
fn output(instance: &Instance, time: f64) -> Picture {
    let source = instance.effect().clip("Source").unwrap();
    let needed = instance.frames_needed(time).unwrap().remove("Source").unwrap();
    source.take_fetched();
    let picture = succeeded(instance.render(FrameRequest::at(time)).unwrap()).picture();
    let fetched = source.take_fetched();
    assert!(!fetched.is_empty());
    for at in fetched {
        let announced = needed.iter().any(|(first, last)| (*first..=*last).contains(&at));
        assert!(announced, "frame {time} fetched {at}; announced were {needed:?}");
    }
    if let Some((clip, at)) = instance.identity(FrameRequest::at(time)).unwrap() {
        assert_eq!(instance.identity_picture(&clip, at, 1.0).unwrap(), picture, "frame {time}");
    }
    picture
}

fn outputs(instance: &Instance, last: i32) -> Vec<Picture> {
    (1..=last).map(|time| output(instance, f64::from(time))).collect()
}

/// Source frame `frame`, counted from 0, bit for bit.
fn source(instance: &Instance, frame: usize) -> Picture {
    instance.identity_picture("Source", 1.0 + frame as f64, 1.0).unwrap()
}

#[test]
fn twos_at_twelve_become_ones_at_twenty_four() {
    alone("retime::twos_at_twelve_become_ones_at_twenty_four", |_| {
        let plugin = plugin(false);
        for context in [kOfxImageEffectContextFilter, kOfxImageEffectContextGeneral] {
            let stage = Stage { context, ..Stage::default() };
            let instance = stand(&plugin, Clip::new(&[2; 4], &[]), &stage);
            assert_eq!(instance.preferences().rate, 24.0);
            assert_eq!(instance.time_domain().unwrap(), Some((1.0, 16.0)));
            let shown = outputs(&instance, 16);
            for (at, pair) in shown.windows(2).enumerate().take(12) {
                assert_ne!(pair[0], pair[1], "frames {} and {}", at + 1, at + 2);
            }
            for (drawing, at) in [0, 4, 8, 12].into_iter().enumerate() {
                assert_eq!(shown[at], source(&instance, 2 * drawing), "drawing {drawing}");
            }
            for held in &shown[13..] {
                assert_eq!(*held, source(&instance, 7), "the last drawing is held");
            }
        }
    });
}

#[test]
fn no_strength_keeps_the_drawings_as_they_are_exposed() {
    alone("retime::no_strength_keeps_the_drawings_as_they_are_exposed", |_| {
        let plugin = plugin(false);
        let values = [RETIME, ("raiseStrength", "0")];
        let stage = Stage { values: &values, ..Stage::default() };
        let instance = stand(&plugin, Clip::new(&[2, 3, 1, 2], &[]), &stage);
        for (at, shown) in outputs(&instance, 16).into_iter().enumerate() {
            assert_eq!(shown, source(&instance, at / 2), "frame {}", at + 1);
        }
    });
}

#[test]
fn twenty_four_becomes_sixty_and_television_its_own_rates() {
    alone("retime::twenty_four_becomes_sixty_and_television_its_own_rates", |_| {
        let plugin = plugin(false);
        for (clip_rate, to, rate) in
            [(24.0, "60 fps", 60.0), (23.976, "59.94 fps", 60_000.0 / 1001.0)]
        {
            let values = [RETIME, ("toRate", to)];
            let stage = Stage { clip_rate, values: &values, ..Stage::default() };
            let instance = stand(&plugin, Clip::new(&[2; 4], &[]), &stage);
            assert_eq!(instance.preferences().rate, rate);
            assert_eq!(instance.time_domain().unwrap(), Some((1.0, 20.0)));
            let shown = outputs(&instance, 20);
            for (at, pair) in shown.windows(2).enumerate().take(15) {
                assert_ne!(pair[0], pair[1], "frames {} and {}", at + 1, at + 2);
            }
            for (drawing, at) in [0, 5, 10, 15].into_iter().enumerate() {
                assert_eq!(shown[at], source(&instance, 2 * drawing), "drawing {drawing}");
            }
        }
    });
}

#[test]
fn cuts_hold_and_rests_stay() {
    alone("retime::cuts_hold_and_rests_stay", |_| {
        let plugin = plugin(false);
        // A cut at source frame 4, and a rest from 6 to 17.
        let instance = stand(&plugin, Clip::new(&[2, 2, 2, 12, 2], &[2]), &Stage::default());
        let shown = outputs(&instance, 40);
        for (at, frame) in [(4, 2), (5, 2), (6, 3), (7, 3), (8, 4)] {
            assert_eq!(shown[at], source(&instance, frame), "output frame {}", at + 1);
        }
        for (at, rests) in shown.iter().enumerate().take(34).skip(12) {
            assert_eq!(*rests, source(&instance, 6), "output frame {}", at + 1);
        }
        // It moves on within its last twelfth of a second, which is one frame at twelve.
        assert_ne!(shown[35], source(&instance, 6));
        assert_eq!(shown[36], source(&instance, 18));
    });
}

#[test]
fn a_still_answers_as_the_still() {
    alone("retime::a_still_answers_as_the_still", |_| {
        let instance = stand(&plugin(false), Clip::new(&[9], &[]), &Stage::default());
        for shown in outputs(&instance, 18) {
            assert_eq!(shown, source(&instance, 0));
        }
    });
}

#[test]
fn rates_that_no_clip_has_are_not_believed() {
    alone("retime::rates_that_no_clip_has_are_not_believed", |_| {
        let plugin = plugin(false);
        for lie in [0.0, f64::NAN, -24.0, f64::INFINITY, 1e9] {
            // The clip's rate makes no sense, so that of the project is used.
            let instance = stand(
                &plugin,
                Clip::new(&[2; 4], &[]),
                &Stage { clip_rate: lie, ..Stage::default() },
            );
            assert_eq!(instance.preferences().rate, 48.0, "{lie}");
            output(&instance, 4.0);
            // Neither makes sense, so the artist is asked.
            let both = Stage { clip_rate: lie, project_rate: lie, ..Stage::default() };
            let mute = stand_if_possible(&plugin, &both);
            let said = refusal(&mute, 4.0);
            assert!(said.contains("Set From (fps)"), "{lie}: {said}");
            assert_eq!(mute.time_domain().unwrap(), None);
            let values = [RETIME, ("fromRate", "12")];
            let told = stand_if_possible(&plugin, &Stage { values: &values, ..both });
            assert_eq!(told.time_domain().unwrap(), Some((1.0, 16.0)));
            output(&told, 4.0);
        }
    });
}

/// Like [`stand`], but with a project whose rate may make no sense.
fn stand_if_possible(plugin: &Arc<Plugin>, stage: &Stage<'_>) -> Instance {
    let sound = Stage { project_rate: 24.0, ..*stage };
    let mut instance = stand(plugin, Clip::new(&[2; 4], &[]), &sound);
    let rate = Values::Double(vec![stage.project_rate]);
    instance.effect().props.put(kOfxImageEffectPropFrameRate, rate);
    instance.negotiate().unwrap();
    instance
}

#[test]
fn a_host_without_other_frames_says_so() {
    alone("retime::a_host_without_other_frames_says_so", |_| {
        let host = Host::new(Profile::find("natron").unwrap());
        host.props().put(kOfxImageEffectPropTemporalClipAccess, Values::Int(vec![0]));
        let plugin = Plugin::open(&library(), None, &host).unwrap();
        plugin.start().unwrap();
        let instance = stand(&plugin, Clip::new(&[2; 4], &[]), &Stage::default());
        let said = refusal(&instance, 4.0);
        assert!(said.contains("no other frames") && said.contains("inbetween retime"), "{said}");
        assert_eq!(instance.identity(FrameRequest::at(4.0)).unwrap(), None);
    });
}

#[test]
fn frames_that_the_clip_lacks_are_held_at_its_end_and_reported_within() {
    alone("retime::frames_that_the_clip_lacks_are_held_at_its_end_and_reported_within", |_| {
        let plugin = plugin(false);
        // It reports 24 frames and has 8.
        let clip = Clip { told: 24, ..Clip::new(&[2; 4], &[]) };
        let instance = stand(&plugin, clip, &Stage::default());
        assert_eq!(output(&instance, 16.0), source(&instance, 7));
        assert_eq!(output(&instance, 18.0), source(&instance, 7));
        let mut clip = Clip::new(&[2; 6], &[]);
        clip.frames[5] = None;
        let instance = stand(&plugin, clip, &Stage::default());
        let said = refusal(&instance, 11.0);
        assert!(said.contains("no picture at frame 6"), "{said}");
        assert_eq!(output(&instance, 9.0), source(&instance, 4));
    });
}

#[test]
fn it_stops_between_two_frames() {
    alone("retime::it_stops_between_two_frames", |_| {
        let instance = stand(&plugin(false), Clip::new(&[9, 2], &[]), &Stage::default());
        let source = instance.effect().clip("Source").unwrap();
        let fetched = |polls| {
            instance.effect().abort_after(polls);
            source.take_fetched();
            let rendered = instance.render(FrameRequest::at(4.0)).unwrap();
            (rendered.status == Status::OK, rendered.said().is_some(), source.take_fetched().len())
        };
        let (done, _, all) = fetched(None);
        assert!(done && all > 3, "{all} frames were looked at");
        assert_eq!(fetched(Some(0)), (false, false, 0));
        assert_eq!(fetched(Some(2)), (false, false, 2));
    });
}

#[test]
fn an_editor_repeats_frames_and_gets_the_same_drawings() {
    alone("retime::an_editor_repeats_frames_and_gets_the_same_drawings", |_| {
        let exposures = [1; 6];
        let values = [RETIME, ("toRate", "60 fps")];
        let stage = Stage { clip_rate: 24.0, values: &values, ..Stage::default() };
        let counted = stand(&plugin(false), Clip::new(&exposures, &[]), &stage);
        let wanted = outputs(&counted, 15);
        let host = Host::new(Profile::find("resolve").unwrap());
        let plugin = Plugin::open(&library(), None, &host).unwrap();
        plugin.start().unwrap();
        let values = [RETIME, ("fromRate", "24"), ("colour", "sRGB")];
        let context = kOfxImageEffectContextFilter;
        let stage = Stage { context, clip_rate: 60.0, project_rate: 60.0, values: &values };
        let editor = stand(&plugin, Clip::new(&exposures, &[]).repeated(24, 60), &stage);
        assert_eq!(editor.time_domain().unwrap(), None, "the clip is as long as before");
        assert_eq!(outputs(&editor, 15), wanted);
    });
}

#[test]
fn motion_and_confidence_are_those_of_the_way() {
    alone("retime::motion_and_confidence_are_those_of_the_way", |_| {
        let plugin = plugin(false);
        let clip = || Clip::new(&[2, 2, 12, 2], &[]);
        let of = |output| {
            let values = [RETIME, ("output", output)];
            stand(&plugin, clip(), &Stage { values: &values, ..Stage::default() })
        };
        let sure = of("Confidence");
        assert!(output(&sure, 15.0).pixels.iter().all(|pixel| *pixel == [1.0; 4]), "a rest");
        let motion = of("Motion");
        assert!(output(&motion, 15.0).pixels.iter().all(|pixel| pixel[0] == 0.0));
        // Four pixels to the right in four frames of the output.
        let moves = |time| output(&motion, time).pixels.iter().any(|pixel| pixel[0] > 0.9);
        assert!(moves(1.0) && moves(2.0), "at a key and behind it");
    });
}

#[test]
fn the_model_draws_between_the_drawings_too() {
    alone("retime::the_model_draws_between_the_drawings_too", |folder| {
        let plugin = plugin(false);
        let flow = stand(&plugin, Clip::new(&[2; 3], &[]), &Stage::default());
        let model = weights(folder, "full");
        let values = [
            RETIME,
            ("engine", "ToonCrafter"),
            ("checkpoint", model.as_str()),
            ("steps", "2"),
            ("device", "Processor"),
        ];
        let drawn =
            stand(&plugin, Clip::new(&[2; 3], &[]), &Stage { values: &values, ..Stage::default() });
        assert_eq!(output(&drawn, 5.0), output(&flow, 5.0), "a drawing passes untouched");
        assert_ne!(output(&drawn, 3.0), output(&flow, 3.0));
    });
}

#[test]
fn the_way_that_is_looked_at_is_drawn_ahead() {
    alone("retime::the_way_that_is_looked_at_is_drawn_ahead", |_| {
        let instance = stand(&plugin(true), Clip::new(&[2, 2, 9], &[]), &Stage::default());
        let press = |time| {
            assert_eq!(instance.edit("generate", Value::None, time).unwrap(), Status::OK);
            text(&instance, "statusText")
        };
        // There are three frames between the drawings at 1 and 5.
        assert!(press(2.0).contains("Drawing 3 in-betweens"), "{}", text(&instance, "statusText"));
        assert!(press(12.0).contains("Nothing is drawn here"));
    });
}

/// Keys in one clip, of which the artist looks at a frame.
fn keyed(plugin: &Arc<Plugin>, exposures: &[usize], cuts: &[usize]) -> Instance {
    let values = [("keysFrom", "Times in one clip")];
    stand(plugin, Clip::new(exposures, cuts), &Stage { values: &values, ..Stage::default() })
}

fn keys(instance: &Instance) -> (f64, f64) {
    let key = |id| {
        let Value::Doubles(values) = instance.effect().params.find(id).unwrap().value_at(0.0)
        else {
            panic!("{id}")
        };
        values[0]
    };
    (key("firstKey"), key("lastKey"))
}

#[test]
fn buttons_put_the_keys_on_drawings() {
    alone("retime::buttons_put_the_keys_on_drawings", |_| {
        // Drawings on frames 1-2, 3-6, 7, 8-9; a new scene on 10-11 and 12-13.
        let instance = keyed(&plugin(true), &[2, 4, 1, 2, 2, 2], &[4]);
        let press = |id: &str, time: f64| {
            assert_eq!(instance.edit(id, Value::None, time).unwrap(), Status::OK);
            (keys(&instance), text(&instance, "statusText"))
        };
        let (found, said) = press("spanHere", 5.0);
        assert_eq!(found, (3.0, 7.0), "{said}");
        assert!(said.contains("3 frames lie between them"), "{said}");
        assert_eq!(press("nextDrawing", 5.0).0, (7.0, 8.0));
        let (found, said) = press("nextDrawing", 5.0);
        assert_eq!(found, (7.0, 8.0), "the keys stay where nothing was found");
        assert!(said.contains("a new one begins at 10"), "{said}");
        assert_eq!(press("previousDrawing", 5.0).0, (3.0, 7.0));
        assert_eq!(press("previousDrawing", 5.0).0, (1.0, 3.0));
        let (found, said) = press("previousDrawing", 5.0);
        assert_eq!(found, (1.0, 3.0));
        assert!(said.contains("the first of Source"), "{said}");
        assert_eq!(press("spanHere", 11.0).0, (10.0, 12.0), "within the scene behind the cut");
        let (_, said) = press("previousDrawing", 11.0);
        assert!(said.contains("A scene begins at frame 10"), "{said}");
        let (_, said) = press("spanHere", 13.0);
        assert!(said.contains("the last of Source"), "{said}");
        assert!(instance.effect().persistent().is_some(), "it stands beside the node as well");
        press("spanHere", 5.0);
        assert!(instance.effect().persistent().is_none(), "until a button does what it is for");
        let (_, said) = press("status", 5.0);
        assert!(said.contains("Drawing held on frames 3 to 6, next at 7."), "{said}");
        // The span that was found is drawn.
        assert_ne!(output(&instance, 5.0), source(&instance, 4));
        assert_eq!(output(&instance, 7.0), source(&instance, 6));
        instance.edit("keysFrom", Value::Ints(vec![0]), 5.0).unwrap();
        let (found, said) = press("nextDrawing", 5.0);
        assert_eq!(found, (3.0, 7.0));
        assert!(said.contains("Choose Draw: In-betweens of two keys"), "{said}");
    });
}

#[test]
fn a_long_rest_is_not_searched_for_ever() {
    alone("retime::a_long_rest_is_not_searched_for_ever", |_| {
        let instance = keyed(&plugin(true), &[400], &[]);
        instance.edit("spanHere", Value::None, 200.0).unwrap();
        let said = text(&instance, "statusText");
        assert!(said.contains("No other drawing within 96 frames"), "{said}");
        assert_eq!(keys(&instance), (1.0, 9.0));
    });
}

#[test]
fn the_state_tells_rates_and_what_the_source_shows() {
    alone("retime::the_state_tells_rates_and_what_the_source_shows", |_| {
        let plugin = plugin(true);
        let instance = stand(&plugin, Clip::new(&[2; 4], &[]), &Stage::default());
        press(&instance, "status");
        let said = text(&instance, "statusText");
        assert!(said.contains("From 12 to 24 frames per second, frames 1 to 16."), "{said}");
        assert!(said.contains("In Source: Drawing held on frames 3 to 4, next at 5."), "{said}");
        // Where frames are counted below zero, ranges stay readable.
        let early = Clip { first: -16.0, ..Clip::new(&[2; 4], &[]) };
        let instance = stand(&plugin, early, &Stage::default());
        assert_eq!(instance.edit("status", Value::None, -13.0).unwrap(), Status::OK);
        let said = text(&instance, "statusText");
        assert!(said.contains(", frames -16 to -1."), "{said}");
        assert!(said.contains("held on frames -16 to -15, next at -14."), "{said}");
    });
}

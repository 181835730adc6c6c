//! Pins in a host: shown while they are used, read in the host's coordinates, and drawn as on the
//! command line.

use std::process::Command;

use host_tests::host::Host;
use host_tests::host::effect::Project;
use host_tests::host::instance::{FrameRequest, Instance};
use host_tests::host::param::Value;
use host_tests::host::plugin::Plugin;
use host_tests::host::profile::Profile;
use host_tests::host::sys::*;
use host_tests::pictures::footage::{Footage, Moving};
use host_tests::pictures::picture::{Picture, Reading};

use crate::bench::{alone, frame, instance, library, plugin, span, succeeded, worker};

const SIZE: (usize, usize) = (192, 144);
const READING: Reading = Reading { linear: false, premultiplied: false };

/// A ball with a mark and its centre in pixels from the top left corner.
fn ball((x, y): (f32, f32)) -> Picture {
    Picture::from_fn(SIZE.0, SIZE.1, |px, py| {
        let (dx, dy) = (px as f32 + 0.5 - x, py as f32 + 0.5 - y);
        let far = dx.hypot(dy) - 22.0;
        if far.abs() < 1.5 || (dx - 7.0).hypot(dy + 8.0) < 4.0 {
            [0.1, 0.1, 0.15, 1.0]
        } else if far < 0.0 {
            [0.9, 0.35, 0.3, 1.0]
        } else {
            [0.9, 0.9, 0.85, 1.0]
        }
    })
}

const FIRST: (f32, f32) = (48.0, 52.0);
const LAST: (f32, f32) = (140.0, 90.0);

/// The ball's span in a host, with keys on frames 1 and 9.
fn in_host(profile: &str, values: &[(&str, &str)]) -> Instance {
    let plugin =
        Plugin::open(&library(), None, &Host::new(Profile::find(profile).unwrap())).unwrap();
    plugin.start().unwrap();
    let clip = |at| -> std::sync::Arc<dyn Footage> {
        std::sync::Arc::new(Moving::new(SIZE, (1.0, 9.0), move |_| ball(at)))
    };
    let footage = [("Source", FIRST), ("KeyB", LAST)].map(|(name, at)| (name.into(), clip(at)));
    let project = Project { size: SIZE, range: (1.0, 9.0), rate: 24.0 };
    instance(&plugin, kOfxImageEffectContextGeneral, project, footage.into(), values)
}

fn secret(instance: &Instance, id: &str) -> bool {
    instance.effect().params.find(id).unwrap().props.int(kOfxParamPropSecret) == Some(1)
}

fn place(instance: &Instance, id: &str) -> Vec<f64> {
    match instance.effect().params.find(id).unwrap().value_at(0.0) {
        Value::Doubles(place) => place,
        other => panic!("{id} is {other:?}"),
    }
}

#[test]
fn pins_are_hidden_until_they_are_used() {
    alone("pins::pins_are_hidden_until_they_are_used", |_| {
        let plugin = plugin(true);
        let instance = span(&plugin, &[("engine", "Flow")]);
        let hidden = |ids: [&str; 5]| ids.map(|id| secret(&instance, id));
        let ids = ["pinCount", "pin1From", "pin1Way", "pin2To", "pin12When"];
        assert_eq!(hidden(ids), [true; 5]);
        instance.edit("usePins", Value::Ints(vec![1]), 1.0).unwrap();
        assert_eq!(hidden(ids), [false, false, true, true, true]);
        instance.edit("pinCount", Value::Ints(vec![2]), 1.0).unwrap();
        instance.edit("pin1When", Value::Doubles(vec![0.5]), 1.0).unwrap();
        assert_eq!(hidden(ids), [false, false, false, false, true]);
        // They are used by Flow only.
        instance.edit("engine", Value::Ints(vec![2]), 1.0).unwrap();
        assert_eq!(hidden(ids), [true; 5]);
    });
}

#[test]
fn new_pins_lie_in_the_middle_and_do_nothing_yet() {
    alone("pins::new_pins_lie_in_the_middle_and_do_nothing_yet", |_| {
        for profile in ["natron", "resolve", "bare"] {
            let instance = in_host(profile, &[("engine", "Flow")]);
            let without = frame(&instance, 5.0);
            instance.edit("usePins", Value::Ints(vec![1]), 1.0).unwrap();
            instance.edit("pinCount", Value::Ints(vec![3]), 1.0).unwrap();
            assert_eq!(place(&instance, "pin3From"), [96.0, 72.0], "{profile}");
            assert_eq!(place(&instance, "pin3To"), [96.0, 72.0], "{profile}");
            let render = succeeded(instance.render(FrameRequest::at(5.0)).unwrap());
            assert_eq!(render.said(), None, "{profile}");
            assert_eq!(render.bytes(), without, "{profile}");
            // A way point starts on the straight path.
            instance.edit("pin1To", Value::Doubles(vec![136.0, 32.0]), 1.0).unwrap();
            instance.edit("pin1When", Value::Doubles(vec![0.25]), 1.0).unwrap();
            assert_eq!(place(&instance, "pin1Way"), [106.0, 62.0], "{profile}");
        }
    });
}

/// Centre of the ball, which is that of the red pixels, from the top left corner.
fn ball_at(picture: &Picture) -> (f32, f32) {
    let (mut count, mut sum) = (0.0, (0.0, 0.0));
    for y in 0..picture.height as i32 {
        let row = picture.row_from_below(picture.height as i32 - 1 - y).unwrap();
        for (x, [r, g, ..]) in row.iter().enumerate() {
            if r - g > 0.3 {
                count += 1.0;
                sum = (sum.0 + x as f32 + 0.5, sum.1 + y as f32 + 0.5);
            }
        }
    }
    (sum.0 / count, sum.1 / count)
}

type Values = &'static [(&'static str, &'static str)];

/// Sets of pins: as parameters (y upwards) and as command-line options (y downwards).
const PINNED: [(Values, &[&str]); 3] = [
    (&[("pin1From", "48,92"), ("pin1To", "120,104")], &["48,52:120,40"]),
    (
        &[("pin1From", "48,92"), ("pin1To", "140,54"), ("pin1When", "0.5"), ("pin1Way", "90,124")],
        &["48,52:140,90@0.5:90,20"],
    ),
    (
        &[
            ("pinCount", "2"),
            ("pin1From", "48,102"),
            ("pin1To", "150,54"),
            ("pin2From", "48,82"),
            ("pin2To", "130,54"),
        ],
        &["48,42:150,90", "48,62:130,90"],
    ),
];

#[test]
fn a_pin_moves_the_same_in_the_plug_in_and_on_the_command_line() {
    alone("pins::a_pin_moves_the_same_in_the_plug_in_and_on_the_command_line", |folder| {
        let keys = [("first", FIRST), ("last", LAST)].map(|(name, at)| {
            let path = folder.join(format!("{name}.png"));
            ball(at).save(&path, READING, false).unwrap();
            path
        });
        let without = frame(&in_host("natron", &[("engine", "Flow")]), 5.0);
        for (at, (values, typed)) in PINNED.into_iter().enumerate() {
            let used = [("engine", "Flow"), ("usePins", "true")];
            let instance = in_host("natron", &[&used[..], values].concat());
            let hosted = succeeded(instance.render(FrameRequest::at(5.0)).unwrap());
            assert_ne!(hosted.bytes(), without, "{typed:?}");
            let out = folder.join(format!("out{at}"));
            let mut command = Command::new(worker());
            command.arg("render").args(&keys).arg("--out").arg(&out).args(["--frames", "5"]);
            for pin in typed {
                command.args(["--pin", pin]);
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let typed_picture = Picture::open(&out.join("frame_0005.png"), READING).unwrap();
            assert_eq!(
                typed_picture.rgba8().unwrap(),
                hosted.picture().rgba8().unwrap(),
                "{typed:?}"
            );
        }
        // At half size the pin is on the same point.
        let (values, _) = PINNED[0];
        let used = [("engine", "Flow"), ("usePins", "true")];
        let instance = in_host("natron", &[&used[..], values].concat());
        let whole = ball_at(&succeeded(instance.render(FrameRequest::at(5.0)).unwrap()).picture());
        let half = FrameRequest { scale: 0.5, ..FrameRequest::at(5.0) };
        let half = ball_at(&succeeded(instance.render(half).unwrap()).picture());
        let off = (2.0 * half.0 - whole.0).hypot(2.0 * half.1 - whole.1);
        assert!(off < 1.0, "{half:?} of {whole:?}");
        assert!((whole.0 - 84.0).hypot(whole.1 - 46.0) < 3.0, "{whole:?}");
    });
}

#[test]
fn a_pin_on_bare_paper_is_told_and_one_outside_refused() {
    alone("pins::a_pin_on_bare_paper_is_told_and_one_outside_refused", |_| {
        let used = [("engine", "Flow"), ("usePins", "true"), ("pin1From", "10,10")];
        let instance = in_host("natron", &[&used[..], &[("pin1To", "20,12")]].concat());
        let render = succeeded(instance.render(FrameRequest::at(5.0)).unwrap());
        let said = render.said().expect("the artist is told");
        assert!(said.contains("Pin 1 lies on the background"), "{said}");
        let instance = in_host(
            "natron",
            &[&used[..], &[("pin1From", "-10,9"), ("pin1To", "500,12")]].concat(),
        );
        let said = crate::bench::refusal(&instance, 5.0);
        assert!(said.contains("outside the picture, as pin 1 is"), "{said}");
    });
}

#[test]
fn a_pin_that_moves_over_time_counts_as_it_is_at_the_first_key() {
    alone("pins::a_pin_that_moves_over_time_counts_as_it_is_at_the_first_key", |_| {
        let values = [("engine", "Flow"), ("usePins", "true"), ("pin1From", "48,92")];
        let still = in_host("natron", &[&values[..], &[("pin1To", "120,104")]].concat());
        let moving = in_host("natron", &values);
        let param = moving.effect().params.find("pin1To").unwrap();
        param.set_key(1.0, Value::Doubles(vec![120.0, 104.0]));
        param.set_key(9.0, Value::Doubles(vec![20.0, 20.0]));
        for time in [3.0, 7.0] {
            assert_eq!(frame(&moving, time), frame(&still, time), "{time}");
        }
    });
}

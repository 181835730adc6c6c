//! ToonCrafter through the host: the worker is started by the plug-in and computes on the processor.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use host_tests::host::instance::{FrameRequest, Instance};
use host_tests::host::param::Value;
use host_tests::host::plugin::Plugin;
use host_tests::host::status::Status;

use crate::bench::{
    SIZE, alone, command, count, frame, plugin, press, span, span_with, text, until, viewed,
    weights,
};

const PROMPT: &str = "a disc rolls";

fn drawn_by_model(
    plugin: &Arc<Plugin>,
    folder: &Path,
    more: &[(&str, &str)],
    sketch: Option<crate::bench::Sketch>,
) -> Instance {
    let (model, encoder) = (weights(folder, "full"), weights(folder, "sketch"));
    let mut values = vec![
        ("engine", "ToonCrafter"),
        ("checkpoint", model.as_str()),
        ("sketchCheckpoint", encoder.as_str()),
        ("prompt", PROMPT),
        ("steps", "2"),
        ("device", "Processor"),
    ];
    values.extend(more);
    span_with(plugin, &values, sketch)
}

#[test]
fn a_span_is_drawn_and_found_again() {
    alone("tooncrafter::a_span_is_drawn_and_found_again", |folder| {
        let plugin = plugin(false);
        let instance = drawn_by_model(&plugin, folder, &[], None);
        let frames: Vec<_> = (1..=9).map(|time| frame(&instance, f64::from(time))).collect();
        let flow = span(&plugin, &[("engine", "Flow")]);
        assert_eq!(frames[0], frame(&flow, 1.0), "the first key passes untouched");
        assert_eq!(frames[8], frame(&flow, 9.0), "and so does the last");
        assert_ne!(frames[4], frame(&flow, 5.0));
        let once_more = drawn_by_model(&plugin, folder, &[], None);
        assert_eq!(frames[4], frame(&once_more, 5.0));
        let other_seed = drawn_by_model(&plugin, folder, &[("seed", "7")], None);
        assert_ne!(frames[4], frame(&other_seed, 5.0));
    });
}

#[test]
fn sketches_guide_through_their_clip() {
    alone("tooncrafter::sketches_guide_through_their_clip", |folder| {
        let plugin = plugin(false);
        let on = [("useSketch", "true")];
        let without = frame(&drawn_by_model(&plugin, folder, &[], None), 4.0);
        let blank = frame(&drawn_by_model(&plugin, folder, &on, Some(|_| None)), 4.0);
        assert_eq!(without, blank, "blank sketches guide nothing");
        let line: crate::bench::Sketch = |time| (time == 4.0).then_some(0.5);
        assert_ne!(without, frame(&drawn_by_model(&plugin, folder, &on, Some(line)), 4.0));
        let off = frame(&drawn_by_model(&plugin, folder, &[], Some(line)), 4.0);
        assert_eq!(without, off, "the switch is off");
    });
}

#[test]
fn a_draft_is_marked_and_gives_way_to_the_final() {
    alone("tooncrafter::a_draft_is_marked_and_gives_way_to_the_final", |folder| {
        let plugin = plugin(true);
        let instance = drawn_by_model(&plugin, folder, &[("draft", "true")], None);
        let draft = viewed(&instance, 5.0);
        let flow = viewed(&span(&plugin, &[("engine", "Flow")]), 5.0);
        assert_ne!(draft, flow, "the draft carries its label");
        // Below the label the draft is Flow's drawing; rows come lowest first.
        let half = SIZE.0 * 4 * SIZE.1 / 2;
        assert_eq!(draft[..half], flow[..half]);
        until("the revision is raised", || {
            press(&instance, "status");
            count(&instance, "revision") == 1
        });
        let shown = viewed(&instance, 5.0);
        assert_ne!(shown, draft);
        assert_eq!(shown, frame(&instance, 5.0), "the viewer shows what a final render gives");
        press(&instance, "status");
        assert_eq!(count(&instance, "revision"), 1, "{}", text(&instance, "statusText"));
    });
}

#[test]
fn a_final_render_never_shows_a_draft() {
    alone("tooncrafter::a_final_render_never_shows_a_draft", |folder| {
        let interactive = plugin(true);
        let finished =
            frame(&drawn_by_model(&interactive, folder, &[("draft", "true")], None), 5.0);
        press(&drawn_by_model(&interactive, folder, &[], None), "clearCache");
        let batch = plugin(false);
        let in_batch = drawn_by_model(&batch, folder, &[("draft", "true")], None);
        assert_eq!(finished, viewed(&in_batch, 5.0), "nobody looks on in a batch host");
    });
}

#[test]
fn an_abort_ends_the_render_and_leaves_nothing_wrong() {
    alone("tooncrafter::an_abort_ends_the_render_and_leaves_nothing_wrong", |folder| {
        let plugin = plugin(false);
        let instance = drawn_by_model(&plugin, folder, &[("steps", "1000")], None);
        for polls in [0, 3, 40] {
            instance.effect().abort_after(Some(polls));
            let rendered = instance.render(FrameRequest::at(5.0)).unwrap();
            assert_ne!(rendered.status, Status::OK);
            assert_eq!(rendered.said(), None, "a stop is no error to tell of");
        }
        instance.effect().abort_after(None);
        instance.edit("steps", Value::Ints(vec![2]), 5.0).unwrap();
        let after = frame(&instance, 5.0);
        assert_eq!(after, frame(&drawn_by_model(&plugin, folder, &[], None), 5.0));
    });
}

#[test]
fn cancel_stops_what_generate_started() {
    alone("tooncrafter::cancel_stops_what_generate_started", |folder| {
        let plugin = plugin(true);
        let instance = drawn_by_model(&plugin, folder, &[("steps", "1000")], None);
        press(&instance, "generate");
        assert!(text(&instance, "statusText").contains("Drawing 7 in-betweens with ToonCrafter"));
        press(&instance, "status");
        assert!(text(&instance, "statusText").contains("Drawing 7"));
        press(&instance, "cancel");
        assert!(text(&instance, "statusText").contains("Stopped 7"));
        press(&instance, "status");
        assert!(text(&instance, "statusText").contains("Nothing is being drawn"));
    });
}

/// Done by the processes of the test below.
#[test]
fn one_of_many_hosts() {
    if std::env::var_os("INBETWEEN_TEST_OUT").is_none() {
        return;
    }
    alone("tooncrafter::one_of_many_hosts", |folder| {
        let instance = drawn_by_model(&plugin(false), folder, &[], None);
        let bytes = frame(&instance, 5.0);
        std::fs::write(std::env::var_os("INBETWEEN_TEST_OUT").unwrap(), bytes).unwrap();
    });
}

#[test]
fn six_processes_that_ask_for_one_span_have_it_computed_once() {
    let test = "tooncrafter::six_processes_that_ask_for_one_span_have_it_computed_once";
    alone(test, |folder| {
        weights(folder, "full");
        weights(folder, "sketch");
        let out = |n: usize| folder.join(format!("{n}.raw"));
        let start = |n: usize| {
            let mut command = command("tooncrafter::one_of_many_hosts", folder);
            command.env("INBETWEEN_TEST_OUT", out(n)).stdout(Stdio::null()).spawn().unwrap()
        };
        let processes: Vec<_> = (0..6).map(start).collect();
        for mut process in processes {
            assert!(process.wait().unwrap().success());
        }
        let first = std::fs::read(out(0)).unwrap();
        assert!((1..6).all(|n| std::fs::read(out(n)).unwrap() == first));
        let cache = std::fs::read_dir(folder.join("cache/drawings-2")).unwrap().flatten();
        let spans = cache.filter(|f| f.path().extension().is_some_and(|e| e == "span")).count();
        assert_eq!(spans, 1);
    });
}

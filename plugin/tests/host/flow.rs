//! Tests that need no model: refusals, sketches, the buttons.

use host_tests::commands::soak::{self, SoakArgs};
use host_tests::host::param::Value;

use crate::bench::{
    alone, count, frame, library, plugin, press, refusal, span, span_with, text, until,
};

#[test]
fn what_tooncrafter_lacks_is_said_and_flow_goes_on() {
    alone("flow::what_tooncrafter_lacks_is_said_and_flow_goes_on", |folder| {
        let plugin = plugin(false);
        let instance = span(&plugin, &[("engine", "ToonCrafter")]);
        let said = refusal(&instance, 5.0);
        assert!(said.contains("Checkpoint is empty"), "{said}");
        let gone = folder.join("gone.ckpt").to_str().unwrap().to_owned();
        let said =
            refusal(&span(&plugin, &[("engine", "ToonCrafter"), ("checkpoint", &gone)]), 5.0);
        assert!(said.contains("Checkpoint") && said.contains("gone.ckpt"), "{said}");
        let flow = frame(&span(&plugin, &[("engine", "Flow")]), 5.0);
        assert_eq!(flow, frame(&span(&plugin, &[]), 5.0), "Auto without a checkpoint is Flow");
        assert_eq!(flow, frame(&span(&plugin, &[("checkpoint", &gone)]), 5.0));
    });
}

#[test]
fn sketches_are_asked_for_where_they_are_read() {
    alone("flow::sketches_are_asked_for_where_they_are_read", |_| {
        let plugin = plugin(false);
        let needed = |values: &[(&str, &str)], sketch| {
            let instance = span_with(&plugin, values, sketch);
            instance.frames_needed(4.0).unwrap().remove("Sketch").unwrap_or_default()
        };
        let on = [("useSketch", "true")];
        let line: crate::bench::Sketch = |_| Some(0.5);
        let times: Vec<f64> = needed(&on, Some(line)).into_iter().map(|range| range.0).collect();
        assert_eq!(times, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        // Without the switch, or without a clip, the host is not asked for the sketch.
        let unasked = needed(&[], Some(line));
        assert!(unasked.len() <= 1, "{unasked:?}");
        frame(&span_with(&plugin, &on, Some(line)), 4.0);
    });
}

#[test]
fn blank_sketches_change_nothing() {
    alone("flow::blank_sketches_change_nothing", |_| {
        let plugin = plugin(false);
        let on = [("useSketch", "true"), ("engine", "Flow")];
        let without = frame(&span(&plugin, &[("engine", "Flow")]), 4.0);
        assert_eq!(without, frame(&span_with(&plugin, &on, Some(|_| None)), 4.0));
        assert_eq!(without, frame(&span_with(&plugin, &on, None), 4.0), "an unconnected sketch");
    });
}

#[test]
fn the_buttons_draw_ahead_tell_and_clear() {
    alone("flow::the_buttons_draw_ahead_tell_and_clear", |folder| {
        let plugin = plugin(true);
        let instance = span(&plugin, &[("engine", "Flow")]);
        let drawings = || {
            let files = std::fs::read_dir(folder.join("cache/drawings-2")).into_iter().flatten();
            files.flatten().filter(|f| f.path().extension().is_some_and(|e| e == "drawing")).count()
        };
        press(&instance, "generate");
        let said = text(&instance, "statusText");
        assert!(said.contains("Drawing 7 in-betweens with Flow"), "{said}");
        until("seven drawings lie in the cache", || drawings() == 7);
        press(&instance, "status");
        let said = text(&instance, "statusText");
        assert!(said.contains("Engine: Flow") && said.contains("inished 7"), "{said}");
        assert_eq!(count(&instance, "revision"), 0, "no draft was shown");
        press(&instance, "generate");
        assert!(text(&instance, "statusText").contains("finished already"));
        press(&instance, "clearCache");
        assert_eq!(drawings(), 0, "{}", text(&instance, "statusText"));
        press(&instance, "cancel");
        assert!(text(&instance, "statusText").contains("Nothing"));
    });
}

#[test]
fn a_generate_that_cannot_be_says_why() {
    alone("flow::a_generate_that_cannot_be_says_why", |_| {
        let plugin = plugin(true);
        let instance = span(&plugin, &[("engine", "ToonCrafter")]);
        press(&instance, "generate");
        let said = text(&instance, "statusText");
        assert!(said.contains("Checkpoint is empty"), "{said}");
        instance.edit("engine", Value::Ints(vec![0]), 5.0).unwrap();
        press(&instance, "generate");
        assert!(text(&instance, "statusText").contains("Drawing 7"));
        press(&instance, "cancel");
    });
}

#[test]
fn a_preset_sets_the_others_once() {
    alone("flow::a_preset_sets_the_others_once", |_| {
        let plugin = plugin(true);
        let instance = span(&plugin, &[("engine", "Flow")]);
        let choose = |index| instance.edit("preset", Value::Ints(vec![index]), 5.0).unwrap();
        choose(2);
        let said = text(&instance, "statusText");
        assert!(said.contains("Timing chart Ease in and out, Exposure On twos"), "{said}");
        assert_eq!((count(&instance, "timingChart"), count(&instance, "exposure")), (3, 1));
        assert_eq!(frame(&instance, 3.0), frame(&instance, 4.0), "held for two frames");
        // Later changes stay, and choosing no preset sets nothing.
        instance.edit("exposure", Value::Ints(vec![0]), 5.0).unwrap();
        choose(0);
        assert_eq!((count(&instance, "timingChart"), count(&instance, "exposure")), (3, 0));
        assert_ne!(frame(&instance, 3.0), frame(&instance, 4.0), "on ones");
        choose(5);
        assert_eq!((count(&instance, "mode"), count(&instance, "toRate")), (1, 10));
        choose(1);
        let left = ["mode", "toRate", "timingChart", "exposure"].map(|id| count(&instance, id));
        assert_eq!(left, [0; 4], "nothing is left of another preset");
    });
}

#[test]
fn many_renders_hold_no_more_than_few() {
    alone("flow::many_renders_hold_no_more_than_few", |_| {
        let args = SoakArgs {
            plugin: library(),
            profile: "natron".into(),
            renders: 240,
            per_instance: 6,
            // Only a few spans, so that the memory that Flow may use for them is soon full.
            set: ["engine=Flow", "quality=Draft", "colour=sRGB", "keysFrom=Times in one clip"]
                .into_iter()
                .chain(["firstKey=1", "lastKey=9"])
                .map(Into::into)
                .collect(),
            rarely: vec!["engine=ToonCrafter".into()],
            every: 10,
            size: (48, 36),
            seed: 1,
        };
        soak::run(&args).unwrap();
    });
}

//! The validator with the plug-in that follows every rule, and with those that break one each.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod common;

use std::collections::BTreeSet;

use common::{plugin, program};
use host_tests::{
    checks::{CHECKS, Theme, outcome::Outcome},
    commands::validate::{Report, ValidateArgs, validate},
    host::binary::Binary,
    host::profile::PROFILES,
};

fn arguments(name: &str) -> ValidateArgs {
    ValidateArgs {
        plugin: Some(plugin(name)),
        id: None,
        profiles: Vec::new(),
        only: Vec::new(),
        context: None,
        set: Vec::new(),
        seed: Some(7),
        time_limit: 60,
        jobs: None,
        in_process: false,
        json: false,
        quiet: false,
        list_checks: false,
    }
}

fn run(args: &ValidateArgs) -> Vec<Report> {
    validate(args, &program()).unwrap()
}

#[test]
fn the_good_plugin_passes_every_check_under_every_profile() {
    let reports = run(&arguments("good"));
    assert_eq!(reports.len(), CHECKS.len() * PROFILES.len());
    for report in &reports {
        assert!(
            matches!(report.outcome, Outcome::Success(_) | Outcome::Skipped(_)),
            "{} under {}: {:?}",
            report.check,
            report.profile,
            report.outcome
        );
    }
    // A check that is always skipped would check nothing.
    for check in CHECKS {
        let done = |r: &&Report| r.check == check.name && matches!(r.outcome, Outcome::Success(_));
        assert!(reports.iter().any(|report| done(&report)), "{} never ran", check.name);
    }
}

#[test]
fn plugins_in_the_manner_of_the_support_library_raise_no_false_alarm() {
    for report in run(&arguments("support")) {
        let said = format!("{} under {}: {:?}", report.check, report.profile, report.outcome);
        match (report.check, &report.outcome) {
            (_, Outcome::Success(_) | Outcome::Skipped(_)) => {}
            // Black frames without a clip, and controls that Resolve does not show.
            ("missing-clip", Outcome::Warning(_)) => {}
            ("life-cycle", Outcome::Warning(_)) if report.profile == "resolve" => {}
            _ => panic!("{said}"),
        }
    }
}

#[test]
fn checks_run_in_this_process_too() {
    let only = ["life-cycle", "renders", "param-ranges"].map(String::from).to_vec();
    let profiles = vec!["natron".into()];
    let args = ValidateArgs { in_process: true, only, profiles, ..arguments("good") };
    for report in run(&args) {
        assert!(matches!(report.outcome, Outcome::Success(_)), "{report:?}");
    }
}

/// What must detect each flaw: profile and check.
const FINDS: &[(&str, &str, &str)] = &[
    ("unknown-property", "natron", "properties-known"),
    ("wrong-type", "natron", "property-types"),
    ("read-only", "natron", "properties-read-only"),
    ("leak-image", "natron", "images-released"),
    ("leak-memory", "natron", "memory-returned"),
    ("outside-window", "natron", "window-respected"),
    ("writes-input", "natron", "inputs-untouched"),
    ("background-thread", "natron", "background-threads"),
    ("stale-handle", "natron", "handles"),
    ("no-range", "natron", "param-ranges"),
    ("no-display-range", "natron", "param-ranges"),
    ("default-outside", "natron", "param-defaults"),
    ("integer-2d", "natron", "param-types"),
    ("no-hint", "natron", "param-hints"),
    ("load-default", "mlt", "life-cycle"),
    ("load-once", "mlt", "load-again"),
    ("slow-load", "natron", "load-time"),
    ("answers-anything", "natron", "unknown-actions"),
    ("not-varying", "natron", "frame-varying"),
    ("sets-rate", "nuke", "frame-rate"),
    ("hidden-frames", "natron", "frames-needed"),
    ("false-identity", "natron", "identity"),
    ("random", "natron", "deterministic"),
    ("tile-dependent", "natron", "tiles"),
    ("thread-race", "natron", "threads"),
    ("stateful", "natron", "independent"),
    ("even-only", "natron", "odd-sizes"),
    ("full-scale-only", "natron", "render-scale"),
    ("scale-stickler", "fusion", "scale-mismatch"),
    ("passes-nan", "nuke", "finite-output"),
    ("clamps", "nuke", "hdr-kept"),
    ("refuses-half", "mlt", "formats"),
    ("refuses-premultiplied", "natron", "premultiplication"),
    ("black-frame", "natron", "missing-clip"),
    ("needs-optional", "natron", "optional-clip"),
    ("trusts-data", "mlt", "missing-clip"),
    ("trusts-messages", "resolve", "missing-clip"),
    ("fatal-abort", "natron", "abort"),
    ("ignores-abort", "natron", "abort"),
    ("formats-messages", "natron", "missing-clip"),
    ("clears-too-late", "natron", "calls-allowed"),
    ("sets-in-render", "natron", "calls-allowed"),
    ("python-word", "natron", "param-names"),
    ("narrow-regions", "natron", "cropped-inputs"),
    ("needs-choice", "natron", "choice-values"),
    ("refuses-load", "natron", "project-load"),
    ("obsolete", "natron", "describes-itself"),
    ("defines-early", "natron", "definitions"),
    ("refuses-purge", "natron", "host-order"),
    ("refuses-preferences", "natron", "renders"),
    ("at-origin-only", "natron", "odd-bounds"),
    ("refuses-ends", "natron", "param-values"),
    ("needs-identifier", "natron", "spare-images"),
    ("unlicensed", "natron", "unlicensed"),
    ("region-nowhere", "natron", "regions"),
    ("upside-down", "natron", "row-layouts"),
    ("unwritten", "natron", "whole-window"),
    ("positive-rows", "mlt", "renders"),
    ("crash", "bare", "renders"),
    ("hang", "bare", "renders"),
];

fn full_id(flaw: &str) -> String {
    format!("org.example.bad.{flaw}")
}

#[test]
fn every_check_has_a_flaw_that_it_catches() {
    for check in CHECKS {
        assert!(FINDS.iter().any(|(_, _, found)| *found == check.name), "{} has none", check.name);
    }
}

#[test]
fn every_flaw_is_found_by_its_check() {
    let ids: BTreeSet<String> = Binary::open(&plugin("bad")).unwrap().ids().into_iter().collect();
    assert_eq!(ids, FINDS.iter().map(|(flaw, ..)| full_id(flaw)).collect());
    for (flaw, profile, check) in FINDS {
        let args = ValidateArgs {
            id: Some(full_id(flaw)),
            profiles: vec![(*profile).to_owned()],
            only: vec![(*check).to_owned()],
            // Enough for the slowest render of `ignores-abort`; the hanging one must be waited for.
            time_limit: if *flaw == "hang" { 2 } else { 120 },
            ..arguments("bad")
        };
        let reports = run(&args);
        assert_eq!(reports.len(), 1);
        let outcome = &reports[0].outcome;
        match *flaw {
            "crash" | "hang" | "trusts-data" | "trusts-messages" => {
                assert!(matches!(outcome, Outcome::Crashed(_)), "{flaw}: {outcome:?}");
            }
            // Allowed, but it will cause trouble somewhere.
            "no-hint" | "black-frame" | "load-default" | "needs-choice" => {
                assert!(matches!(outcome, Outcome::Warning(_)), "{flaw}: {outcome:?}")
            }
            _ => assert!(matches!(outcome, Outcome::Failed(_)), "{flaw}: {outcome:?}"),
        }
    }
}

#[test]
fn a_broken_rule_fails_one_check_only() {
    let rules: Vec<String> = CHECKS
        .iter()
        .filter(|check| matches!(check.theme, Theme::HostRules | Theme::Description))
        .map(|check| check.name.to_owned())
        .collect();
    let single = FINDS.iter().filter(|(_, profile, check)| {
        *profile == "natron" && rules.iter().any(|rule| rule == check)
    });
    let mut count = 0;
    for (flaw, _, check) in single {
        count += 1;
        let args = ValidateArgs {
            id: Some(full_id(flaw)),
            profiles: vec!["natron".into()],
            only: rules.clone(),
            ..arguments("bad")
        };
        let is_well =
            |outcome: &Outcome| matches!(outcome, Outcome::Success(_) | Outcome::Skipped(_));
        let bad: Vec<_> =
            run(&args).into_iter().filter(|r| !is_well(&r.outcome)).map(|r| r.check).collect();
        assert_eq!(bad, [*check], "{flaw}");
    }
    assert!(count >= 12, "only {count} flaws were tried");
}

#[test]
fn a_fault_that_ends_every_check_is_told_once() {
    let args = ValidateArgs {
        id: Some(full_id("refuses-preferences")),
        profiles: vec!["natron".into()],
        ..arguments("bad")
    };
    let reports = run(&args);
    let failed = reports.iter().filter(|report| report.outcome.is_bad()).collect::<Vec<_>>();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].outcome.parts().1.ends_with("to GetClipPreferences"), "{failed:?}");
    let text = format!("ends as {} does, which failed", failed[0].check);
    let others = reports.iter().filter(|report| report.outcome.parts().1 == text).count();
    assert!(others > 20, "{others} others");
}

#[test]
fn a_bad_plugin_makes_the_command_fail() {
    let path = plugin("bad");
    let arguments = |id: &str| {
        let path = path.to_str().unwrap();
        let id = full_id(id);
        let only = ["validate", "--only", "param-ranges", "--profile", "natron", "--id"];
        let all: Vec<String> = only.iter().map(|s| (*s).into()).chain([id, path.into()]).collect();
        common::host(&all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let found = arguments("no-range");
    assert!(!found.status.success());
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(text.contains("failed") && text.contains("first has no range"), "{text}");
    assert!(arguments("no-hint").status.success());
}

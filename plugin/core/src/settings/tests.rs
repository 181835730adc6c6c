//! Checks the list against what hosts, saved projects and people expect of it.

use std::collections::HashSet;

use super::list::{self, ALL};
use super::*;

fn text(text: &'static std::ffi::CStr) -> &'static str {
    text.to_str().unwrap()
}

#[test]
fn ids_are_unique_and_fit_every_host() {
    let mut seen = HashSet::new();
    for setting in ALL.iter() {
        let id = text(setting.id());
        assert!(seen.insert(id), "{id} stands twice");
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
    }
}

#[test]
fn every_hint_is_a_sentence() {
    for setting in ALL.iter() {
        let hint = text(setting.hint());
        assert!(hint.ends_with('.') && hint.len() > 20, "{:?}: {hint}", setting.id());
        assert!(!hint.contains("  "), "{:?}: {hint}", setting.id());
    }
}

#[test]
fn defaults_lie_within_their_ranges() {
    for setting in ALL.iter() {
        let id = setting.id();
        match setting.kind() {
            AnyKind::Number(Number { default, range, display, step, .. }) => {
                assert!(range.0 <= display.0 && display.1 <= range.1, "{id:?}");
                assert!(display.0 < display.1 && *step > 0.0, "{id:?}");
                assert!((range.0..=range.1).contains(default), "{id:?}");
            }
            AnyKind::Integer(Integer { default, range, display }) => {
                assert!(range.0 <= display.0 && display.1 <= range.1, "{id:?}");
                assert!(display.0 < display.1, "{id:?}");
                assert!((range.0..=range.1).contains(default), "{id:?}");
            }
            AnyKind::Choice(choice) => {
                let count = choice.labels().len();
                assert!(choice.default_index() < count, "{id:?}");
                let names: HashSet<_> = choice.names().into_iter().collect();
                let values: HashSet<_> = choice.values().into_iter().collect();
                assert_eq!((names.len(), values.len()), (count, count), "{id:?}");
            }
            AnyKind::Text(of) => assert!(of.default.count_bytes() <= of.longest, "{id:?}"),
            AnyKind::Point(of) => {
                assert!(of.default.iter().all(|share| (0.0..=1.0).contains(share)), "{id:?}");
            }
            AnyKind::Switch(_) | AnyKind::File => {}
        }
    }
}

/// A choice and its options: label, name on the command line, and value.
type Saved = (&'static str, &'static [(&'static str, &'static str, &'static str)]);

/// Saved projects store the index of an option, some hosts its label, and scripts its name. The
/// last column is the value it stands for. Rows may be added at the end of a choice; existing rows
/// must not move or change their meaning.
const SAVED: &[Saved] = &[
    (
        "preset",
        &[
            ("None", "none", "None"),
            ("Smooth pan", "smooth-pan", "Some(SmoothPan)"),
            ("Snappy on twos", "snappy-on-twos", "Some(SnappyOnTwos)"),
            ("Line art", "line-art", "Some(LineArt)"),
            ("Morph between scenes", "morph", "Some(Morph)"),
            ("Old footage to 60 fps", "old-footage", "Some(OldFootage)"),
            ("Finish the twos", "finish-the-twos", "Some(FinishTwos)"),
        ],
    ),
    (
        "keysFrom",
        &[
            ("Two clips", "clips", "TwoClips"),
            ("Times in one clip", "clip", "OneClip"),
            ("Image files", "files", "Files"),
            ("Every drawing in one clip", "every", "EveryDrawing"),
        ],
    ),
    (
        "timingChart",
        &[
            ("Linear", "linear", "Some(Linear)"),
            ("Ease in", "ease-in", "Some(EaseIn)"),
            ("Ease out", "ease-out", "Some(EaseOut)"),
            ("Ease in and out", "ease-in-out", "Some(EaseInOut)"),
            ("Favour first key", "favour-first", "Some(FavourFirst)"),
            ("Favour last key", "favour-last", "Some(FavourLast)"),
            ("Custom", "custom", "None"),
        ],
    ),
    (
        "exposure",
        &[
            ("On ones", "ones", "Ones"),
            ("On twos", "twos", "Twos"),
            ("On threes", "threes", "Threes"),
        ],
    ),
    ("path", &[("Smooth", "smooth", "Smooth"), ("Straight", "straight", "Straight")]),
    (
        "engine",
        &[
            ("Flow", "flow", "Some(Flow)"),
            ("Auto", "auto", "None"),
            ("ToonCrafter", "tooncrafter", "Some(ToonCrafter)"),
        ],
    ),
    (
        "quality",
        &[
            ("Draft", "draft", "Draft"),
            ("Standard", "standard", "Standard"),
            ("High", "high", "High"),
        ],
    ),
    (
        "colour",
        &[
            ("Automatic", "auto", "None"),
            ("sRGB", "srgb", "Some(Srgb)"),
            ("Linear", "linear", "Some(Linear)"),
        ],
    ),
    (
        "output",
        &[
            ("In-between", "in-between", "InBetween"),
            ("Confidence", "confidence", "Confidence"),
            ("Motion", "motion", "Motion"),
        ],
    ),
    (
        "sketchLines",
        &[
            ("Automatic", "auto", "Auto"),
            ("Dark on light", "dark-on-light", "DarkOnLight"),
            ("Light on dark", "light-on-dark", "LightOnDark"),
            ("Alpha", "alpha", "Alpha"),
        ],
    ),
    ("solver", &[("UniPC", "unipc", "UniPc"), ("DDIM", "ddim", "Ddim")]),
    (
        "precision",
        &[
            ("Automatic", "auto", "Auto"),
            ("32 bits", "f32", "F32"),
            ("16 bits (bf16)", "bf16", "Bf16"),
        ],
    ),
    (
        "device",
        &[
            ("Automatic", "auto", "Auto"),
            ("Processor", "cpu", "Cpu"),
            ("NVIDIA", "cuda", "Cuda"),
            ("Apple", "metal", "Metal"),
        ],
    ),
    (
        "mode",
        &[
            ("In-betweens of two keys", "in-betweens", "InBetweens"),
            ("Retime a clip", "retime", "Retime"),
        ],
    ),
    (
        "toRate",
        &[
            ("Twice the source's", "twice", "Twice"),
            ("The project's", "project", "Project"),
            ("23.976 fps", "23.976", "Fixed(23.976)"),
            ("24 fps", "24", "Fixed(24.0)"),
            ("25 fps", "25", "Fixed(25.0)"),
            ("29.97 fps", "29.97", "Fixed(29.97)"),
            ("30 fps", "30", "Fixed(30.0)"),
            ("48 fps", "48", "Fixed(48.0)"),
            ("50 fps", "50", "Fixed(50.0)"),
            ("59.94 fps", "59.94", "Fixed(59.94)"),
            ("60 fps", "60", "Fixed(60.0)"),
            ("120 fps", "120", "Fixed(120.0)"),
            ("Custom", "custom", "Custom"),
        ],
    ),
    (
        "timeline",
        &[
            ("Automatic", "auto", "Automatic"),
            ("The source's rate", "source", "OfSource"),
            ("The new rate", "output", "OfOutput"),
        ],
    ),
    (
        "restore",
        &[
            ("Automatic", "auto", "Auto"),
            ("Off", "off", "Off"),
            ("Telecine", "telecine", "Telecine"),
            ("Deinterlace", "deinterlace", "Deinterlace"),
            ("Blends", "blends", "Blends"),
            ("Duplicates", "duplicates", "Duplicates"),
        ],
    ),
];

#[test]
fn options_that_projects_have_saved_stay_where_they_are_and_mean_what_they_meant() {
    let mut found = Vec::new();
    // Only the command line has RESTORE, so it is not in ALL; scripts use the names of its options.
    let all = ALL.iter().copied().chain([&list::RESTORE as &dyn AnySetting]);
    for setting in all {
        let AnyKind::Choice(choice) = setting.kind() else { continue };
        let labels = choice.labels().into_iter().map(text);
        let rows = labels.zip(choice.names()).zip(choice.values());
        let rows: Vec<_> = rows.map(|((label, name), value)| (label, name, value)).collect();
        found.push((text(setting.id()), rows));
    }
    assert_eq!(found.len(), SAVED.len());
    for ((id, found), (saved_id, saved)) in found.iter().zip(SAVED) {
        assert_eq!(id, saved_id);
        let saved: Vec<_> = saved.iter().map(|(l, n, v)| (*l, *n, (*v).to_owned())).collect();
        assert_eq!(found, &saved, "{id}");
    }
}

#[test]
fn the_ids_of_saved_projects_are_unchanged() {
    let ids: Vec<_> = ALL.iter().map(|setting| text(setting.id())).collect();
    let saved = "preset keysFrom firstKeyFile \
                 lastKeyFile firstKey lastKey keyFrames Transition timingChart customChart exposure path engine quality \
                 colour output useSketch sketchLines sketchStrength usePins pinCount PINS checkpoint \
                 sketchCheckpoint prompt \
                 seed steps solver guidance rescale motion precision device memoryLimit draft \
                 mode fromRate toRate customRate raiseStrength timeline clipStart";
    let of_pin = |n| ["From", "To", "When", "Way"].map(|what| format!("pin{n}{what}"));
    let pins = (1..=12).flat_map(of_pin).collect::<Vec<_>>().join(" ");
    let saved = saved.replace("PINS", &pins);
    assert_eq!(ids, saved.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn the_hint_of_steps_names_what_each_solver_needs() {
    for option in list::SOLVER.kind.options {
        let needs = format!("{} are enough with {}", option.value.steps(), text(option.label));
        let short = format!("{} with {}", option.value.steps(), text(option.label));
        let hint = text(list::STEPS.hint);
        assert!(hint.contains(&needs) || hint.contains(&short), "{needs}: {hint}");
    }
}

#[test]
fn a_value_beyond_its_range_is_told_with_the_range() {
    let said = list::GUIDANCE.check(40.0).unwrap_err().user_message();
    assert_eq!(said, "Guidance cannot be 40: it must lie between 1 and 30.");
    assert!(list::GUIDANCE.check(f64::NAN).is_err());
    assert!(list::STEPS.check(1000).is_ok() && list::STEPS.check(1001).is_err());
}

#[test]
fn each_preset_sets_the_same_settings_and_no_two_set_them_alike() {
    let presets = list::PRESET.kind.options.iter().filter_map(|option| option.value);
    let sets: Vec<_> = presets.map(|preset| (preset, preset.sets())).collect();
    assert_eq!(sets.len(), 6);
    for (at, (preset, set)) in sets.iter().enumerate() {
        for (other, beside) in &sets[at + 1..] {
            assert!(set.iter().zip(beside).all(|(a, b)| a.0.id() == b.0.id()));
            assert!(set.iter().zip(beside).any(|(a, b)| a.1 != b.1), "{preset:?} is {other:?}");
        }
        let hint = text(list::PRESET.hint);
        for (setting, _) in set {
            assert!(hint.contains(text(setting.label())), "{:?} is not named", setting.id());
        }
    }
}

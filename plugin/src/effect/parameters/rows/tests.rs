use std::collections::HashSet;

use super::*;

#[test]
fn ids_are_unique_and_fit_every_host() {
    let mut seen = HashSet::new();
    for param in all() {
        let id = param.id.to_str().unwrap();
        assert!(seen.insert(id), "{id} stands twice");
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
    }
}

#[test]
fn every_hint_is_a_sentence() {
    for param in all() {
        let hint = param.hint.to_str().unwrap();
        assert!(hint.ends_with('.') && hint.len() > 20, "{:?}: {hint}", param.id);
        assert!(!hint.contains("  "), "{:?}: {hint}", param.id);
    }
}

#[test]
fn the_readme_names_every_parameter() {
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    for param in all().filter(|param| !matches!(param.shape, Shape::Group | Shape::Counter)) {
        let id = param.id.to_str().unwrap();
        assert!(readme.contains(&format!("`{id}`")), "{id}");
        let label = param.label.to_str().unwrap();
        assert!(readme.contains(label), "{label}");
    }
}

#[test]
fn defaults_lie_within_their_ranges() {
    for param in all() {
        match &param.shape {
            Shape::Number { default, range, display, step, .. } => {
                assert!(range.0 <= display.0 && display.1 <= range.1, "{:?}", param.id);
                assert!(display.0 < display.1 && *step > 0.0, "{:?}", param.id);
                assert!((range.0..=range.1).contains(default), "{:?}", param.id);
            }
            Shape::Whole { default, range, display } => {
                assert!(range.0 <= display.0 && display.1 <= range.1, "{:?}", param.id);
                assert!(display.0 < display.1, "{:?}", param.id);
                assert!((range.0..=range.1).contains(default), "{:?}", param.id);
            }
            Shape::Choice { options, default } => {
                assert!((0..options.len() as i32).contains(default), "{:?}", param.id);
            }
            Shape::Group
            | Shape::Text { .. }
            | Shape::File
            | Shape::Switch { .. }
            | Shape::Report
            | Shape::Button
            | Shape::Counter => {}
        }
    }
}

#[test]
fn options_that_projects_have_saved_stay_where_they_are() {
    let options = |wanted: &CStr| {
        let param = all().find(|param| param.id == wanted).unwrap();
        let Shape::Choice { options, .. } = &param.shape else { panic!("{wanted:?}") };
        options.iter().map(|option| option.to_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(options(ENGINE), ["Flow", "Auto", "ToonCrafter"]);
    assert_eq!(options(SKETCH_LINES), ["Automatic", "Dark on light", "Light on dark", "Alpha"]);
    assert_eq!(options(SOLVER), ["UniPC", "DDIM"]);
    assert_eq!(options(MODE), ["In-betweens of two keys", "Retime frame rate"]);
    assert_eq!(options(TIMELINE), ["Automatic", "The source's rate", "The new rate"]);
    assert_eq!(options(TO_RATE)[CUSTOM_RATE_OPTION as usize], "Custom");
    assert_eq!(options(DEVICE), ["Automatic", "Processor", "NVIDIA"]);
}

#[test]
fn groups_stand_above_their_members() {
    let mut groups = Vec::new();
    for param in all() {
        match (&param.shape, param.group) {
            (Shape::Group, _) => groups.push((param.id, param.contexts)),
            (_, Some(group)) => {
                let found = groups.iter().find(|(id, _)| *id == group);
                let (_, contexts) = found.unwrap_or_else(|| panic!("{:?}", param.id));
                assert!(param.contexts.iter().all(|c| contexts.contains(c)), "{:?}", param.id);
            }
            (_, None) => {}
        }
    }
}

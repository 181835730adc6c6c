use std::collections::HashSet;

use super::*;

#[test]
fn every_setting_stands_on_the_panel_once_and_in_order() {
    let shown = all().filter_map(|param| match param.what {
        RowKind::Setting(setting) => Some(setting.id()),
        _ => None,
    });
    let listed = ALL.iter().map(|setting| setting.id());
    assert_eq!(shown.collect::<Vec<_>>(), listed.collect::<Vec<_>>());
}

#[test]
fn ids_are_unique_and_fit_every_host() {
    let mut seen = HashSet::new();
    for param in all() {
        let id = param.id().to_str().unwrap();
        assert!(seen.insert(id), "{id} stands twice");
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
    }
}

#[test]
fn the_ids_of_the_plug_ins_own_are_unchanged() {
    let own = all().filter(|param| !matches!(param.what, RowKind::Setting(_)));
    let own: Vec<_> = own.map(|param| param.id().to_str().unwrap()).collect();
    let saved = "keys previousDrawing spanHere nextDrawing findDrawings timing drawing sketch pins toonCrafter worker \
                 work generate cancel status statusText clearCache revision raiseRate";
    assert_eq!(own, saved.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn every_hint_is_a_sentence() {
    for param in all() {
        let Some(hint) = param.hint() else { continue };
        let hint = hint.to_str().unwrap();
        assert!(hint.ends_with('.') && hint.len() > 20, "{:?}: {hint}", param.id());
        assert!(!hint.contains("  "), "{:?}: {hint}", param.id());
    }
}

#[test]
fn groups_stand_above_their_members() {
    let mut groups = Vec::new();
    for param in all() {
        match (&param.what, param.group) {
            (RowKind::Group { id, .. }, _) => groups.push((*id, param.contexts)),
            (_, Some(group)) => {
                let found = groups.iter().find(|(id, _)| *id == group);
                let (_, contexts) = found.unwrap_or_else(|| panic!("{:?}", param.id()));
                assert!(param.contexts.iter().all(|c| contexts.contains(c)), "{:?}", param.id());
            }
            (_, None) => {}
        }
    }
}

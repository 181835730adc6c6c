//! The parameter tables of `resources/guide/parameters.md`, generated from the panel. The test
//! writes them when asked to, and otherwise checks that the file is up to date:
//!
//!     INBETWEEN_WRITE_GUIDE=1 cargo test --release -p inbetween-plugin guide

use std::fmt::Write as _;

use inbetween_core::settings::AnyKind;

use super::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../resources/guide/parameters.md");

/// The generated part of the page is between these lines.
const BEGIN: &str = "<!-- From here on written by a test, from the list of settings. -->\n";
const END: &str = "<!-- To here. -->\n";

/// The default in bold, with the other options or the range.
fn values(setting: &dyn AnySetting) -> String {
    match setting.kind() {
        AnyKind::Number(of) => format!("**{}** ({} … {})", of.default, of.range.0, of.range.1),
        AnyKind::Integer(of) => format!("**{}** ({} … {})", of.default, of.range.0, of.range.1),
        AnyKind::Switch(of) if of.default => "off · **on**".into(),
        AnyKind::Switch(_) => "**off** · on".into(),
        AnyKind::Choice(of) => {
            let default = of.default_index();
            let options = of.labels().into_iter().enumerate().map(|(at, label)| {
                let label = label.to_string_lossy();
                if at == default { format!("**{label}**") } else { label.into_owned() }
            });
            options.collect::<Vec<_>>().join(" · ")
        }
        AnyKind::Point(_) => "a place in the viewer".into(),
        AnyKind::Text(of) if of.default.is_empty() => "text".into(),
        AnyKind::Text(of) => format!("`{}`", of.default.to_string_lossy()),
        AnyKind::File => "file".into(),
    }
}

fn tables() -> String {
    const HEAD: &str = "| label | id | values | what it does |\n|---|---|---|---|\n";
    let mut text = format!("{BEGIN}\n{HEAD}");
    for param in all() {
        let (label, id) = (param.label().to_string_lossy(), param.id().to_string_lossy());
        // All pins are alike, so they share one row.
        let pin = |pin: &PinSettings| pin.all().iter().any(|of| of.id() == param.id());
        if PINS.iter().skip(1).any(pin) {
            continue;
        }
        let (label, id) = if pin(&PINS[0]) {
            let label = label.replace("Pin 1:", &format!("Pin 1 … {}:", PINS.len()));
            let last = id.replace("pin1", &format!("pin{}", PINS.len()));
            (label.into(), format!("{id}` … `{last}").into())
        } else {
            (label, id)
        };
        let values = match param.what {
            RowKind::Group { .. } => {
                write!(text, "\n## {label}\n\n{HEAD}").unwrap();
                continue;
            }
            RowKind::Setting(setting) => values(setting),
            RowKind::Button(_) => "button".into(),
            RowKind::Report(_) => "reported by the effect".into(),
            // Hidden from artists.
            RowKind::Former(_) | RowKind::Counter(_) => continue,
        };
        let hint = param.hint().unwrap_or_default().to_string_lossy().replace("pin 1", "the pin");
        let hint = hint.replace('|', "\\|");
        writeln!(text, "| {label} | `{id}` | {values} | {hint} |").unwrap();
    }
    text + "\n" + END
}

#[test]
fn the_guide_shows_every_parameter_with_its_options_in_order_and_its_default() {
    let found = std::fs::read_to_string(FILE).unwrap();
    let (before, rest) = found.split_once(BEGIN).expect("the mark where the tables begin");
    let (_, after) = rest.split_once(END).expect("the mark where they end");
    let wanted = format!("{before}{}{after}", tables());
    if std::env::var_os("INBETWEEN_WRITE_GUIDE").is_some() {
        std::fs::write(FILE, wanted).unwrap();
    } else {
        assert!(
            found == wanted,
            "resources/guide/parameters.md is not what the list of settings says; write it with \
             INBETWEEN_WRITE_GUIDE=1 cargo test --release -p inbetween-plugin guide"
        );
    }
}

/// Each part of `text` between `before` and `after`.
fn quoted<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0)).collect()
}

#[test]
fn the_examples_for_hosts_name_parameters_and_options_that_there_are() {
    let options: Vec<_> = ALL
        .iter()
        .filter_map(|setting| match setting.kind() {
            AnyKind::Choice(choice) => Some(choice.labels()),
            _ => None,
        })
        .flatten()
        .map(|label| label.to_str().unwrap())
        .collect();
    let natron = include_str!("../../../../../resources/guide/natron.py");
    let nuke = include_str!("../../../../../resources/guide/nuke.py");
    let ids = [quoted(natron, "getParam(\"", "\""), quoted(nuke, "between[\"", "\"")];
    let chosen = [quoted(natron, ".set(\"", "\""), quoted(nuke, ".setValue(\"", "\"")];
    for (ids, chosen) in ids.iter().zip(&chosen) {
        assert!(ids.len() >= 4 && chosen.len() >= 2, "{ids:?} {chosen:?}");
        for id in ids {
            assert!(all().any(|param| param.id().to_str() == Ok(*id)), "no parameter {id}");
        }
        for option in chosen {
            assert!(options.contains(option), "no option {option}");
        }
    }
    let (major, _) = crate::effect::names::VERSION;
    let identifier = crate::effect::names::IDENTIFIER.to_str().unwrap();
    assert!(natron.contains(&format!("\"{identifier}\"")));
    assert!(nuke.contains(&format!("\"OFX{identifier}_v{major}\"")));
}

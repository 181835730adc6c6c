//! The description of the effect for Kdenlive, `resources/package/kdenlive.xml`, generated from the panel. Without it Kdenlive
//! shows no fields for files, so that no keys can be chosen. The test writes it when asked to, and otherwise checks that it
//! is up to date:
//!
//!     INBETWEEN_WRITE_GUIDE=1 cargo test --release -p inbetween-plugin kdenlive

use std::fmt::Write as _;

use inbetween_core::settings::AnyKind;

use super::*;
use crate::hosts::Quirks;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../resources/package/kdenlive.xml");

/// What has a meaning where an effect gets one clip, one frame at a time, and what Kdenlive has fields for: no texts.
const SHOWN: [&dyn AnySetting; 11] = [
    &FIRST_FILE,
    &LAST_FILE,
    &FIRST_KEY,
    &LAST_KEY,
    &CHART,
    &EXPOSURE,
    &ENGINE,
    &QUALITY,
    &COLOUR,
    &OUTPUT,
    &CHECKPOINT,
];

fn parameter(setting: &dyn AnySetting) -> String {
    let (label, hint) = (setting.label().to_str().unwrap(), setting.hint());
    let id = Quirks::of_kdenlive().file_in_projects(setting.id()).unwrap_or(setting.id());
    let id = id.to_str().unwrap();
    let (attributes, more) = match setting.kind() {
        AnyKind::File => (r#"type="url""#.to_owned(), String::new()),
        AnyKind::Number(of) => {
            let ((least, most), digits) = (of.range, of.digits);
            let numbers = format!(r#"default="{}" min="{least}" max="{most}""#, of.default);
            (format!(r#"type="constant" {numbers} decimals="{digits}""#), String::new())
        }
        AnyKind::Choice(of) => {
            let labels: Vec<_> = of.labels().iter().map(|label| label.to_str().unwrap()).collect();
            let default = labels[of.default_index()];
            // What is custom is a text.
            let shown: Vec<_> = labels.into_iter().filter(|label| *label != "Custom").collect();
            assert!(!shown.concat().contains([';', ',']), "Kdenlive separates options by these");
            let (list, display) = (shown.join(";"), shown.join(","));
            (
                format!(r#"type="list" default="{default}" paramlist="{list}""#),
                format!("        <paramlistdisplay>{display}</paramlistdisplay>\n"),
            )
        }
        _ => panic!("Kdenlive has no field for {id}"),
    };
    let hint = hint.to_str().unwrap();
    format!(
        "    <parameter {attributes} name=\"{id}\">\n        <name>{label}</name>\n{more}        \
         <comment><![CDATA[{hint}]]></comment>\n    </parameter>\n"
    )
}

fn description() -> String {
    let id = format!("openfx.{}", crate::effect::names::IDENTIFIER.to_str().unwrap());
    let AnyKind::Choice(keys_from) = KEYS_FROM.kind() else { panic!("a choice") };
    let files = keys_from.labels().into_iter().find(|label| *label == c"Image files").unwrap();
    let mut text = format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE kpartgui>\n\
         <!-- Written by a test, from the list of settings. For Kdenlive's folder `effects`. -->\n\
         <effect xmlns=\"https://www.kdenlive.org\" tag=\"{id}\" id=\"{id}\">\n    \
         <name>AI In-between</name>\n    \
         <description>Draws the frames between two key drawings, which are chosen as files</description>\n    \
         <author>AI In-between</author>\n"
    );
    let (id, files) = (KEYS_FROM.id().to_str().unwrap(), files.to_str().unwrap());
    let fixed = format!(r#"type="fixed" name="{id}" default="{files}" value="{files}""#);
    writeln!(text, "    <parameter {fixed}>\n        <name>Keys from</name>\n    </parameter>")
        .unwrap();
    SHOWN.iter().for_each(|setting| text.push_str(&parameter(*setting)));
    text + "</effect>\n"
}

#[test]
fn the_description_for_kdenlive_is_what_the_list_of_settings_says() {
    let wanted = description();
    if std::env::var_os("INBETWEEN_WRITE_GUIDE").is_some() {
        std::fs::write(FILE, wanted).unwrap();
    } else {
        assert!(
            std::fs::read_to_string(FILE).unwrap_or_default() == wanted,
            "resources/package/kdenlive.xml is not what the list of settings says; write it with \
             INBETWEEN_WRITE_GUIDE=1 cargo test --release -p inbetween-plugin kdenlive"
        );
    }
}

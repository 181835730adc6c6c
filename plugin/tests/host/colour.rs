//! Colours in hosts that report the colourspaces of clips, as in OpenFX 1.5.

use std::ffi::CString;
use std::sync::Arc;

use host_tests::host::Host;
use host_tests::host::plugin::Plugin;
use host_tests::host::profile::Profile;
use host_tests::host::props::Values;
use host_tests::host::sys::*;

use crate::bench::{alone, frame, library, plugin, span};

const FLOW: (&str, &str) = ("engine", "Flow");

/// A host that manages colours, with clips in that colourspace.
fn managing(colourspace: &'static str) -> Arc<Plugin> {
    let host = Host::new(Profile::find("natron").unwrap());
    host.change(|behaviour| behaviour.colourspace = Some(colourspace));
    let plugin = Plugin::open(&library(), None, &host).unwrap();
    plugin.start().unwrap();
    plugin
}

#[test]
fn the_colourspace_of_a_clip_says_how_it_is_encoded() {
    alone("colour::the_colourspace_of_a_clip_says_how_it_is_encoded", |_| {
        let usual = plugin(false);
        let chosen = |colour: &str| frame(&span(&usual, &[FLOW, ("colour", colour)]), 5.0);
        let (srgb, linear) = (chosen("sRGB"), chosen("Linear"));
        assert_ne!(srgb, linear);
        // If nothing is reported, bytes are sRGB.
        assert!(frame(&span(&usual, &[FLOW]), 5.0) == srgb);
        for (colourspace, expected) in [
            ("ACEScg", &linear),
            ("lin_rec709_srgb", &linear),
            ("ofx_scene_linear", &linear),
            ("srgb_tx", &srgb),
            ("rec1886_rec709_display", &srgb),
            ("ACEScct", &srgb),
            ("ofx_raw", &srgb),
        ] {
            let instance = span(&managing(colourspace), &[FLOW]);
            assert!(frame(&instance, 5.0) == *expected, "{colourspace}");
        }
        // The artist's choice takes precedence.
        let overruled = span(&managing("ACEScg"), &[FLOW, ("colour", "sRGB")]);
        assert!(frame(&overruled, 5.0) == srgb);
    });
}

#[test]
fn a_clip_may_be_in_the_colourspace_of_another_one() {
    alone("colour::a_clip_may_be_in_the_colourspace_of_another_one", |_| {
        let linear = frame(&span(&plugin(false), &[FLOW, ("colour", "Linear")]), 5.0);
        let instance = span(&managing("OfxColourspace_KeyB"), &[FLOW]);
        let say = |clip: &str, colourspace: &str| {
            let name = CString::new(colourspace).unwrap();
            let clip = instance.effect().clip(clip).unwrap();
            clip.props.put(kOfxImageClipPropColourspace, Values::Text(vec![name]));
        };
        say("KeyB", "ACEScg");
        assert!(frame(&instance, 5.0) == linear);
        // Two clips that refer to each other name no colourspace.
        say("KeyB", "OfxColourspace_Source");
        assert!(frame(&instance, 5.0) != linear);
    });
}

#[test]
fn a_host_that_manages_colours_hears_what_is_wanted() {
    alone("colour::a_host_that_manages_colours_hears_what_is_wanted", |_| {
        let plugin = managing("ACEScg");
        let style =
            plugin.descriptor().unwrap().props.text(kOfxImageEffectPropColourManagementStyle);
        assert_eq!(style.as_deref(), kOfxImageEffectColourManagementFull.to_str().ok());
        let instance = span(&plugin, &[FLOW]);
        assert_eq!(instance.preferred_colourspaces("KeyB"), ["OfxColourspace_Source"]);
        assert!(instance.preferred_colourspaces("Source").is_empty(), "any will do");
        // Drawings have the colourspace of their first key; values that are not colours say so.
        assert_eq!(instance.output_colourspace(&["srgb_tx"]).unwrap(), None);
        let motion = span(&plugin, &[FLOW, ("output", "Motion")]);
        let told = motion.output_colourspace(&["srgb_tx"]).unwrap();
        assert_eq!(told.as_deref(), Some("ofx_raw"));
        assert!(plugin.host().journal().violations().is_empty());
    });
}

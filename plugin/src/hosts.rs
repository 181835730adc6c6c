//! Differences between hosts. There is one entry per fact, with its reason.

use std::ffi::CStr;

use inbetween_core::Encoding;
use inbetween_core::settings::list::{CHECKPOINT, FIRST_FILE, LAST_FILE};

/// MLT writes paths into its projects relative to the project's folder, and makes only those of
/// filters' properties with certain names absolute again (its `producer_xml.c`). Under any other
/// name the file is lost when Kdenlive opens a project, and already when it renders one.
static FILES_IN_MLT: [(&CStr, &CStr); 3] =
    [(FIRST_FILE.id, c"filename"), (LAST_FILE.id, c"av.filename"), (CHECKPOINT.id, c"av.file")];

/// What a host does differently from what it reports about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quirks {
    /// The encoding of float pixels if the artist has not chosen one.
    pub(crate) float_encoding: Encoding,
    /// The host reports every clip as connected and delivers transparent black for unconnected
    /// ones.
    pub(crate) phantom_clips: bool,
    /// The host derives names of nodes from labels and allows only letters, so a dash would be
    /// illegal.
    pub(crate) plain_label: bool,
    /// The host plays clips at the timeline's rate and repeats their frames, as editors do.
    pub(crate) repeats_frames: bool,
    /// Several renders of one instance at the same time fail in this host.
    pub(crate) one_render_per_instance: bool,
    /// The host announces version 2 of the message suite with null or wild pointers (Natron's notes
    /// on hosts), so it must not even be requested.
    pub(crate) wild_message_suite: bool,
    /// The host shows whatever is in the picture of a render that failed, which is its input, and
    /// neither the failure nor the message. So a film is rendered without its in-betweens, and
    /// nobody is told.
    pub(crate) ignores_failures: bool,
    /// Files whose paths the host's projects keep only under another id: the setting's id, and that
    /// one.
    files: &'static [(&'static CStr, &'static CStr)],
}

impl Quirks {
    /// The quirks of a host, by the name that it reports (kOfxPropName).
    pub(crate) fn named(name: &str) -> Self {
        let resolve = name.starts_with("DaVinciResolve");
        let vegas = name.starts_with("com.sonycreativesoftware.vegas")
            || name.starts_with("com.vegascreativesoftware.vegas");
        let mlt = name == "MLT";
        // These deliver what the display shows, in float as in any other depth: Resolve its
        // timeline encoding, MLT and Vegas 8-bit video widened to float.
        let display_referred = resolve || mlt || vegas;
        let editor = display_referred || name.starts_with("com.sony.Catalyst");
        Self {
            float_encoding: if display_referred { Encoding::Srgb } else { Encoding::Linear },
            phantom_clips: resolve,
            plain_label: name.starts_with("uk.co.thefoundry.nuke"),
            repeats_frames: editor,
            one_render_per_instance: resolve,
            wild_message_suite: resolve,
            ignores_failures: mlt,
            files: if mlt { &FILES_IN_MLT } else { &[] },
        }
    }

    /// The second id of a file, under which the host's projects keep its path.
    pub(crate) fn file_in_projects(&self, id: &CStr) -> Option<&'static CStr> {
        self.files.iter().find(|(of, _)| *of == id).map(|(_, kept)| *kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Quirks {
        /// Kdenlive's, which has MLT inside.
        pub(crate) fn of_kdenlive() -> Self {
            Self::named("MLT")
        }

        /// A host without quirks apart from its encoding.
        pub(crate) fn with_encoding(float_encoding: Encoding) -> Self {
            Self { float_encoding, ..Self::named("") }
        }
    }

    #[test]
    fn compositors_are_linear_and_editors_are_not() {
        let encoding = |name| Quirks::named(name).float_encoding;
        assert_eq!(encoding("fr.inria.Natron"), Encoding::Linear);
        assert_eq!(encoding("uk.co.thefoundry.nuke"), Encoding::Linear);
        assert_eq!(encoding("DaVinciResolveLite"), Encoding::Srgb);
        assert_eq!(encoding("MLT"), Encoding::Srgb);
        assert_eq!(encoding(""), Encoding::Linear);
    }

    #[test]
    fn editors_repeat_frames_and_compositors_count_them() {
        for editor in ["DaVinciResolve", "MLT", "com.vegascreativesoftware.vegas"] {
            assert!(Quirks::named(editor).repeats_frames, "{editor}");
        }
        for compositor in
            ["fr.inria.Natron", "uk.co.thefoundry.nuke", "com.blackmagicdesign.Fusion"]
        {
            assert!(!Quirks::named(compositor).repeats_frames, "{compositor}");
        }
    }

    #[test]
    fn only_resolve_has_phantom_clips() {
        assert!(Quirks::named("DaVinciResolve").phantom_clips);
        assert!(!Quirks::named("com.blackmagicdesign.Fusion").phantom_clips);
    }
}

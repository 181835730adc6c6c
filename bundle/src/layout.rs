//! The layout of `AIInbetween.ofx.bundle`. Nothing here accesses a disk.
//!
//! Source: OpenFX 1.5.1, "Packaging OFX plug-ins": a folder `NAME.ofx.bundle/Contents` with one folder per
//! architecture, the binary in it named `NAME.ofx`, and a folder `Resources`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Folder name of the bundle; its stem is the name that the binary must have.
pub(crate) const BUNDLE: &str = "AIInbetween.ofx.bundle";
/// The binary's name in every architecture's folder.
pub(crate) const BINARY: &str = "AIInbetween.ofx";
/// The effect's identifier; hosts look for its icon under this name.
pub(crate) const IDENTIFIER: &str = "org.inbetween.AIInbetween";
/// The description of the effect for Kdenlive, which shows no fields for files without it.
pub(crate) const KDENLIVE: &str = "kdenlive.xml";

/// OpenFX's names for a Rust target, and where its files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The Rust target triple.
    pub(crate) triple: String,
    /// Folders that hosts on this platform search; the same binary goes into each.
    pub(crate) folders: &'static [&'static str],
    /// File name that cargo gives the library.
    pub(crate) library: &'static str,
    /// File name of the worker. It is beside the binary, where the plug-in looks for it.
    pub(crate) worker: &'static str,
    /// Where hosts look for bundles, for all users of the machine.
    pub(crate) plugins: &'static str,
}

impl Target {
    /// # Errors
    /// When OpenFX has no folder for the platform.
    pub(crate) fn from_triple(triple: &str) -> Result<Self> {
        let architecture = triple.split('-').next().unwrap_or_default();
        let (folders, library, plugins): (&'static [&'static str], _, _) = match architecture {
            // MLT searches Linux-x86-64 on every 64-bit Linux, and Linux-aarch64 is the folder that
            // OpenFX plans; on ARM the same binary goes into both.
            "x86_64" if triple.contains("linux") => (&["Linux-x86-64"], LINUX.0, LINUX.1),
            "aarch64" if triple.contains("linux") => {
                (&["Linux-aarch64", "Linux-x86-64"], LINUX.0, LINUX.1)
            }
            "i686" if triple.contains("linux") => (&["Linux-x86"], LINUX.0, LINUX.1),
            // MacOS-x86-64 is deprecated, but hosts built for Intel search it. `universal` is not a
            // Rust target: it stands for binaries that combine both architectures.
            "x86_64" | "universal" if triple.contains("apple-darwin") => {
                (&["MacOS", "MacOS-x86-64"], MAC.0, MAC.1)
            }
            "aarch64" if triple.contains("apple-darwin") => (&["MacOS"], MAC.0, MAC.1),
            "x86_64" if triple.contains("windows") => (&["Win64"], WINDOWS.0, WINDOWS.1),
            "i686" if triple.contains("windows") => (&["Win32"], WINDOWS.0, WINDOWS.1),
            "arm64ec" if triple.contains("windows") => (&["Win-arm64ec"], WINDOWS.0, WINDOWS.1),
            _ => bail!(
                "OpenFX names no folder for {triple}. It knows x86_64, i686 and aarch64 Linux, macOS, \
                 x86_64, i686 and arm64ec Windows."
            ),
        };
        let worker = if triple.contains("windows") { "inbetween.exe" } else { "inbetween" };
        Ok(Self { triple: triple.to_owned(), folders, library, worker, plugins })
    }
}

const LINUX: (&str, &str) = ("libaiinbetween.so", "/usr/OFX/Plugins");
const MAC: (&str, &str) = ("libaiinbetween.dylib", "/Library/OFX/Plugins");
const WINDOWS: (&str, &str) = ("aiinbetween.dll", r"C:\Program Files\Common Files\OFX\Plugins");

/// One file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Path in the bundle's parent folder, beginning with the bundle's name.
    pub(crate) to: PathBuf,
    pub(crate) content: Content,
}

/// The source of a file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A copy of this file.
    Copy(PathBuf),
    Text(String),
}

/// The binaries built for one target.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) target: Target,
    /// The plug-in.
    pub(crate) library: PathBuf,
    /// The program that runs ToonCrafter in a separate process.
    pub(crate) worker: PathBuf,
}

/// The contents of the bundle besides the binaries.
pub(crate) struct Parts<'a> {
    /// The project's root folder, which holds `LICENSE` and `resources`.
    pub(crate) root: &'a Path,
    /// `resources/Info.plist`, with `{version}` as a placeholder.
    pub(crate) plist: &'a str,
    pub(crate) version: &'a str,
    /// Licences of the libraries in the binary.
    pub(crate) notices: String,
}

/// All files of a bundle for several platforms, each with the binaries built for it.
///
/// # Errors
/// When two targets have the same folder, as the two macOS architectures do.
pub(crate) fn plan(built: &[Built], parts: Parts<'_>) -> Result<Vec<Item>> {
    let contents = Path::new(BUNDLE).join("Contents");
    let resources = contents.join("Resources");
    let copy = |to: PathBuf, from: PathBuf| Item { to, content: Content::Copy(from) };
    let text = |to: PathBuf, text: String| Item { to, content: Content::Text(text) };

    let mut items =
        vec![text(contents.join("Info.plist"), parts.plist.replace("{version}", parts.version))];
    for Built { target, library, worker } in built {
        for folder in target.folders {
            items.push(copy(contents.join(folder).join(BINARY), library.clone()));
            items.push(copy(contents.join(folder).join(target.worker), worker.clone()));
        }
    }
    for kind in ["png", "svg"] {
        let icon = format!("{IDENTIFIER}.{kind}");
        items.push(copy(resources.join(&icon), parts.root.join("resources").join(&icon)));
    }
    items.push(copy(resources.join("LICENSE"), parts.root.join("LICENSE")));
    items.push(copy(resources.join(KDENLIVE), parts.root.join("resources/package").join(KDENLIVE)));
    items.push(text(resources.join("THIRD-PARTY.txt"), parts.notices));

    let mut taken = HashSet::new();
    for item in &items {
        if !taken.insert(&item.to) {
            bail!(
                "two targets want {}. Pack one of them; for both macOS architectures in one binary, build \
                 each, join the libraries and the programs with `lipo -create`, and pack the folder that holds them with \
                 `--target universal-apple-darwin --built DIR`.",
                item.to.display()
            );
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(triples: &[&str]) -> Result<Vec<Item>> {
        let built = |triple: &&str| Built {
            target: Target::from_triple(triple).unwrap(),
            library: PathBuf::from("built").join(triple),
            worker: PathBuf::from("worker").join(triple),
        };
        let built: Vec<_> = triples.iter().map(built).collect();
        let parts = Parts {
            root: Path::new("project"),
            plist: "<string>{version}</string>",
            version: "1.2.3",
            notices: "thanks".into(),
        };
        plan(&built, parts)
    }

    fn paths(items: &[Item]) -> Vec<String> {
        items.iter().map(|i| i.to.to_str().unwrap().replace('\\', "/")).collect()
    }

    #[test]
    fn a_linux_bundle_has_every_part_in_its_place() {
        let items = packed(&["x86_64-unknown-linux-gnu"]).unwrap();
        assert_eq!(
            paths(&items),
            [
                "AIInbetween.ofx.bundle/Contents/Info.plist",
                "AIInbetween.ofx.bundle/Contents/Linux-x86-64/AIInbetween.ofx",
                "AIInbetween.ofx.bundle/Contents/Linux-x86-64/inbetween",
                "AIInbetween.ofx.bundle/Contents/Resources/org.inbetween.AIInbetween.png",
                "AIInbetween.ofx.bundle/Contents/Resources/org.inbetween.AIInbetween.svg",
                "AIInbetween.ofx.bundle/Contents/Resources/LICENSE",
                "AIInbetween.ofx.bundle/Contents/Resources/kdenlive.xml",
                "AIInbetween.ofx.bundle/Contents/Resources/THIRD-PARTY.txt",
            ]
        );
    }

    #[test]
    fn the_binary_is_named_like_the_bundle() {
        assert_eq!(format!("{BINARY}.bundle"), BUNDLE);
    }

    #[test]
    fn each_platform_gets_the_folder_that_its_hosts_look_into() {
        for (triple, folders, library) in [
            ("x86_64-unknown-linux-gnu", &["Linux-x86-64"][..], "libaiinbetween.so"),
            ("x86_64-unknown-linux-musl", &["Linux-x86-64"][..], "libaiinbetween.so"),
            (
                "aarch64-unknown-linux-gnu",
                &["Linux-aarch64", "Linux-x86-64"][..],
                "libaiinbetween.so",
            ),
            ("aarch64-apple-darwin", &["MacOS"][..], "libaiinbetween.dylib"),
            ("x86_64-apple-darwin", &["MacOS", "MacOS-x86-64"][..], "libaiinbetween.dylib"),
            ("universal-apple-darwin", &["MacOS", "MacOS-x86-64"][..], "libaiinbetween.dylib"),
            ("x86_64-pc-windows-msvc", &["Win64"][..], "aiinbetween.dll"),
            ("x86_64-pc-windows-gnu", &["Win64"][..], "aiinbetween.dll"),
            ("arm64ec-pc-windows-msvc", &["Win-arm64ec"][..], "aiinbetween.dll"),
        ] {
            let target = Target::from_triple(triple).unwrap();
            assert_eq!((target.folders, target.library), (folders, library), "{triple}");
        }
    }

    #[test]
    fn platforms_without_openfx_hosts_are_refused_with_the_known_ones() {
        let error = Target::from_triple("wasm32-unknown-unknown").unwrap_err().to_string();
        assert!(error.contains("wasm32-unknown-unknown") && error.contains("x86_64"), "{error}");
    }

    #[test]
    fn one_bundle_serves_several_systems() {
        let items = packed(&["x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc"]).unwrap();
        let binaries: Vec<_> = paths(&items).into_iter().filter(|p| p.ends_with(BINARY)).collect();
        assert_eq!(binaries.len(), 2);
        assert!(binaries[1].contains("/Win64/"));
        let workers = paths(&items).into_iter().filter(|p| p.ends_with("/Win64/inbetween.exe"));
        assert_eq!(workers.count(), 1);
    }

    #[test]
    fn two_binaries_for_one_place_are_refused() {
        let error =
            packed(&["x86_64-apple-darwin", "aarch64-apple-darwin"]).unwrap_err().to_string();
        assert!(error.contains("lipo"), "{error}");
    }

    #[test]
    fn the_version_stands_in_the_plist() {
        let items = packed(&["x86_64-unknown-linux-gnu"]).unwrap();
        assert_eq!(items[0].content, Content::Text("<string>1.2.3</string>".into()));
    }

    #[test]
    fn the_kept_plist_names_what_is_packed() {
        let plist = include_str!("../../resources/Info.plist");
        for word in [BINARY, IDENTIFIER, "{version}", "BNDL"] {
            assert!(plist.contains(word), "{word} is missing");
        }
    }
}

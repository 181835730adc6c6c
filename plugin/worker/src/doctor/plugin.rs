//! The checks of `doctor` for the plug-in: installed bundles.

use std::env;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Finding, Verdict, records};
use crate::failure::Kind;

const BUNDLE: &str = "AIInbetween.ofx.bundle";

/// Where hosts look: the folders named by the variable, and the folder for all users.
fn folders() -> Vec<PathBuf> {
    let named = env::var_os("OFX_PLUGIN_PATH").unwrap_or_default();
    let usual = if cfg!(windows) {
        r"C:\Program Files\Common Files\OFX\Plugins"
    } else if cfg!(target_os = "macos") {
        "/Library/OFX/Plugins"
    } else {
        "/usr/OFX/Plugins"
    };
    env::split_paths(&named)
        .filter(|path| !path.as_os_str().is_empty())
        .chain([usual.into()])
        .collect()
}

/// Bundles in these folders, in the order in which hosts find them.
pub(super) fn bundles(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in folders.iter().map(|folder| folder.join(BUNDLE)) {
        if path.is_dir() && !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

/// The version in a bundle's `Info.plist`.
pub(super) fn version(bundle: &Path) -> Option<String> {
    let plist = std::fs::read_to_string(bundle.join("Contents/Info.plist")).ok()?;
    let (_, rest) = plist.split_once("<key>CFBundleVersion</key>")?;
    let (_, rest) = rest.split_once("<string>")?;
    Some(rest.split_once("</string>")?.0.to_owned())
}

/// The finding about the bundles `found` in the `folders`.
pub(super) fn judge(found: &[PathBuf], folders: &[PathBuf]) -> Finding {
    const WHAT: &str = "plug-in";
    let this = env!("CARGO_PKG_VERSION");
    let named = |bundle: &PathBuf| match version(bundle) {
        Some(version) => format!("{} (version {version})", bundle.display()),
        None => format!("{} (its Info.plist contains no version)", bundle.display()),
    };
    let list = found.iter().map(named).collect::<Vec<_>>().join(", ");
    match found {
        [] => Finding {
            what: WHAT,
            verdict: Verdict::Warn,
            found: format!(
                "it is not installed: no {BUNDLE} is in {}",
                folders
                    .iter()
                    .map(|folder| folder.display().to_string())
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
            advice: "Run the installer, or copy the folder AIInbetween.ofx.bundle into that folder; then start the \
                     host again. The variable OFX_PLUGIN_PATH names further folders.",
            kind: Kind::Engine,
        },
        [only] if version(only).as_deref() == Some(this) => Finding {
            what: WHAT,
            verdict: Verdict::Ok,
            found: list,
            advice: "",
            kind: Kind::Engine,
        },
        [_] => Finding {
            what: WHAT,
            verdict: Verdict::Warn,
            found: format!("{list}, and this program is version {this}"),
            advice: "Install the bundle again, so that both are of one version.",
            kind: Kind::Engine,
        },
        _ => Finding {
            what: WHAT,
            verdict: Verdict::Warn,
            found: format!("it is installed more than once: {list}"),
            advice: "Hosts take the first; remove the others.",
            kind: Kind::Engine,
        },
    }
}

/// When the plug-in's binary last changed.
fn changed(bundle: &Path) -> Option<SystemTime> {
    let contents = std::fs::read_dir(bundle.join("Contents")).ok()?;
    let binaries = contents.filter_map(|entry| Some(entry.ok()?.path().join("AIInbetween.ofx")));
    binaries.filter_map(|binary| binary.metadata().ok()?.modified().ok()).max()
}

/// A finding about the plug-in or a host.
pub(super) fn look() -> Vec<Finding> {
    let folders = folders();
    let found = bundles(&folders);
    let mut findings = vec![judge(&found, &folders)];
    let Some(since) = found.first().and_then(|bundle| changed(bundle)) else { return findings };
    findings.extend(records::look(since));
    findings
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn bundle(folder: &Path, version: &str) -> PathBuf {
        let contents = folder.join(BUNDLE).join("Contents");
        fs::create_dir_all(contents.join("Linux-x86-64")).unwrap();
        fs::write(contents.join("Linux-x86-64/AIInbetween.ofx"), "binary").unwrap();
        let plist = format!("<dict><key>CFBundleVersion</key>\n <string>{version}</string></dict>");
        fs::write(contents.join("Info.plist"), plist).unwrap();
        folder.join(BUNDLE)
    }

    #[test]
    fn bundles_are_found_and_judged() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [one.path().to_owned(), other.path().to_owned()];
        let judged = || judge(&bundles(&folders), &folders);
        let told = judged().found;
        assert!(
            told.contains("not installed") && told.contains(one.path().to_str().unwrap()),
            "{told}"
        );
        bundle(other.path(), env!("CARGO_PKG_VERSION"));
        let told = judged();
        assert_eq!(told.verdict, Verdict::Ok, "{}", told.found);
        bundle(other.path(), "0.0.1");
        assert!(judged().found.contains("version 0.0.1), and this program"));
        bundle(one.path(), env!("CARGO_PKG_VERSION"));
        assert!(judged().found.contains("more than once"));
    }
}

//! The checks of `doctor` for the plug-in: installed bundles, and what hosts remember about older
//! ones.

use std::env;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Finding, Verdict};
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

/// The findings about installed bundles.
pub(super) fn judge(found: &[PathBuf]) -> Finding {
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
            found: "no host finds the plug-in: it is not installed".into(),
            advice: "Run the installer, or copy the folder AIInbetween.ofx.bundle to where hosts look, or name its \
                     folder in OFX_PLUGIN_PATH; then start the host again.",
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

/// A host's record of the plug-ins it has seen.
struct HostCache {
    host: &'static str,
    folder: Option<PathBuf>,
    /// Prefix of its files' names.
    prefix: &'static str,
    advice: &'static str,
}

fn host_caches() -> Vec<HostCache> {
    let base = directories::BaseDirs::new();
    let cache = base.as_ref().map(|dirs| dirs.cache_dir().to_owned());
    let config = base.as_ref().map(|dirs| dirs.config_dir().to_owned());
    let mut caches = vec![HostCache {
        host: "Natron",
        folder: cache.map(|dir| dir.join("INRIA/Natron/OFXLoadCache")),
        prefix: "OFXCache",
        advice: "Start Natron once with --clear-openfx-cache.",
    }];
    #[cfg(unix)]
    caches.push(HostCache {
        host: "Nuke",
        folder: Some(
            format!("/var/tmp/nuke-u{}/ofxplugincache", rustix::process::getuid().as_raw()).into(),
        ),
        prefix: "ofxplugincache",
        advice: "Delete Nuke's folder ofxplugincache and start it again.",
    });
    let resolve = if cfg!(windows) || cfg!(target_os = "macos") {
        config.map(|dir| dir.join("Blackmagic Design/DaVinci Resolve"))
    } else {
        base.map(|dirs| dirs.home_dir().join(".local/share/DaVinciResolve"))
    };
    caches.push(HostCache {
        host: "DaVinci Resolve",
        folder: resolve,
        prefix: "OFXPluginCache",
        advice: "Delete Resolve's OFXPluginCache.xml and start it again; then see that the plug-in is on in \
                 Preferences, Video Plugins.",
    });
    caches
}

/// Records in `folder` that name the plug-in and are older than `since`.
pub(super) fn outdated_records(folder: &Path, prefix: &str, since: SystemTime) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let old = |path: &PathBuf| {
        let begins =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
        let changed = path.metadata().and_then(|about| about.modified());
        begins
            && changed.is_ok_and(|changed| changed < since)
            && std::fs::read(path).is_ok_and(|text| {
                String::from_utf8_lossy(&text).contains("org.inbetween.AIInbetween")
            })
    };
    let mut found: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(old).collect();
    found.sort();
    found
}

/// When the plug-in's binary last changed.
fn changed(bundle: &Path) -> Option<SystemTime> {
    let contents = std::fs::read_dir(bundle.join("Contents")).ok()?;
    let binaries = contents.filter_map(|entry| Some(entry.ok()?.path().join("AIInbetween.ofx")));
    binaries.filter_map(|binary| binary.metadata().ok()?.modified().ok()).max()
}

/// A finding about the plug-in or a host.
pub(super) fn look() -> Vec<Finding> {
    let found = bundles(&folders());
    let mut findings = vec![judge(&found)];
    let Some(since) = found.first().and_then(|bundle| changed(bundle)) else { return findings };
    for HostCache { host, folder, prefix, advice } in host_caches() {
        let old = folder.map(|folder| outdated_records(&folder, prefix, since)).unwrap_or_default();
        if let Some(file) = old.first() {
            findings.push(Finding {
                what: "host",
                verdict: Verdict::Warn,
                found: format!("{host} remembers an older plug-in: {}", file.display()),
                advice,
                kind: Kind::Engine,
            });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

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
        assert!(judge(&bundles(&folders)).found.contains("not installed"));
        bundle(other.path(), env!("CARGO_PKG_VERSION"));
        let told = judge(&bundles(&folders));
        assert_eq!(told.verdict, Verdict::Ok, "{}", told.found);
        bundle(other.path(), "0.0.1");
        assert!(judge(&bundles(&folders)).found.contains("version 0.0.1), and this program"));
        bundle(one.path(), env!("CARGO_PKG_VERSION"));
        assert!(judge(&bundles(&folders)).found.contains("more than once"));
    }

    #[test]
    fn notes_that_are_older_than_the_plug_in_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let note = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        note("OFXCache_2.xml", "<plugin id=\"org.inbetween.AIInbetween\"/>");
        note("OFXCache_3.xml", "<plugin id=\"another\"/>");
        note("else.xml", "org.inbetween.AIInbetween");
        let (later, earlier) = (
            SystemTime::now() + Duration::from_secs(60),
            SystemTime::now() - Duration::from_secs(60),
        );
        let old = outdated_records(folder.path(), "OFXCache", later);
        assert_eq!(old, [folder.path().join("OFXCache_2.xml")]);
        assert!(outdated_records(folder.path(), "OFXCache", earlier).is_empty());
    }
}

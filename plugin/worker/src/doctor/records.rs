//! What hosts have written down about the plug-in: descriptions of older versions, and that it is switched off or has
//! failed.

use std::env;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Finding, Verdict};
use crate::failure::Kind;

/// The plug-in in the words of every host.
const PLUGIN: &str = "AIInbetween";

/// Resolve looks at plug-ins again once its record is gone.
const RENEW_RESOLVE: &str = "Close Resolve, delete that file, start Resolve and see that the plug-in is ticked in DaVinci \
                             Resolve, Preferences, Video Plugins.";

/// Whether a host's record says that it does not use the plug-in.
type IsOff = fn(&str) -> bool;

/// A file in which a host records plug-ins.
struct Record {
    host: &'static str,
    /// The folders that different versions of the host use.
    folders: Vec<PathBuf>,
    /// Prefix of the file's name.
    prefix: &'static str,
    /// Whether the text says that the plug-in is not used, and what to click or delete then; `None` for a file that does not
    /// tell.
    off: Option<(IsOff, &'static str)>,
    /// What to do where the record is older than the plug-in; `None` for a file that describes no plug-ins.
    renew: Option<&'static str>,
}

fn records() -> Vec<Record> {
    let base = directories::BaseDirs::new();
    let below = |dir: Option<&Path>, names: &[&str]| -> Vec<PathBuf> {
        names.iter().filter_map(|name| Some(dir?.join(name))).collect()
    };
    let (cache, config) = match &base {
        Some(dirs) => (Some(dirs.cache_dir()), Some(dirs.config_dir())),
        None => (None, None),
    };
    let home = base.as_ref().map(directories::BaseDirs::home_dir);
    let nuke = env::var_os("NUKE_TEMP_DIR").map(PathBuf::from).or_else(|| {
        #[cfg(unix)]
        let usual = Some(format!("/var/tmp/nuke-u{}", rustix::process::getuid().as_raw()).into());
        #[cfg(not(unix))]
        let usual = cache.map(|dir| dir.join("Temp/nuke"));
        usual
    });
    let resolve = if cfg!(target_os = "linux") {
        below(home, &[".local/share/DaVinciResolve", ".local/share/DaVinciResolve/configs"])
    } else {
        const FOLDER: &str = "Blackmagic Design/DaVinci Resolve";
        below(config, &[FOLDER, &format!("{FOLDER}/Support")])
    };
    vec![
        Record {
            host: "Natron",
            folders: below(cache, &["INRIA/Natron/OFXLoadCache"]),
            prefix: "OFXCache",
            off: None,
            renew: Some("Start Natron once with --clear-openfx-cache."),
        },
        Record {
            host: "Natron",
            folders: below(config, &["INRIA"]),
            prefix: "Natron.conf",
            off: Some((
                natron_is_off,
                "In Natron: Edit, Preferences, Plug-ins; tick AI In-between and start Natron again.",
            )),
            renew: None,
        },
        Record {
            host: "Nuke",
            folders: below(nuke.as_deref(), &["ofxplugincache"]),
            prefix: "ofxplugincache",
            off: None,
            renew: Some("Delete Nuke's folder ofxplugincache and start it again."),
        },
        Record {
            host: "DaVinci Resolve",
            folders: resolve,
            prefix: "OFXPluginCache",
            off: Some((resolve_has_given_up, RENEW_RESOLVE)),
            renew: Some(RENEW_RESOLVE),
        },
    ]
}

/// Natron writes a line for each plug-in and version: `org.example.Plugin_1_0_enabled=false`.
fn natron_is_off(text: &str) -> bool {
    let ours = |line: &&str| line.contains(PLUGIN) && line.contains("_enabled=");
    let says = |value: &str| text.lines().filter(ours).any(|line| line.trim_end().ends_with(value));
    says("=false") && !says("=true")
}

/// Resolve writes an element for each bundle, with `status="0"` if it was loaded, and does not try others again.
fn resolve_has_given_up(text: &str) -> bool {
    let mut elements = text.split('<').filter(|element| element.contains(PLUGIN));
    elements.any(|element| element.contains("status=\"") && !element.contains("status=\"0\""))
}

/// Findings about every record that keeps the plug-in, whose binary is from `since`, from being seen as it is.
pub(super) fn look(since: SystemTime) -> Vec<Finding> {
    records().iter().flat_map(|record| judge(record, since)).collect()
}

fn judge(record: &Record, since: SystemTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in record.folders.iter().flat_map(|folder| files(folder, record.prefix)) {
        let mut found = |what: &str, advice| {
            findings.push(Finding {
                what: "host",
                verdict: Verdict::Warn,
                found: format!("{} {what}: {}", record.host, file.display()),
                advice,
                kind: Kind::Engine,
            });
        };
        let changed = file.metadata().and_then(|about| about.modified());
        if let Some((is_off, switch_on)) = record.off
            && is_off(&text)
        {
            found("does not use the plug-in", switch_on);
        } else if let Some(renew) = record.renew
            && text.contains(PLUGIN)
            && changed.is_ok_and(|changed| changed < since)
        {
            found("remembers an older plug-in", renew);
        }
    }
    findings
}

/// The files in `folder` whose names begin with `prefix`, sorted, with their text.
fn files(folder: &Path, prefix: &str) -> Vec<(PathBuf, String)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let begins = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    let mut paths: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(begins).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).ok()?;
        Some((path, String::from_utf8_lossy(&bytes).into_owned()))
    };
    paths.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    fn record(folder: &Path, prefix: &'static str, is_off: Option<IsOff>) -> Record {
        let folders = vec![folder.join("absent"), folder.to_owned()];
        Record {
            host: "Host",
            folders,
            prefix,
            off: is_off.map(|is_off| (is_off, "Tick it.")),
            renew: Some("Renew it."),
        }
    }

    #[test]
    fn records_that_are_older_than_the_plug_in_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("OFXCache_2.xml", "<plugin id=\"org.inbetween.AIInbetween\"/>");
        write("OFXCache_3.xml", "<plugin id=\"another\"/>");
        write("else.xml", "org.inbetween.AIInbetween");
        let record = record(folder.path(), "OFXCache", None);
        let minute = Duration::from_secs(60);
        let old = judge(&record, SystemTime::now() + minute);
        assert_eq!(old.len(), 1);
        assert!(old[0].found.contains("older") && old[0].found.ends_with("OFXCache_2.xml"));
        assert_eq!(old[0].advice, "Renew it.");
        assert!(judge(&record, SystemTime::now() - minute).is_empty());
    }

    #[test]
    fn a_host_that_has_switched_the_plug_in_off_is_told_what_to_click() {
        let folder = tempfile::tempdir().unwrap();
        let told = |is_off: IsOff, text: &str| {
            fs::write(folder.path().join("list"), text).unwrap();
            let long_ago = SystemTime::UNIX_EPOCH;
            let found = judge(&record(folder.path(), "list", Some(is_off)), long_ago);
            found.first().map(|finding| finding.advice)
        };
        let natron = |enabled: &str| {
            format!(
                "[General]\nnet.sf.other_1_0_enabled=false\norg.inbetween.AIInbetween_1_0_enabled={enabled}\n\
                 org.inbetween.AIInbetween_1_0_mt=false\n"
            )
        };
        assert_eq!(told(natron_is_off, &natron("true")), None);
        assert_eq!(told(natron_is_off, &natron("false")), Some("Tick it."));
        let resolve = |status: u8| {
            format!(
                "<bundle><binary bundle_path=\"/usr/OFX/Plugins/Other.ofx.bundle\" status=\"2\"/></bundle>\n\
                 <bundle><binary bundle_path=\"/usr/OFX/Plugins/AIInbetween.ofx.bundle\" status=\"{status}\"/></bundle>"
            )
        };
        assert_eq!(told(resolve_has_given_up, &resolve(0)), None);
        assert_eq!(told(resolve_has_given_up, &resolve(2)), Some("Tick it."));
    }
}

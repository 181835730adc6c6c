//! Which hosts are on this machine, and what to do in each to use the plug-in.

use std::env;
use std::path::{Path, PathBuf};

use inbetween_core::program;

use super::{Finding, Verdict};
use crate::failure::Kind;

/// A host, and its usual places.
struct Host {
    name: &'static str,
    /// Files or folders; `*` stands for any part of a name.
    places: &'static [&'static str],
    /// Programs on the search path.
    programs: &'static [&'static str],
    /// Where to find the plug-in in it.
    click: &'static str,
}

const HOSTS: &[Host] = &[
    Host {
        name: "DaVinci Resolve",
        places: &[
            "/opt/resolve/bin/resolve",
            "/Applications/DaVinci Resolve",
            r"C:\Program Files\Blackmagic Design\DaVinci Resolve",
        ],
        programs: &["resolve"],
        click: "Effects, Open FX, Animation; if it is not there: DaVinci Resolve, Preferences, Video Plugins.",
    },
    Host {
        name: "Fusion",
        places: &[
            "/opt/BlackmagicDesign/Fusion*",
            "/Applications/Blackmagic Fusion*",
            r"C:\Program Files\Blackmagic Design\Fusion*",
        ],
        programs: &[],
        click: "Select Tool (Shift+Space), type AI In-between.",
    },
    Host {
        name: "Nuke",
        places: &[
            "/usr/local/Nuke*",
            "/opt/Nuke*",
            "/Applications/Nuke*",
            r"C:\Program Files\Nuke*",
        ],
        programs: &[],
        click: "Tab in the node graph, type AI In between.",
    },
    Host {
        name: "Natron",
        places: &["/opt/Natron*", "/Applications/Natron.app", r"C:\Program Files\*Natron*"],
        programs: &["Natron", "NatronRenderer"],
        click: "Tab in the node graph, type AI In-between; if it is not there: Edit, Preferences, Plug-ins.",
    },
    Host {
        name: "Vegas",
        places: &[r"C:\Program Files\VEGAS\*"],
        programs: &[],
        click: "Video FX or Transitions, AI In-between.",
    },
    Host {
        name: "Kdenlive",
        places: &["/Applications/kdenlive.app", r"C:\Program Files\kdenlive"],
        programs: &["kdenlive"],
        click: "Effects, search for AI In-between; it needs MLT 7.38 or later. If it has no fields for the key files, copy \
                kdenlive.xml from the bundle's folder Contents/Resources into Kdenlive's folder effects.",
    },
    Host {
        name: "Shotcut",
        places: &["/Applications/Shotcut.app", r"C:\Program Files\Shotcut"],
        programs: &["shotcut"],
        click: "It switches OpenFX off, so it cannot use the plug-in: use Kdenlive, or the command inbetween.",
    },
];

/// One line for each host that is found, and one for MLT's own program, which prints its version.
pub(super) fn look() -> Vec<Finding> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    let mut findings: Vec<_> = HOSTS.iter().filter_map(|host| found(host, &folders)).collect();
    findings.extend(melt());
    if findings.is_empty() {
        findings.push(Finding {
            what: "host",
            verdict: Verdict::Ok,
            found: "none is in the usual places; others find the plug-in in the same folders"
                .into(),
            advice: "",
            kind: Kind::Engine,
        });
    }
    findings
}

fn found(host: &Host, folders: &[PathBuf]) -> Option<Finding> {
    let at_place = host.places.iter().find_map(|place| matching(Path::new(place)));
    let on_path = || {
        let names = host.programs.iter().map(|name| format!("{name}{}", env::consts::EXE_SUFFIX));
        let mut files = names.flat_map(|name| folders.iter().map(move |folder| folder.join(&name)));
        files.find(|file| file.is_file())
    };
    let place = at_place.or_else(on_path)?;
    let found = format!("{} ({}). {}", host.name, place.display(), host.click);
    Some(Finding { what: "host", verdict: Verdict::Ok, found, advice: "", kind: Kind::Engine })
}

/// The file or folder. If the last part contains a `*`, it is the first one, in alphabetical order,
/// whose name matches.
fn matching(place: &Path) -> Option<PathBuf> {
    let name = place.file_name()?.to_str()?;
    let Some((begin, end)) = name.split_once('*') else {
        return place.exists().then(|| place.to_owned());
    };
    // In a pattern such as `*Natron*`, the name must contain what is between the two `*`.
    let end = end.trim_end_matches('*');
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.strip_prefix(begin).is_some_and(|rest| rest.contains(end))
    };
    let entries = std::fs::read_dir(place.parent()?).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(fits).min()
}

/// MLT prints its version; older versions have no OpenFX.
fn melt() -> Option<Finding> {
    let said = program::command("melt").arg("-version").output().ok()?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    let version =
        text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(judge_melt(version))
}

fn judge_melt(version: &str) -> Finding {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let new = (numbers.next(), numbers.next()) >= (Some(7), Some(38));
    Finding {
        what: "host",
        verdict: if new { Verdict::Ok } else { Verdict::Warn },
        found: format!("MLT {version} (melt)"),
        advice: "It has no OpenFX: melt and Kdenlive need MLT 7.38 or later.",
        kind: Kind::Engine,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_host_is_found_at_its_place_under_any_version_or_on_the_search_path() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["Nuke15.1v3", "Nuke16.0v1", "Inria Natron 2.5", "else"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let at = |pattern: &str| matching(&folder.path().join(pattern));
        assert_eq!(at("Nuke*"), Some(folder.path().join("Nuke15.1v3")));
        assert_eq!(at("*Natron*"), Some(folder.path().join("Inria Natron 2.5")));
        assert_eq!(at("else"), Some(folder.path().join("else")));
        assert_eq!(at("Fusion*"), None);
        assert_eq!(at("nothing"), None);

        let host = Host { name: "Host", places: &[], programs: &["hostprogram"], click: "Click." };
        assert!(found(&host, &[folder.path().to_owned()]).is_none());
        let program = format!("hostprogram{}", env::consts::EXE_SUFFIX);
        fs::write(folder.path().join(program), "").unwrap();
        let told = found(&host, &[folder.path().to_owned()]).unwrap();
        assert!(
            told.found.starts_with("Host (") && told.found.ends_with("Click."),
            "{}",
            told.found
        );
    }

    #[test]
    fn an_mlt_without_openfx_is_told() {
        for (version, verdict) in [
            ("7.12.0", Verdict::Warn),
            ("7.9.0", Verdict::Warn),
            ("7.38.0", Verdict::Ok),
            ("7.42.0", Verdict::Ok),
            ("8.0.0", Verdict::Ok),
        ] {
            assert_eq!(judge_melt(version).verdict, verdict, "{version}");
        }
    }
}

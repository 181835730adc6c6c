//! Arguments in files: `@FILE` stands for the lines of FILE, one argument each. A render farm can
//! thus pass paths with quotes, semicolons and blanks, which no shell ever parses.

use std::ffi::OsString;
use std::path::Path;

use inbetween_core::files;

use crate::failure::{Failure, Kind, Result};

/// Longest file of arguments, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// The arguments, with each `@FILE` replaced by its contents.
pub(crate) fn expanded(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>> {
    let mut all = Vec::new();
    for argument in arguments {
        match argument.to_str().and_then(|text| text.strip_prefix('@')) {
            Some(file) if !all.is_empty() => all.extend(lines(Path::new(file))?),
            _ => all.push(argument),
        }
    }
    Ok(all)
}

/// Blank lines are dropped, and so are options with an empty value (`--checkpoint=`), which a
/// farm's form writes for fields that were left empty.
fn lines(file: &Path) -> Result<Vec<OsString>> {
    let refused = |reason: &str| {
        let file = file.display();
        Failure::new(
            Kind::File,
            format!(
                "The arguments in {file} cannot be read: {reason}. A file of that name is written as ./@…"
            ),
        )
    };
    let bytes =
        files::read_start(file, MOST_BYTES + 1).map_err(|error| refused(&error.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(refused("it is too long"));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("it is no UTF-8"))?;
    let said = |line: &&str| {
        let value = line.strip_prefix("--").and_then(|option| option.split_once('='));
        !line.trim().is_empty() && value.is_none_or(|(_, value)| !value.is_empty())
    };
    Ok(text.lines().filter(said).map(OsString::from).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_line_is_one_argument_as_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a file");
        let lines =
            "--keys=Bob's keys; $(touch x)/k_####.png\r\n\n--checkpoint=\n--out=a=\n--sheet\n";
        fs::write(&file, lines).unwrap();
        let at = format!("@{}", file.display());
        let given = ["@program", "render", &at, "last"].map(OsString::from);
        let keys = "--keys=Bob's keys; $(touch x)/k_####.png";
        let wanted = ["@program", "render", keys, "--out=a=", "--sheet", "last"];
        assert_eq!(expanded(given).unwrap(), wanted.map(OsString::from));
        let absent = expanded(["program", "@absent"].map(OsString::from)).unwrap_err();
        assert_eq!(absent.kind, Kind::File);
        assert!(absent.message.contains("absent"), "{absent}");
    }
}

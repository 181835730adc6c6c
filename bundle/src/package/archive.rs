//! Archives: `.tar.gz`, `.zip` and `.deb`. Equal entries always give equal bytes.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

use super::entries::{Content, Entry, folders};

/// The time stamp of all entries: 1980, the earliest that a ZIP file can store.
const THEN: u64 = 315_532_800;

/// A compressed tar archive of the entries, with their folders.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn tar_gz<W: Write>(to: W, entries: &[Entry]) -> Result<W> {
    let mut tar = tar::Builder::new(GzEncoder::new(to, Compression::best()));
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(THEN);
        header.set_uid(0);
        header.set_gid(0);
        header
    };
    for folder in folders(entries) {
        let mut header = header(tar::EntryType::Directory, 0o755, 0);
        tar.append_data(&mut header, format!("{folder}/"), std::io::empty())?;
    }
    for entry in entries {
        let path = &entry.to;
        if let Content::Link(target) = &entry.content {
            tar.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), path, target)?;
        } else {
            let bytes = entry.bytes()?;
            let mut header = header(tar::EntryType::Regular, entry.mode(), bytes.len() as u64);
            tar.append_data(&mut header, path, bytes.as_slice())?;
        }
    }
    Ok(tar.into_inner()?.finish()?)
}

/// A ZIP archive for Windows. Symbolic links are left out, since Windows packages have none.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn zip<W: Write + Seek>(to: W, entries: &[Entry]) -> Result<W> {
    let mut zip = zip::ZipWriter::new(to);
    for entry in entries.iter().filter(|entry| !matches!(entry.content, Content::Link(_))) {
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(entry.mode());
        zip.start_file(entry.to.as_str(), options)?;
        zip.write_all(&entry.bytes()?)?;
    }
    Ok(zip.finish()?)
}

/// A Debian package of format 2.0: an `ar` archive with a version, the package manager's data, and
/// the files. Source: deb(5).
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn deb<W: Write>(to: W, control: &[Entry], files: &[Entry]) -> Result<W> {
    let mut package = ar::Builder::new(to);
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", tar_gz(Vec::new(), control)?),
        ("data.tar.gz", tar_gz(Vec::new(), files)?),
    ];
    for (name, bytes) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100_644);
        package.append(&header, bytes.as_slice())?;
    }
    Ok(package.into_inner()?)
}

/// Creates the file `to` with one of the functions above.
///
/// # Errors
/// The error of the function, with the file's name.
pub(crate) fn write(to: &Path, make: impl FnOnce(File) -> Result<File>) -> Result<()> {
    let written =
        File::create(to).map_err(Into::into).and_then(make).and_then(|file| Ok(file.sync_all()?));
    written.with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    fn entries() -> Vec<Entry> {
        let mut long = "usr/".to_owned();
        long.push_str(&"folder/".repeat(20));
        vec![
            Entry::text(format!("{long}file"), "deep"),
            Entry { program: true, ..Entry::text("usr/bin/tool", "#!") },
            Entry::link("usr/bin/also", "tool"),
        ]
    }

    #[test]
    fn a_tar_archive_holds_folders_programs_and_links() {
        let bytes = tar_gz(Vec::new(), &entries()).unwrap();
        assert_eq!(bytes, tar_gz(Vec::new(), &entries()).unwrap());
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let read: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().to_str().unwrap().to_owned();
                (
                    path,
                    entry.header().mode().unwrap(),
                    entry.link_name().unwrap().map(|l| l.into_owned()),
                )
            })
            .collect();
        assert!(
            read.iter().any(|(path, ..)| path.len() > 140 && path.ends_with("/file")),
            "{read:?}"
        );
        assert!(read.contains(&("usr/bin/tool".into(), 0o755, None)), "{read:?}");
        assert!(read.contains(&("usr/bin/also".into(), 0o777, Some("tool".into()))), "{read:?}");
        assert_eq!(read[0].0, "usr/", "a folder comes before what is in it");
    }

    #[test]
    fn a_zip_archive_opens_again() {
        let bytes = zip(Cursor::new(Vec::new()), &entries()).unwrap().into_inner();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        archive.by_name("usr/bin/tool").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "#!");
        assert!(archive.by_name("usr/bin/also").is_err());
    }

    #[test]
    fn a_debian_package_has_its_three_members_in_order() {
        let bytes = deb(Vec::new(), &[Entry::text("control", "Package: x\n")], &entries()).unwrap();
        let mut archive = ar::Archive::new(bytes.as_slice());
        let mut names = Vec::new();
        while let Some(entry) = archive.next_entry() {
            names.push(String::from_utf8(entry.unwrap().header().identifier().to_vec()).unwrap());
        }
        assert_eq!(names, ["debian-binary", "control.tar.gz", "data.tar.gz"]);
    }
}

use std::collections::BTreeMap;

use super::*;

/// A bundle of text files in a separate folder.
fn packed(triple: &str) -> (tempfile::TempDir, Target) {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::from_triple(triple).unwrap();
    let contents = folder.path().join(BUNDLE).join("Contents");
    for part in target.folders {
        fs::create_dir_all(contents.join(part)).unwrap();
        fs::write(contents.join(part).join(BINARY), "plug-in").unwrap();
        fs::write(contents.join(part).join(target.worker), "worker").unwrap();
    }
    fs::create_dir_all(contents.join("Resources")).unwrap();
    fs::write(contents.join("Info.plist"), "plist").unwrap();
    fs::write(contents.join("Resources/LICENSE"), "licence").unwrap();
    fs::write(contents.join("Resources").join(KDENLIVE), "description").unwrap();
    (folder, target)
}

fn package<'a>(folder: &'a tempfile::TempDir, target: &'a Target) -> Package<'a> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    Package { root, out: folder.path(), target, version: "1.2.3", glibc: None }
}

fn by_path(entries: Vec<Entry>) -> BTreeMap<String, Entry> {
    entries.into_iter().map(|entry| (entry.to.clone(), entry)).collect()
}

fn bundle(package: &Package<'_>) -> Vec<Entry> {
    entries::of_folder(&package.out.join(BUNDLE), BUNDLE).unwrap()
}

fn text(entry: &Entry) -> &str {
    let Content::Text(text) = &entry.content else { panic!("{entry:?}") };
    text
}

#[test]
fn a_mac_installer_holds_the_bundle_the_command_and_its_scripts() {
    let (folder, target) = packed("universal-apple-darwin");
    let package = package(&folder, &target);
    let layout = by_path(package.mac_layout(&bundle(&package)).unwrap());
    let contents = format!("root/Library/OFX/Plugins/{BUNDLE}/Contents");
    assert!(layout[&format!("{contents}/MacOS/{BINARY}")].program);
    assert!(layout[&format!("{contents}/MacOS/inbetween")].program);
    assert!(!layout[&format!("{contents}/Info.plist")].program);
    assert!(layout["scripts/postinstall"].program);
    assert!(text(&layout["scripts/postinstall"]).contains("com.apple.quarantine"));
    let Content::Link(to) = &layout["root/usr/local/bin/inbetween"].content else { panic!() };
    assert!(layout.contains_key(&format!("root{to}")), "{to}");
    let distribution = text(&layout["distribution.xml"]);
    assert!(
        distribution.contains("1.2.3")
            && distribution.contains(IDENTIFIER)
            && !distribution.contains('{')
    );
    assert!(layout.contains_key("resources/LICENSE"));
}

#[test]
fn a_debian_package_puts_the_bundle_where_hosts_look_and_the_command_on_the_path() {
    let (folder, target) = packed("x86_64-unknown-linux-gnu");
    let package = package(&folder, &target);
    let files = package.debian_files(&bundle(&package)).unwrap();
    let control = package.debian_control(&files, Some((2, 28))).unwrap();
    let files = by_path(files);
    let Content::Link(to) = &files["usr/bin/inbetween"].content else { panic!() };
    let program = to.replacen("..", "usr", 1);
    assert!(files[&program].program, "{program}");
    assert!(program.starts_with(target.plugins.trim_start_matches('/')));
    let described = format!("usr/share/kdenlive/effects/openfx.{IDENTIFIER}.xml");
    let Content::Link(to) = &files[&described].content else { panic!() };
    let file = to.replacen("../../..", "usr", 1);
    assert!(files.contains_key(&file), "{file}");
    let control = text(&control[0]);
    for line in
        ["Version: 1.2.3\n", "Architecture: amd64\n", "libc6 (>= 2.28)", "Installed-Size: 1\n"]
    {
        assert!(control.contains(line), "{control}");
    }
}

#[test]
fn the_instructions_name_folders_of_the_system() {
    for (triple, folder_of_hosts, program) in [
        ("x86_64-unknown-linux-gnu", "/usr/OFX/Plugins", "Contents/Linux-x86-64."),
        (
            "x86_64-pc-windows-msvc",
            r"C:\Program Files\Common Files\OFX\Plugins",
            r"Contents\Win64.",
        ),
        ("universal-apple-darwin", "/Library/OFX/Plugins", "Contents/MacOS."),
    ] {
        let (folder, target) = packed(triple);
        let package = package(&folder, &target);
        let entries = by_path(package.with_instructions(&bundle(&package), None).unwrap());
        let told = text(&entries[&format!("{}/INSTALL.txt", package.name())]);
        for word in [folder_of_hosts, program, "1.2.3"] {
            assert!(told.contains(word), "{word} is not in: {told}");
        }
        assert!(!told.contains(['{', '}']), "{told}");
        assert!(entries.contains_key(&format!("{}/{BUNDLE}/Contents/Info.plist", package.name())));
    }
}

#[test]
fn checksums_are_in_the_form_of_sha256sum() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty");
    fs::write(&file, "").unwrap();
    let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(checksums(&[file]).unwrap(), format!("{sum}  empty\n"));
}

//! Packs `AIInbetween.ofx.bundle`: builds the plug-in and assembles the bundle. On request it also
//! installs the bundle and renders a sample with it through the OpenFX API.
//!
//! `cargo run --release -p bundle -- --sample walk`

/// Prints a line. The work continues even if the reader has gone, as in `bundle | head`.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod layout;
mod notices;
mod package;
mod site;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::layout::{BINARY, BUNDLE, Built, Content, Item, Parts, Target};
use crate::notices::Metadata;
use crate::package::Package;

/// The package whose library is the plug-in.
const PLUGIN: &str = "inbetween-plugin";

/// The package whose program runs ToonCrafter for the plug-in.
const WORKER: &str = "inbetween-worker";

/// The package whose program renders samples through the OpenFX API.
const HOST: &str = "host-tests";

/// Built together, these packages give shared dependencies the same features as the whole workspace
/// does, so that no dependency is compiled a second time, neither here nor for later tests.
const TOGETHER: [&str; 4] = [PLUGIN, WORKER, HOST, "draw-samples"];

#[derive(Parser)]
#[command(about = "Builds the plug-in and packs AIInbetween.ofx.bundle")]
struct Options {
    /// Rust target to pack for; give it again for a bundle that serves several systems [default: this machine]
    #[arg(long, value_name = "TRIPLE")]
    target: Vec<String>,
    /// Folder that receives the bundle and the rendered sample
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Pack binaries from this folder, one target's, instead of building them
    #[arg(long, value_name = "DIR")]
    built: Option<PathBuf>,
    /// Also make what a user downloads: archives, installers and their checksums, in the folder of the bundle
    #[arg(long)]
    package: bool,
    /// Newest glibc that packaged binaries may need, as 2.28
    #[arg(long, value_name = "VERSION", value_parser = glibc, requires = "package")]
    glibc: Option<(u32, u32)>,
    /// Only write the guide as a site of HTML pages into this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["target", "built", "package", "install", "sample"])]
    site: Option<PathBuf>,
    /// Also copy the bundle to where this system's hosts look for it, or to DIR
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    install: Option<Option<PathBuf>>,
    /// Also render a sample of resources/samples with the bundle: seven in-betweens, sheet and preview
    #[arg(long, value_name = "NAME")]
    sample: Option<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("this package is not in a project folder")?;
    if let Some(to) = &options.site {
        let pages = site::write(root, to)?;
        say!("wrote {pages} pages into {}", to.display());
        return Ok(());
    }
    if let Some(name) = &options.sample {
        keys_of(root, name)?;
    }

    let here = Target::from_triple(&this_machine()?);
    let targets = match options.target.as_slice() {
        [] => vec![here.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?.clone()],
        triples => triples.iter().map(|t| Target::from_triple(t)).collect::<Result<_>>()?,
    };
    let foreign = !options.target.is_empty();
    let metadata = metadata(root, &targets[0].triple.replace("universal", "aarch64"))?;
    let mut built = Vec::new();
    match &options.built {
        Some(folder) => {
            let [target] = targets.as_slice() else { bail!("--built packs for one target only") };
            built.push(found(folder, target.clone())?);
        }
        None => {
            for target in targets {
                built.push(build(root, &metadata, target, foreign)?);
            }
        }
    }
    if options.package && built.len() != 1 {
        bail!("--package makes the packages of one target");
    }

    let plist =
        fs::read_to_string(root.join("resources/Info.plist")).context("resources/Info.plist")?;
    let parts = Parts {
        root,
        plist: &plist,
        version: metadata.version_of(PLUGIN)?,
        notices: notices::write(&metadata, &[PLUGIN, WORKER])?,
    };
    pack(&layout::plan(&built, parts)?, &options.out)?;
    say!("packed {}", options.out.join(BUNDLE).display());

    if options.package {
        let package = Package {
            root,
            out: &options.out,
            target: &built[0].target,
            version: metadata.version_of(PLUGIN)?,
            glibc: options.glibc,
        };
        for file in package.make()? {
            let bytes = fs::metadata(&file).map_or(0, |about| about.len());
            say!("packed {} ({:.1} MB)", file.display(), bytes as f64 / 1e6);
        }
    }

    if let Some(to) = options.install {
        let to = match to {
            Some(folder) => folder,
            None => PathBuf::from(here.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?.plugins),
        };
        install(&options.out.join(BUNDLE), &to)?;
        say!("installed {}", to.join(BUNDLE).display());
    }
    if let Some(name) = options.sample {
        let folder = here?.folders[0];
        let binary = options.out.join(BUNDLE).join("Contents").join(folder).join(BINARY);
        if !binary.is_file() {
            bail!(
                "the bundle has no binary for this machine ({folder}), so the sample cannot be rendered"
            );
        }
        let host = build_host(root, &metadata)?;
        render(root, &host, &name, &binary, &options.out.join(&name))?;
    }
    Ok(())
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Variables that cargo has set for this program must not be passed on to the cargo that is
    // called here.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// A `cargo build` command for these packages, with the features that are shipped.
fn cargo_build(root: &Path, packages: &[&str]) -> Command {
    let mut command = cargo();
    command.current_dir(root).args(["build", "--release"]);
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    command
}

/// The target triple of the installed compiler.
fn this_machine() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("rustc does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|l| l.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

fn metadata(root: &Path, triple: &str) -> Result<Metadata> {
    let output = cargo()
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--filter-platform", triple])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not start")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed; its message stands above");
    }
    serde_json::from_slice(&output.stdout).context("`cargo metadata` answered in an unknown form")
}

/// Builds the plug-in's library and its worker, and returns their paths.
fn build(root: &Path, metadata: &Metadata, target: Target, foreign: bool) -> Result<Built> {
    let packages: &[&str] = if foreign { &[PLUGIN, WORKER] } else { &TOGETHER };
    let mut command = cargo_build(root, packages);
    command.args(["--lib", "--bins"]);
    let mut folder = metadata.target_directory.clone();
    if foreign {
        command.args(["--target", &target.triple]);
        folder.push(&target.triple);
    }
    if !command.status().context("cargo does not start")?.success() {
        bail!("the plug-in could not be built for {}; cargo's message stands above", target.triple);
    }
    found(&folder.join("release"), target)
}

/// Builds our own OpenFX host for this machine, and returns its path.
fn build_host(root: &Path, metadata: &Metadata) -> Result<PathBuf> {
    let status = cargo_build(root, &TOGETHER)
        .args(["--quiet", "--bin", HOST])
        .status()
        .context("cargo does not start")?;
    if !status.success() {
        bail!("our own host could not be built; cargo's message stands above");
    }
    Ok(metadata.target_directory.join("release").join(format!("{HOST}{}", env::consts::EXE_SUFFIX)))
}

/// The binaries of a target in a folder.
fn found(folder: &Path, target: Target) -> Result<Built> {
    let made = |name: &str| {
        let file = folder.join(name);
        if !file.is_file() {
            bail!("there is no {}", file.display());
        }
        Ok(file)
    };
    Ok(Built { library: made(target.library)?, worker: made(target.worker)?, target })
}

/// Parses a version of glibc such as `2.28`.
fn glibc(text: &str) -> Result<(u32, u32)> {
    let (major, minor) = text.split_once('.').context("a version is two numbers, as 2.28")?;
    Ok((major.parse()?, minor.parse()?))
}

/// Writes the bundle into `out`, replacing an older one.
fn pack(items: &[Item], out: &Path) -> Result<()> {
    let old = out.join(BUNDLE);
    if old.exists() {
        fs::remove_dir_all(&old).with_context(|| format!("cannot replace {}", old.display()))?;
    }
    for item in items {
        let to = out.join(&item.to);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        match &item.content {
            Content::Text(text) => fs::write(&to, text),
            Content::Copy(from) => fs::copy(from, &to).map(|_| ()),
        }
        .with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

/// Copies the bundle into a plug-in folder. The old bundle is moved aside rather than overwritten,
/// so that a host that has it open keeps its files.
fn install(bundle: &Path, folder: &Path) -> Result<()> {
    let help = "Install as administrator, or use `--install DIR` and name DIR in the variable OFX_PLUGIN_PATH.";
    let fresh = folder.join(format!(".{BUNDLE}.new"));
    let aside = folder.join(format!(".{BUNDLE}.old"));
    let target = folder.join(BUNDLE);
    let place = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        for left in [&fresh, &aside] {
            if left.exists() {
                fs::remove_dir_all(left)?;
            }
        }
        copy_folder(bundle, &fresh)?;
        if target.exists() {
            fs::rename(&target, &aside)?;
        }
        fs::rename(&fresh, &target)?;
        // Windows refuses to delete files in use. The next installation deletes them.
        if aside.exists() {
            let _ = fs::remove_dir_all(&aside);
        }
        Ok(())
    };
    place().with_context(|| format!("cannot write into {}. {help}", folder.display()))
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// The two keys of a sample.
fn keys_of(root: &Path, name: &str) -> Result<[PathBuf; 2]> {
    let samples = root.join("resources/samples");
    let keys = ["key_a.png", "key_b.png"].map(|k| samples.join(name).join(k));
    if !keys.iter().all(|k| k.is_file()) {
        let mut names: Vec<String> = fs::read_dir(&samples)
            .with_context(|| format!("cannot read {}", samples.display()))?
            .filter_map(|e| e.ok().map(|e| e.path()))
            .filter(|p| p.join("key_a.png").is_file())
            .filter_map(|p| Some(p.file_name()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        bail!("there is no sample {name}; there are {}", names.join(", "));
    }
    Ok(keys)
}

/// Renders the seven in-betweens through our own OpenFX host, which puts the keys on the sheet itself.
fn render(root: &Path, host: &Path, name: &str, binary: &Path, out: &Path) -> Result<()> {
    let [a, b] = keys_of(root, name)?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let clip = |name: &str, file: &Path| format!("{name}={}", file.display());
    let status = Command::new(host)
        .args(["render", "--context", "general", "--depth", "byte", "--frames", "1-7"])
        .args(["--set", "firstKey=0", "--set", "lastKey=8", "--plugin"])
        .arg(binary)
        .args(["--clip", &clip("Source", &a), "--clip", &clip("KeyB", &b), "--out"])
        .arg(out.join("frame_%04d.png"))
        .arg("--sheet")
        .arg(out.join("sheet.png"))
        .arg("--preview")
        .arg(out.join("preview.gif"))
        .status()
        .with_context(|| format!("{} does not start", host.display()))?;
    if !status.success() {
        bail!("the sample could not be rendered; the host's message stands above");
    }
    say!("rendered {}", out.join("sheet.png").display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_replaces_what_an_older_bundle_left() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(BUNDLE).join("Contents/Linux-x86-64/gone.so");
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(&left, "old").unwrap();
        let to = Path::new(BUNDLE).join("Contents/Info.plist");
        pack(&[Item { to: to.clone(), content: Content::Text("new".into()) }], folder.path())
            .unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(to)).unwrap(), "new");
        assert!(!left.exists());
    }

    #[test]
    fn installing_twice_leaves_one_bundle_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("plugins"));
        for text in ["one", "two"] {
            fs::create_dir_all(from.join("Contents")).unwrap();
            fs::write(from.join("Contents/Info.plist"), text).unwrap();
            install(&from, &to).unwrap();
        }
        assert_eq!(fs::read_to_string(to.join(BUNDLE).join("Contents/Info.plist")).unwrap(), "two");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    }

    #[test]
    fn a_wrong_sample_is_answered_with_the_right_ones() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let error = keys_of(&root, "wlak").unwrap_err().to_string();
        assert!(
            ["wlak", "head", "line", "walk"].iter().all(|name| error.contains(name)),
            "{error}"
        );
    }

    #[test]
    fn an_unwritable_folder_is_answered_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a file");
        fs::write(&file, "").unwrap();
        let error = format!("{:#}", install(folder.path(), &file.join("sub")).unwrap_err());
        assert!(error.contains("OFX_PLUGIN_PATH"), "{error}");
    }
}

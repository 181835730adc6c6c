//! The downloads for users: archives and installers of a packed bundle, and their checksums.

mod archive;
mod entries;
mod needs;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use self::entries::{Content, Entry};
use self::needs::Glibc;
use crate::layout::{BINARY, BUNDLE, IDENTIFIER, KDENLIVE, Target};

/// A bundle to be packed for one platform.
pub(crate) struct Package<'a> {
    /// The project's root folder.
    pub(crate) root: &'a Path,
    /// The folder that holds the bundle, and receives the packages.
    pub(crate) out: &'a Path,
    pub(crate) target: &'a Target,
    pub(crate) version: &'a str,
    /// The newest glibc that the binaries may need.
    pub(crate) glibc: Option<Glibc>,
}

/// Systems that differ in how software is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Linux,
    Windows,
    Mac,
}

impl Package<'_> {
    /// Makes all packages of the platform and a file with their checksums. Returns their paths.
    ///
    /// # Errors
    /// When a binary needs something that its system does not have, when a file cannot be written,
    /// or when a program that makes an installer is missing or fails.
    pub(crate) fn make(&self) -> Result<Vec<PathBuf>> {
        let glibc = self.needed()?;
        if let (Some(needed), Some(most)) = (glibc, self.glibc)
            && needed > most
        {
            bail!(
                "the binaries need glibc {}.{}, and {}.{} is allowed; build them on an older system",
                needed.0,
                needed.1,
                most.0,
                most.1
            );
        }
        let bundle = entries::of_folder(&self.out.join(BUNDLE), BUNDLE)?;
        let mut made = Vec::new();
        match self.system() {
            System::Linux => {
                let archive = self.file("tar.gz");
                let entries = self.with_instructions(&bundle, glibc)?;
                archive::write(&archive, |file| archive::tar_gz(file, &entries))?;
                made.push(archive);
                let deb = self.file("deb");
                let files = self.debian_files(&bundle)?;
                let control = self.debian_control(&files, glibc)?;
                archive::write(&deb, |file| archive::deb(file, &control, &files))?;
                made.push(deb);
            }
            System::Windows => {
                let archive = self.file("zip");
                let entries = self.with_instructions(&bundle, glibc)?;
                archive::write(&archive, |file| archive::zip(file, &entries))?;
                made.push(archive);
                made.push(self.windows_installer()?);
            }
            System::Mac => {
                let archive = self.file("tar.gz");
                let entries = self.with_instructions(&bundle, glibc)?;
                archive::write(&archive, |file| archive::tar_gz(file, &entries))?;
                made.push(archive);
                made.extend(self.mac_installer(&bundle)?);
            }
        }
        let sums = self.file("sha256");
        fs::write(&sums, checksums(&made)?)
            .with_context(|| format!("cannot write {}", sums.display()))?;
        made.push(sums);
        Ok(made)
    }

    fn system(&self) -> System {
        match &self.target.triple {
            triple if triple.contains("windows") => System::Windows,
            triple if triple.contains("darwin") => System::Mac,
            _ => System::Linux,
        }
    }

    fn architecture(&self) -> &str {
        self.target.triple.split('-').next().unwrap_or_default()
    }

    /// The name of the packages without their extension, such as `AIInbetween-0.1.0-linux-x86_64`.
    fn name(&self) -> String {
        let system = match self.system() {
            System::Linux => "linux",
            System::Windows => "windows",
            System::Mac => "macos",
        };
        format!("AIInbetween-{}-{system}-{}", self.version, self.architecture())
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.out.join(format!("{}.{extension}", self.name()))
    }

    fn template(&self, name: &str) -> Result<String> {
        let file = self.root.join("resources/package").join(name);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// Checks every binary of the bundle. Returns the oldest glibc that all of them can use.
    fn needed(&self) -> Result<Option<Glibc>> {
        let mut glibc = None;
        for folder in self.target.folders {
            for name in [BINARY, self.target.worker] {
                let file = self.out.join(BUNDLE).join("Contents").join(folder).join(name);
                glibc = glibc.max(needs::of(&file)?.glibc);
            }
        }
        Ok(glibc)
    }

    /// The bundle, with instructions for installing it by hand.
    fn with_instructions(&self, bundle: &[Entry], glibc: Option<Glibc>) -> Result<Vec<Entry>> {
        let (system, slash) = match self.system() {
            System::Linux => ("Linux", "/"),
            System::Windows => ("Windows", "\\"),
            System::Mac => ("macOS", "/"),
        };
        let quarantine = if self.system() == System::Mac {
            "In a terminal, so that macOS lets it be loaded: xattr -dr com.apple.quarantine \
             /Library/OFX/Plugins/AIInbetween.ofx.bundle. "
        } else {
            ""
        };
        let needs = glibc.map_or_else(String::new, |(major, minor)| {
            format!("It needs glibc {major}.{minor} or later (`ldd --version` shows yours).\n")
        });
        let text = self
            .template("INSTALL.txt")?
            .replace("{version}", self.version)
            .replace("{system}", system)
            .replace("{plugins}", self.target.plugins)
            .replace("{quarantine}", quarantine)
            .replace("{worker}", self.target.worker)
            .replace("{folder}", self.target.folders[0])
            .replace("{needs}", &needs)
            .replace("{slash}", slash);
        let name = self.name();
        let mut entries: Vec<_> = bundle
            .iter()
            .map(|entry| Entry { to: format!("{name}/{}", entry.to), ..entry.clone() })
            .collect();
        entries.push(Entry::text(format!("{name}/INSTALL.txt"), text));
        entries.push(Entry::copy(format!("{name}/LICENSE"), &self.root.join("LICENSE")));
        Ok(entries)
    }

    /// Where a Debian package puts everything.
    fn debian_files(&self, bundle: &[Entry]) -> Result<Vec<Entry>> {
        let below = "usr/OFX/Plugins";
        let mut files: Vec<_> = bundle
            .iter()
            .map(|entry| Entry { to: format!("{below}/{}", entry.to), ..entry.clone() })
            .collect();
        let contents = format!("../OFX/Plugins/{BUNDLE}/Contents");
        let program = format!("{contents}/{}/{}", self.target.folders[0], self.target.worker);
        files.push(Entry::link("usr/bin/inbetween", program));
        files.push(Entry::link(
            format!("usr/share/kdenlive/effects/openfx.{IDENTIFIER}.xml"),
            format!("../../../OFX/Plugins/{BUNDLE}/Contents/Resources/{KDENLIVE}"),
        ));
        let about = "AI In-between is under the Apache License 2.0, see /usr/share/common-licenses/Apache-2.0.\n\
                     Licences of the libraries in it: ";
        let notices = format!("/{below}/{BUNDLE}/Contents/Resources/THIRD-PARTY.txt");
        files.push(Entry::text(
            "usr/share/doc/ai-inbetween/copyright",
            format!("{about}{notices}\n"),
        ));
        Ok(files)
    }

    /// The package manager's data. Source: deb-control(5).
    fn debian_control(&self, files: &[Entry], glibc: Option<Glibc>) -> Result<Vec<Entry>> {
        let architecture = match self.architecture() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "i686" => "i386",
            other => bail!("Debian has no name for {other}"),
        };
        let mut bytes = 0;
        for file in files {
            if let Content::Copy(from) = &file.content {
                bytes += fs::metadata(from)
                    .with_context(|| format!("cannot read {}", from.display()))?
                    .len();
            }
        }
        let (major, minor) = glibc.context("the binaries name no version of glibc")?;
        let control = format!(
            "Package: ai-inbetween\n\
             Version: {}\n\
             Architecture: {architecture}\n\
             Maintainer: AI In-between <org.inbetween.AIInbetween@localhost>\n\
             Installed-Size: {}\n\
             Depends: libc6 (>= {major}.{minor}), libgcc-s1 | libgcc1\n\
             Recommends: ffmpeg\n\
             Section: graphics\n\
             Priority: optional\n\
             Description: draws the frames between two key drawings\n \
             An OpenFX plug-in for Natron, Nuke, DaVinci Resolve, Fusion and Kdenlive, and\n \
             the command line inbetween.\n",
            self.version,
            bytes.div_ceil(1024),
        );
        Ok(vec![Entry::text("control", control)])
    }

    fn windows_installer(&self) -> Result<PathBuf> {
        let setup = self.out.join(format!("{}-setup.exe", self.name()));
        let path = |path: &Path| -> Result<String> {
            let path = std::path::absolute(path)?;
            Ok(path.to_str().context("the path is no Unicode")?.to_owned())
        };
        let mut command = Command::new("makensis");
        command.args(["-V2", "-NOCD", &format!("-DVERSION={}", self.version)]);
        command.arg(format!("-DBUNDLE={}", path(&self.out.join(BUNDLE))?));
        command.arg(format!("-DOUT={}", path(&setup)?));
        if !cfg!(windows) {
            command.arg("-DAMD64");
        }
        command.arg(self.root.join("resources/package/windows.nsi"));
        run(
            &mut command,
            "Install NSIS (Debian: apt install nsis; Windows: winget install NSIS.NSIS).",
        )?;
        Ok(setup)
    }

    /// The files below the root of the disk and the scripts, for `pkgbuild` and `productbuild`.
    fn mac_layout(&self, bundle: &[Entry]) -> Result<Vec<Entry>> {
        let mut entries: Vec<_> = bundle
            .iter()
            .map(|entry| Entry {
                to: format!("root/Library/OFX/Plugins/{}", entry.to),
                ..entry.clone()
            })
            .collect();
        let program =
            format!("/Library/OFX/Plugins/{BUNDLE}/Contents/MacOS/{}", self.target.worker);
        entries.push(Entry::link("root/usr/local/bin/inbetween", program));
        let script = Entry::text("scripts/postinstall", self.template("macos/postinstall")?);
        entries.push(Entry { program: true, ..script });
        let distribution =
            self.template("macos/distribution.xml")?.replace("{version}", self.version);
        entries.push(Entry::text("distribution.xml", distribution));
        entries.push(Entry::copy("resources/LICENSE", &self.root.join("LICENSE")));
        Ok(entries)
    }

    /// The layout as an archive; on a Mac also the installer made of it.
    fn mac_installer(&self, bundle: &[Entry]) -> Result<Vec<PathBuf>> {
        let layout = self.mac_layout(bundle)?;
        let archive = self.out.join(format!("{}-pkg-layout.tar.gz", self.name()));
        archive::write(&archive, |file| archive::tar_gz(file, &layout))?;
        if !cfg!(target_os = "macos") {
            say!("the .pkg is made on a Mac: its parts are in {}", archive.display());
            return Ok(vec![archive]);
        }
        let folder = self.out.join("pkg");
        fs::create_dir_all(&folder)?;
        let advice = "Install Apple's command line tools: xcode-select --install.";
        run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&folder), advice)?;
        let mut component = Command::new("pkgbuild");
        component.args(["--identifier", IDENTIFIER, "--version", self.version]);
        component
            .arg("--root")
            .arg(folder.join("root"))
            .arg("--scripts")
            .arg(folder.join("scripts"));
        run(component.arg(folder.join("plugin.pkg")), advice)?;
        let package = self.file("pkg");
        let mut product = Command::new("productbuild");
        product
            .arg("--distribution")
            .arg(folder.join("distribution.xml"))
            .arg("--package-path")
            .arg(&folder);
        product.arg("--resources").arg(folder.join("resources")).arg(&package);
        run(&mut product, advice)?;
        fs::remove_dir_all(&folder)?;
        fs::remove_file(&archive)?;
        Ok(vec![package])
    }
}

/// Runs a program and waits for it. `advice` is part of the error if the program is missing.
fn run(command: &mut Command, advice: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{program} does not start. {advice}"))?;
    if !status.success() {
        bail!("{program} failed ({status}); its message stands above");
    }
    Ok(())
}

/// In the format that `sha256sum --check` reads.
fn checksums(files: &[PathBuf]) -> Result<String> {
    let mut text = String::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(text, "{:x}  {name}", Sha256::digest(&bytes));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;

//! What a binary needs from the system it runs on, read from the binary itself.
//!
//! A host ships its own libraries. If a plug-in needs other libraries with the same names, one of
//! the two gets the wrong ones. So a plug-in may only need libraries of the system.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use goblin::Object;
use goblin::elf::Elf;
use goblin::mach::{Mach, MachO, SingleArch};

/// A version of glibc, major and minor.
pub(crate) type Glibc = (u32, u32);

/// What one binary needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Libraries by the names that the binary gives them.
    pub(crate) libraries: BTreeSet<String>,
    /// The oldest glibc that has all its symbols, on Linux.
    pub(crate) glibc: Option<Glibc>,
}

/// Reads a binary of any system.
///
/// # Errors
/// When it cannot be read, is not a binary, or needs a library that its system does not provide.
pub(crate) fn of(file: &Path) -> Result<Needs> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let object = Object::parse(&bytes);
    let needs = match object.with_context(|| format!("{} is not a binary", file.display()))? {
        Object::Elf(elf) => Needs { libraries: names(&elf.libraries), glibc: glibc(&elf) },
        Object::PE(pe) => Needs { libraries: names(&pe.libraries), glibc: None },
        Object::Mach(Mach::Binary(mach)) => Needs { libraries: of_mach(&mach), glibc: None },
        Object::Mach(Mach::Fat(several)) => {
            let mut libraries = BTreeSet::new();
            for one in &several {
                if let SingleArch::MachO(mach) = one? {
                    libraries.extend(of_mach(&mach));
                }
            }
            Needs { libraries, glibc: None }
        }
        _ => bail!("{} is not a binary for Linux, Windows or macOS", file.display()),
    };
    if let Some(foreign) = needs.libraries.iter().find(|name| !is_of_system(name)) {
        bail!("{} needs {foreign}, which is not part of the system", file.display());
    }
    Ok(needs)
}

fn names(libraries: &[&str]) -> BTreeSet<String> {
    libraries.iter().map(|&name| name.to_owned()).collect()
}

/// The first entry is the binary itself.
fn of_mach(mach: &MachO<'_>) -> BTreeSet<String> {
    names(mach.libs.get(1..).unwrap_or_default())
}

/// The newest version `GLIBC_…` among the required symbols.
fn glibc(elf: &Elf<'_>) -> Option<Glibc> {
    let versions = elf.verneed.iter().flat_map(|section| section.iter());
    let names = versions.flat_map(|library| {
        library
            .iter()
            .filter_map(|version| elf.dynstrtab.get_at(version.vna_name))
            .collect::<Vec<_>>()
    });
    names.filter_map(version).max()
}

fn version(symbol: &str) -> Option<Glibc> {
    let mut numbers = symbol.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Libraries that every system of its kind has.
fn is_of_system(library: &str) -> bool {
    const LINUX: [&str; 8] = [
        "libc.so.",
        "libm.so.",
        "libgcc_s.so.",
        "libpthread.so.",
        "libdl.so.",
        "librt.so.",
        "ld-linux-x86-64.so.",
        "ld-linux-aarch64.so.",
    ];
    // Libraries that have been part of Windows since version 10. The runtime of Microsoft's
    // compiler is not, so it is linked in.
    const WINDOWS: [&str; 19] = [
        "advapi32",
        "bcrypt",
        "bcryptprimitives",
        "combase",
        "crypt32",
        "dbghelp",
        "iphlpapi",
        "kernel32",
        "msvcrt",
        "ntdll",
        "ole32",
        "oleaut32",
        "powrprof",
        "psapi",
        "secur32",
        "shell32",
        "user32",
        "userenv",
        "ws2_32",
    ];
    let lower = library.to_ascii_lowercase();
    match lower.strip_suffix(".dll") {
        Some(name) => WINDOWS.contains(&name) || name.starts_with("api-ms-win-"),
        None => {
            LINUX.iter().any(|known| library.starts_with(known))
                || library.starts_with("/usr/lib/")
                || library.starts_with("/System/Library/")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_needs_the_system_only() {
        let needs = of(&std::env::current_exe().unwrap()).unwrap();
        assert!(!needs.libraries.is_empty());
        assert_eq!(needs.glibc.is_some(), cfg!(all(target_os = "linux", target_env = "gnu")));
        assert!(needs.glibc.is_none_or(|glibc| ((2, 17)..(3, 0)).contains(&glibc)), "{needs:?}");
    }

    #[test]
    fn versions_are_numbers_and_not_text() {
        assert_eq!(version("GLIBC_2.35"), Some((2, 35)));
        assert_eq!(version("GLIBC_2.2.5"), Some((2, 2)));
        assert!(version("GLIBC_2.9") < version("GLIBC_2.17"));
        assert_eq!(version("GCC_3.3"), None);
        assert_eq!(version("GLIBC_PRIVATE"), None);
    }

    #[test]
    fn what_hosts_bring_as_well_is_refused() {
        for fine in [
            "libc.so.6",
            "KERNEL32.dll",
            "api-ms-win-core-synch-l1-2-0.dll",
            "/usr/lib/libSystem.B.dylib",
        ] {
            assert!(is_of_system(fine), "{fine}");
        }
        for foreign in [
            "libstdc++.so.6",
            "libtorch.so",
            "VCRUNTIME140.dll",
            "libgcc_s_seh-1.dll",
            "@rpath/libcandle.dylib",
        ] {
            assert!(!is_of_system(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_file_that_is_no_binary_is_refused_by_name() {
        let error = format!("{:#}", of(Path::new(env!("CARGO_MANIFEST_PATH"))).unwrap_err());
        assert!(error.contains("Cargo.toml"), "{error}");
    }
}

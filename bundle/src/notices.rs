//! The third-party notice: the libraries in the binary, with the texts of their licences.
//!
//! Generated from cargo's resolved dependencies, so that it is always up to date.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The part of `cargo metadata --format-version 1` that is needed here.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
    /// Where cargo puts what it builds.
    pub(crate) target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// Absent for dependencies that are linked in; `dev` or `build` for others.
    kind: Option<String>,
}

impl Metadata {
    /// The version of a package of this workspace.
    pub(crate) fn version_of(&self, name: &str) -> Result<&str> {
        let mut own = self.packages.iter().filter(|p| self.workspace_members.contains(&p.id));
        let found = own.find(|p| p.name == name);
        Ok(&found.with_context(|| format!("this workspace has no package {name}"))?.version)
    }

    /// External packages that are linked into any of `names`, by name and version.
    fn linked_into(&self, names: &[&str]) -> BTreeMap<(&str, &str), &Package> {
        let nodes: HashMap<&str, &Node> =
            self.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
        let packages: HashMap<&str, &Package> =
            self.packages.iter().map(|p| (p.id.as_str(), p)).collect();
        let mut waiting: Vec<&str> = self
            .packages
            .iter()
            .filter(|p| names.contains(&p.name.as_str()))
            .map(|p| p.id.as_str())
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if seen.insert(id)
                && let Some(node) = nodes.get(id)
            {
                let linked =
                    node.deps.iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind.is_none()));
                waiting.extend(linked.map(|d| d.pkg.as_str()));
            }
        }
        seen.into_iter()
            .filter(|id| !self.workspace_members.iter().any(|m| m == id))
            .filter_map(|id| packages.get(id))
            .map(|p| ((p.name.as_str(), p.version.as_str()), *p))
            .collect()
    }
}

/// The notice for all libraries that are linked into the packages `names`.
///
/// # Errors
/// When a licence text that a package carries cannot be read.
pub(crate) fn write(metadata: &Metadata, names: &[&str]) -> Result<String> {
    let packages = metadata.linked_into(names);
    let mut out = String::from(
        "AI In-between contains the following libraries. Their licence texts follow the list.\n\n",
    );
    // Many packages contain the same text, so each text appears once, with the packages it belongs
    // to.
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((name, version), package) in &packages {
        let licence = package.license.as_deref().unwrap_or("see its licence text below");
        let from = package.repository.as_deref().unwrap_or("");
        let _ = writeln!(out, "{name} {version}  {licence}  {from}");
        let folder = package.manifest_path.parent().unwrap_or(Path::new("."));
        for file in licence_files(folder)? {
            let bytes =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim().to_owned();
            texts.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    for (text, packages) in &texts {
        let _ = write!(out, "\n{}\n{}\n\n{text}\n", "-".repeat(80), packages.join(", "));
    }
    Ok(out)
}

fn licence_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.is_file() && p.file_name().and_then(|n| n.to_str()).is_some_and(is_licence))
        .collect();
    files.sort();
    Ok(files)
}

fn is_licence(file: &str) -> bool {
    let name = file.to_ascii_uppercase();
    ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
        .iter()
        .any(|w| name.starts_with(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of one package `own` that links `a`, which links `b`; `c` is for tests only.
    fn resolved(folder: &Path) -> Metadata {
        let package = |name: &str, licence: &str| {
            fs::create_dir_all(folder.join(name)).unwrap();
            format!(
                r#"{{"id":"{name}-id","name":"{name}","version":"1.0.0","license":"{licence}","repository":null,
                    "manifest_path":{:?}}}"#,
                folder.join(name).join("Cargo.toml")
            )
        };
        let text = format!(
            r#"{{"packages":[{},{},{},{}],"workspace_members":["own-id"],"target_directory":"target","resolve":{{"nodes":[
                {{"id":"own-id","deps":[{{"pkg":"a-id","dep_kinds":[{{"kind":null}}]}},
                                        {{"pkg":"c-id","dep_kinds":[{{"kind":"dev"}}]}}]}},
                {{"id":"a-id","deps":[{{"pkg":"b-id","dep_kinds":[{{"kind":"build"}},{{"kind":null}}]}}]}},
                {{"id":"b-id","deps":[]}},{{"id":"c-id","deps":[]}}]}}}}"#,
            package("own", "Apache-2.0"),
            package("a", "MIT"),
            package("b", "BSD-3-Clause"),
            package("c", "GPL-3.0"),
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_notice_names_what_is_linked_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = resolved(folder.path());
        fs::write(folder.path().join("a/LICENSE-MIT"), "shared text\n").unwrap();
        fs::write(folder.path().join("b/COPYING"), "shared text").unwrap();
        let notice = write(&metadata, &["own"]).unwrap();
        assert!(
            notice.contains("a 1.0.0  MIT") && notice.contains("b 1.0.0  BSD-3-Clause"),
            "{notice}"
        );
        assert!(!notice.contains("own 1.0.0") && !notice.contains("GPL"), "{notice}");
        assert_eq!(notice.matches("shared text").count(), 1, "{notice}");
        assert!(notice.contains("a 1.0.0, b 1.0.0"), "{notice}");
    }

    #[test]
    fn the_version_is_that_of_the_package() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = resolved(folder.path());
        assert_eq!(metadata.version_of("own").unwrap(), "1.0.0");
        assert!(metadata.version_of("a").is_err(), "packages from elsewhere do not count");
    }
}

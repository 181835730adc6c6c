//! The guide as a site: the pages of the project as HTML, under the same paths, from the same files.
//!
//! It starts with `README.md` and follows its links. Files that are not pages (pictures, scripts)
//! are copied.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, html};

const FRAME: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\n<style>\n\
    body{max-width:50em;margin:2em auto;padding:0 1em;font:1em/1.5 sans-serif;color:#222}\n\
    img{max-width:100%}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .6em;vertical-align:top}\n\
    pre,code{background:#f4f4f4}pre{padding:.6em;overflow:auto}\n</style>\n\
    <p><a href=\"{home}\">AI In-between</a></p>\n{body}</html>\n";

/// Writes the site into `out` and returns the number of pages.
///
/// # Errors
/// When a page or a file that one points to cannot be read or written.
pub(crate) fn write(root: &Path, out: &Path) -> Result<usize> {
    let mut waiting = vec![PathBuf::from("README.md")];
    let mut seen = BTreeSet::from(["README.md".into()]);
    let mut pages = 0;
    while let Some(path) = waiting.pop() {
        let from = root.join(&path);
        let to = out.join(name_of(&path));
        fs::create_dir_all(to.parent().unwrap_or(out))?;
        if path.extension().is_none_or(|kind| kind != "md") {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
            continue;
        }
        let text =
            fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
        let mut found = Vec::new();
        fs::write(&to, page(root, &path, &text, &mut found))
            .with_context(|| format!("cannot write {}", to.display()))?;
        pages += 1;
        waiting.extend(found.into_iter().filter(|target| seen.insert(target.clone())));
    }
    Ok(pages)
}

/// The path in the site: pages become `html`, and the first page is the index.
fn name_of(path: &Path) -> PathBuf {
    if path == Path::new("README.md") {
        "index.html".into()
    } else if path.extension().is_some_and(|kind| kind == "md") {
        path.with_extension("html")
    } else {
        path.to_owned()
    }
}

/// Converts a page to HTML. Files of the project that it links to are added to `found`.
fn page(root: &Path, path: &Path, text: &str, found: &mut Vec<PathBuf>) -> String {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut follow = |link: CowStr<'_>| -> String {
        let (file, place) =
            link.split_once('#').map_or((&*link, None), |(file, place)| (file, Some(place)));
        let target = tidy(&folder.join(file));
        if file.is_empty() || file.contains(':') || !root.join(&target).is_file() {
            return link.to_string();
        }
        let named = if target == Path::new("README.md") {
            let up = folder.components().map(|_| "../").collect::<String>();
            format!("{up}index.html")
        } else {
            name_of(Path::new(file)).to_string_lossy().replace('\\', "/")
        };
        found.push(target);
        place.map_or_else(|| named.clone(), |place| format!("{named}#{place}"))
    };
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: follow(dest_url).into(), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Image { link_type, dest_url: follow(dest_url).into(), title, id })
        }
        other => other,
    });
    let mut body = String::new();
    html::push_html(&mut body, events);
    let title = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or("AI In-between");
    let home = folder.components().map(|_| "../").collect::<String>() + "index.html";
    FRAME.replace("{title}", title).replace("{home}", &home).replace("{body}", &body)
}

/// The path without `.` and `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                tidy.pop();
            }
            Component::CurDir => {}
            part => tidy.push(part),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_the_guide_is_there_and_every_local_link_leads_somewhere() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let site = tempfile::tempdir().unwrap();
        let pages = write(&root, site.path()).unwrap();
        let guide = fs::read_dir(root.join("resources/guide")).unwrap();
        for entry in guide {
            let page = Path::new("resources/guide").join(entry.unwrap().file_name());
            let page = site.path().join(name_of(&page));
            assert!(page.is_file(), "no page links to {}", page.display());
        }
        let (mut waiting, mut links) = (vec![site.path().join("index.html")], 0);
        let mut seen = BTreeSet::new();
        while let Some(page) = waiting.pop() {
            if !seen.insert(page.clone()) {
                continue;
            }
            let text = fs::read_to_string(&page).unwrap();
            for mark in ["href=\"", "src=\""] {
                for link in text.split(mark).skip(1).filter_map(|rest| rest.split('"').next()) {
                    let file = link.split('#').next().unwrap();
                    if file.is_empty() || file.contains(':') {
                        continue;
                    }
                    let target = tidy(&page.parent().unwrap().join(file));
                    assert!(
                        target.exists() || root.join(file).is_dir(),
                        "{}: {link}",
                        page.display()
                    );
                    links += 1;
                    if target.extension().is_some_and(|kind| kind == "html") {
                        waiting.push(target);
                    }
                }
            }
        }
        assert_eq!(seen.len(), pages);
        assert!(links > 30, "{links} links");
    }
}

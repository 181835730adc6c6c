//! `compare`: counts the pixels in which pictures differ.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the texts are the help")]
pub struct CompareArgs {
    /// A picture, or a folder of pictures
    pub one: PathBuf,
    /// The other picture, or a folder with pictures of the same names
    pub other: PathBuf,
    /// Share of the pixels of each picture that may differ, from 0 to 1
    #[arg(long, default_value_t = 0.0)]
    pub allowed: f64,
}

/// How two pictures differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Difference {
    pixels: usize,
    of: usize,
    /// The largest difference of a channel, in steps of 1/255.
    largest: u8,
}

/// Compares, prints one line per pair, and fails if too much differs.
///
/// # Errors
/// When a picture is missing, sizes differ, or more pixels differ than allowed.
pub fn run(args: &CompareArgs) -> Result<()> {
    let mut beyond = 0;
    let pairs = pairs(&args.one, &args.other)?;
    for (one, other) in &pairs {
        let Difference { pixels, of, largest } = difference(one, other)?;
        let name = one.file_name().unwrap_or_default().to_string_lossy();
        println!("{name}: {pixels} of {of} pixels differ, by up to {largest} of 255");
        beyond += usize::from(pixels as f64 > args.allowed * of as f64);
    }
    if beyond > 0 {
        bail!(
            "{beyond} of {} pictures differ in more than {} of their pixels",
            pairs.len(),
            args.allowed
        );
    }
    Ok(())
}

fn pairs(one: &Path, other: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    if !one.is_dir() {
        return Ok(vec![(one.to_owned(), other.to_owned())]);
    }
    let entries =
        std::fs::read_dir(one).with_context(|| format!("cannot read {}", one.display()))?;
    let mut pairs = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "png") {
            let beside = other.join(path.file_name().unwrap_or_default());
            pairs.push((path, beside));
        }
    }
    pairs.sort();
    if pairs.is_empty() {
        bail!("{} holds no PNG files", one.display());
    }
    Ok(pairs)
}

fn difference(one: &Path, other: &Path) -> Result<Difference> {
    let open = |path: &Path| {
        let picture =
            image::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok::<_, anyhow::Error>(picture.to_rgba8())
    };
    let (one_picture, other_picture) = (open(one)?, open(other)?);
    if one_picture.dimensions() != other_picture.dimensions() {
        bail!("{} and {} have other sizes", one.display(), other.display());
    }
    let (mut pixels, mut largest) = (0, 0);
    for (a, b) in one_picture.pixels().zip(other_picture.pixels()) {
        let most = a.0.iter().zip(b.0).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0);
        pixels += usize::from(most > 0);
        largest = largest.max(most);
    }
    Ok(Difference { pixels, of: one_picture.pixels().len(), largest })
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    #[test]
    fn pixels_that_differ_are_counted_and_too_many_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let mut picture = RgbaImage::from_pixel(4, 2, Rgba([10, 20, 30, 255]));
        for folder in [&one, &other] {
            std::fs::create_dir(folder).unwrap();
            picture.save(folder.join("a.png")).unwrap();
        }
        let compare =
            |allowed| run(&CompareArgs { one: one.clone(), other: other.clone(), allowed });
        compare(0.0).unwrap();
        picture.put_pixel(1, 1, Rgba([10, 27, 30, 255]));
        picture.put_pixel(2, 1, Rgba([10, 20, 30, 250]));
        picture.save(other.join("a.png")).unwrap();
        let found = difference(&one.join("a.png"), &other.join("a.png")).unwrap();
        assert_eq!(found, Difference { pixels: 2, of: 8, largest: 7 });
        assert!(compare(0.24).is_err() && compare(0.25).is_ok());
        std::fs::remove_file(other.join("a.png")).unwrap();
        assert!(compare(1.0).is_err(), "a picture that is missing is no equal one");
    }
}

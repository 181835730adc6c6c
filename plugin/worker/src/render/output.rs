//! Writes frames as files, and all of them as a contact sheet and an animation.

use std::collections::HashMap;
use std::io::{BufWriter, Cursor, Write};
use std::path::{Path, PathBuf};

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, ImageFormat, RgbImage, imageops};
use inbetween_core::{Encoding, Frame, Unsure};
use same_file::Handle;

use super::{displayed, usage};
use crate::cli::Render;
use crate::failure::{Failure, Kind, Result};
use crate::pictures::Style;
use crate::pictures::contact_sheet::{Cell, Exposed, contact_sheet};

/// Longest side of the preview, in pixels.
const SMALL_SIDE: u32 = 512;

/// Names of additional files.
const SHEET: &str = "sheet.png";
const PREVIEW: &str = "preview.gif";

/// Writes frames as they are finished.
pub(super) struct Writer {
    folder: PathBuf,
    style: Style,
    encoding: Encoding,
    files: Vec<PathBuf>,
}

impl Writer {
    /// A writer of frames in this style, whose values are in `encoding`.
    pub(super) fn new(arguments: &Render, style: Style, encoding: Encoding) -> Result<Self> {
        let folder = arguments.out.clone();
        std::fs::create_dir_all(&folder).map_err(|error| refused(&folder, &error))?;
        Ok(Self { folder, style, encoding, files: Vec::new() })
    }

    /// Writes a drawn frame.
    pub(super) fn write(&mut self, number: u32, frame: &Frame) -> Result<()> {
        let path = frame_file(&self.folder, number, &self.style);
        let bytes =
            self.style.encode(frame, self.encoding).map_err(|error| refused(&path, &error))?;
        keep(&path, &bytes)?;
        self.files.push(path);
        Ok(())
    }

    /// Writes the frame of the key in the file `key`. If the file is already of the right kind, it
    /// is copied.
    pub(super) fn write_key(&mut self, number: u32, key: &Path, frame: &Frame) -> Result<()> {
        let path = frame_file(&self.folder, number, &self.style);
        if !same_file::is_same_file(&path, key).unwrap_or(false) {
            if !self.style.is_alike(key)? {
                return self.write(number, frame);
            }
            let bytes = std::fs::read(key).map_err(|error| refused(key, &error))?;
            keep(&path, &bytes)?;
        }
        self.files.push(path);
        Ok(())
    }

    /// All files that were written.
    pub(super) fn files(self) -> Vec<PathBuf> {
        self.files
    }
}

/// The sheet and the preview, which show the frames of all spans.
pub(super) struct Overview {
    folder: PathBuf,
    sheet: bool,
    mark_unsure: bool,
    preview: Option<u32>,
    cells: Vec<Cell>,
    small: Vec<RgbImage>,
}

impl Overview {
    pub(super) fn new(arguments: &Render) -> Self {
        Self {
            folder: arguments.out.clone(),
            sheet: arguments.sheet,
            mark_unsure: arguments.mark_unsure,
            preview: arguments.preview,
            cells: Vec::new(),
            small: Vec::new(),
        }
    }

    /// Adds the next frame, whose values are in `encoding` and may be partly unsure.
    pub(super) fn show(
        &mut self,
        (number, exposed): (u32, Exposed),
        frame: &Frame,
        encoding: Encoding,
        unsure: Option<&Unsure>,
    ) {
        if !self.sheet && self.preview.is_none() {
            return;
        }
        let mut small = small(&displayed(frame, encoding));
        if self.preview.is_some() {
            self.small.push(small.clone());
        }
        if self.sheet {
            unsure.filter(|_| self.mark_unsure).inspect(|part| outline(&mut small, part.area));
            self.cells.push(Cell::new(number, exposed, &small));
        }
    }

    /// Writes the sheet and the preview if wanted, and returns the files written.
    pub(super) fn finish(self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        if self.sheet {
            let path = self.folder.join(SHEET);
            let mut bytes = Cursor::new(Vec::new());
            let sheet = contact_sheet(&self.cells);
            sheet.write_to(&mut bytes, ImageFormat::Png).map_err(|error| refused(&path, &error))?;
            keep(&path, &bytes.into_inner())?;
            files.push(path);
        }
        if let Some(rate) = self.preview {
            let path = self.folder.join(PREVIEW);
            let bytes = animation(&self.small, rate).map_err(|error| refused(&path, &error))?;
            keep(&path, &bytes)?;
            files.push(path);
        }
        Ok(files)
    }
}

/// Writes to a temporary file and renames it, so that a killed task leaves no partial picture. Each
/// process uses its own temporary name, because two may write the same frame.
fn keep(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let beside = tempfile::Builder::new()
        .prefix(".writing-")
        .permissions_for_all()
        .tempfile_in(folder)
        .map_err(|error| refused(path, &error))?;
    let write = || {
        let mut to = BufWriter::new(beside.as_file());
        to.write_all(bytes)?;
        to.flush()
    };
    write().map_err(|error| refused(path, &error))?;
    beside.persist(path).map_err(|error| refused(path, &error.error))?;
    Ok(())
}

/// Makes sure that no key and no sketch would be overwritten. A key may be at the place where its
/// own frame is written, because it is then left unchanged.
///
/// # Errors
/// When one would be overwritten.
pub(super) fn check_inputs_stay(arguments: &Render, style: &Style, frames: &[u32]) -> Result<()> {
    let mut read: HashMap<Handle, Vec<Option<u32>>> = HashMap::new();
    let mut reads = |path: &Path, frame| {
        if let Ok(file) = Handle::from_path(path) {
            read.entry(file).or_default().push(frame);
        }
    };
    reads(&arguments.first, Some(arguments.start));
    reads(&arguments.last, Some(arguments.last_frame()?));
    arguments.sketch.iter().for_each(|(_, path)| reads(path, None));
    // In a sequence this includes the keys of the other spans.
    arguments.sequence.iter().for_each(|(frame, path)| reads(path, Some(*frame)));
    let folder = &arguments.out;
    let frames = frames.iter().map(|frame| (Some(*frame), frame_file(folder, *frame, style)));
    let sheet = arguments.sheet.then(|| (None, folder.join(SHEET)));
    let preview = arguments.preview.map(|_| (None, folder.join(PREVIEW)));
    for (frame, path) in frames.chain(sheet).chain(preview) {
        let read = Handle::from_path(&path).ok().and_then(|file| read.get(&file));
        if read.is_some_and(|own| own.iter().any(|own| frame.is_none() || frame != *own)) {
            return Err(usage(format!(
                "{} would be written over, which is read. Choose another folder with --out, or another --start.",
                path.display()
            )));
        }
    }
    Ok(())
}

fn frame_file(folder: &Path, number: u32, style: &Style) -> PathBuf {
    folder.join(format!("frame_{number:04}.{}", style.ending()))
}

/// Gives files the user's usual permissions. Temporary files are readable only by this user.
trait PermissionsForAll {
    fn permissions_for_all(&mut self) -> &mut Self;
}

impl PermissionsForAll for tempfile::Builder<'_, '_> {
    fn permissions_for_all(&mut self) -> &mut Self {
        #[cfg(unix)]
        self.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        self
    }
}

fn refused(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Kind::File, format!("{}: {error}", path.display()))
}

/// A display-referred frame over white, no larger than [`SMALL_SIDE`].
fn small(frame: &Frame) -> RgbImage {
    let (width, height) = (frame.width() as u32, frame.height() as u32);
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let [r, g, b, a] = frame.row(y as usize)[x as usize];
        image::Rgb([r, g, b].map(|v| ((v + 1.0 - a).clamp(0.0, 1.0) * 255.0).round() as u8))
    });
    let most = width.max(height);
    if most <= SMALL_SIDE {
        return picture;
    }
    let side = |n: u32| (u64::from(n) * u64::from(SMALL_SIDE) / u64::from(most)).max(1) as u32;
    imageops::resize(&picture, side(width), side(height), imageops::FilterType::Triangle)
}

/// Draws an outline around an area, given by its left, top, right and bottom as shares.
fn outline(picture: &mut RgbImage, area: [f32; 4]) {
    const MARK: image::Rgb<u8> = image::Rgb([230, 0, 140]);
    let (width, height) = picture.dimensions();
    let thick = (width / 100).max(3);
    let edge = |share: f32, side: u32| ((share * side as f32).round() as u32).min(side);
    let (left, right) = (edge(area[0], width), edge(area[2], width));
    let (top, bottom) = (edge(area[1], height), edge(area[3], height));
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let inside = (left..right).contains(&x) && (top..bottom).contains(&y);
        let deep = x >= left + thick && x + thick < right && y >= top + thick && y + thick < bottom;
        if inside && !deep {
            *pixel = MARK;
        }
    }
}

/// All frames in a loop.
fn animation(frames: &[RgbImage], rate: u32) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    {
        let mut gif = GifEncoder::new_with_speed(&mut bytes, 10);
        gif.set_repeat(Repeat::Infinite)?;
        let delay = Delay::from_numer_denom_ms(1000, rate.max(1));
        for frame in frames {
            let frame = DynamicImage::ImageRgb8(frame.clone()).into_rgba8();
            gif.encode_frame(image::Frame::from_parts(frame, 0, 0, delay))?;
        }
    }
    Ok(bytes)
}

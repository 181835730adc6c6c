//! The clip to be retimed: a sequence of pictures or a video file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use inbetween_core::exposure::{Analyser, Signature};
use inbetween_core::picture::{self, Picture};
use inbetween_core::retime::Rate;
use inbetween_core::{ContentHash, Encoding, Frame};
use same_file::is_same_file;

use super::animation::{Animation, is_animation};
use super::overlay::{OverlayFinder, OverlayPixels, Overlays};
use super::pictures::{self, Form, Style};
use super::restore::{self, Restoration, RestoreOptions};
use super::sequence::{Pattern, Sequence};
use super::video::{DecodeSummary, Decoder, Fields, RawFrame, Video, is_video};
use super::work_folder::ClipAnalysis;
use crate::failure::{Failure, Kind, Result};
use crate::progress::{self, ProgressForm};

/// Label of the progress while frames are examined, and for the second pass when a film is
/// restored.
const FINDING: &str = "finding drawings";
const FINDING_AGAIN: &str = "finding drawings of the restored film";
const FINDING_BEHIND: &str = "finding drawings behind what stays in its place";

/// Keys that are kept, with their content addresses.
const KEYS: usize = 6;

/// What is looked for in a clip beside its drawings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LookOptions {
    pub(super) restoring: RestoreOptions,
    pub(super) find_overlays: bool,
}

/// The source of frames.
pub(super) enum Source {
    Pictures { sequence: Sequence, style: Box<Style>, unpacked: Option<Animation> },
    Video { path: PathBuf, video: Box<Video> },
}

impl Source {
    /// The clip at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_file() && is_animation(path) {
            let (unpacked, sequence) = Animation::unpack(path)?;
            let style = pictures::style_of(sequence.files())?.into();
            return Ok(Self::Pictures { sequence, style, unpacked: Some(unpacked) });
        }
        let is_picture = || image::ImageFormat::from_path(path).is_ok();
        if (is_video(path) && !path.is_dir()) || (path.is_file() && !is_picture()) {
            let video = Video::probe(path)?;
            return Ok(Self::Video { path: path.into(), video: Box::new(video) });
        }
        let sequence = Sequence::find(path)?;
        let style = pictures::style_of(sequence.files())?.into();
        Ok(Self::Pictures { sequence, style, unpacked: None })
    }

    pub(super) fn form(&self) -> Form {
        match self {
            Self::Pictures { style, .. } => style.form,
            Self::Video { video, .. } => video.form,
        }
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.form().encoding()
    }

    /// The rate stated by the file itself.
    pub(super) fn rate(&self) -> Option<Rate> {
        match self {
            Self::Pictures { unpacked, .. } => unpacked.as_ref().map(|animation| animation.rate),
            Self::Video { video, .. } => Some(video.rate),
        }
    }

    /// Number of frames, as far as known before all are read.
    fn expected(&self) -> u64 {
        match self {
            Self::Pictures { sequence, .. } => sequence.files().len() as u64,
            Self::Video { video, .. } => video.frames,
        }
    }

    /// Identifies the clip by its files' names, sizes and modification times.
    pub(super) fn fingerprint(&self) -> Result<ContentHash> {
        let mut text = String::new();
        let mut add = |path: &Path| {
            let about = std::fs::metadata(path)
                .map_err(|err| Failure::new(Kind::File, format!("{}: {err}", path.display())))?;
            let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
            text += &format!("{path:?} {} {:?}\n", about.len(), about.modified().ok());
            Ok::<(), Failure>(())
        };
        match self {
            Self::Pictures { unpacked: Some(animation), .. } => add(&animation.path)?,
            Self::Pictures { sequence, .. } => {
                sequence.files().iter().try_for_each(|file| add(file))?
            }
            Self::Video { path, .. } => add(path)?,
        }
        Ok(ContentHash::of(text.as_bytes()))
    }

    /// Whether the clip's files would be overwritten.
    pub(super) fn is_at(&self, pattern: &Pattern, video: Option<&Path>) -> bool {
        match self {
            Self::Pictures { sequence, .. } => {
                is_same_place(&sequence.pattern.folder, &pattern.folder)
                    && sequence.files().iter().any(|file| pattern.names(file))
            }
            Self::Video { path, .. } => video.is_some_and(|video| is_same_place(video, path)),
        }
    }

    /// Examines every frame and finds the drawings, and everything else that must be known about
    /// the whole clip, such as the traces of a transfer, at the clip's rate `from`.
    pub(super) fn analyse(
        &self,
        from: Rate,
        LookOptions { restoring: options, find_overlays }: LookOptions,
        form: ProgressForm,
    ) -> Result<ClipAnalysis> {
        let fields = match self {
            Self::Video { path, video } => restore::detect_fields(path, video, options)?,
            Self::Pictures { .. } => Fields::Progressive,
        };
        let transfer = Restoration::with_fields(fields);
        let bar = |what| progress::Frames::of(form, what, self.expected());
        let encoding = self.encoding();
        let look = |fields| {
            let finder = find_overlays.then(OverlayFinder::default);
            Look { finder, ..Look::new(fields, encoding) }
        };
        let mut frames = self.analyse_frames(&transfer, look(fields), bar(FINDING))?;
        let mut finder_of_film = frames.finder.take();
        let blends = frames.analyser.blends().to_vec();
        let mut sheet = frames.analyser.finish();
        let mut restoration =
            restore::restore_frames(&sheet, &blends, (fields, fields.rate(from)), options);
        if restoration != transfer {
            // If a transfer repeats frames, a film's weave looks like a camera that moves in steps.
            let look = look(restoration.fields);
            let film = self.analyse_frames(&restoration, look, bar(FINDING_AGAIN))?;
            restoration.look_at(&film.analyser);
            sheet = film.analyser.finish();
            finder_of_film = film.finder;
        }
        let mut overlays =
            finder_of_film.map_or_else(Overlays::default, |finder| finder.finish(&sheet));
        if !overlays.is_empty() {
            let overlays = Some(&mut overlays);
            let look = Look { overlays, ..Look::new(restoration.fields, encoding) };
            let film = self.analyse_frames(&restoration, look, bar(FINDING_BEHIND))?;
            restoration.look_at(&film.analyser);
            sheet = film.analyser.finish();
        }
        let (start_micros, pictures, damage) =
            frames.decoded.map_or((0, 0, Vec::new()), |decoded| {
                (decoded.start_micros, decoded.pictures, decoded.damage)
            });
        Ok(ClipAnalysis {
            sheet,
            restoration,
            overlays,
            opaque: frames.opaque,
            start_micros,
            pictures,
            damage,
        })
    }

    /// Examines every frame that shows one of the film.
    fn analyse_frames(
        &self,
        restoration: &Restoration,
        mut look: Look<'_>,
        mut bar: progress::Frames,
    ) -> Result<FrameAnalysis> {
        let mut opaque = true;
        let mut decoded = None;
        match self {
            Self::Pictures { sequence, .. } => {
                let size = |picture: &Picture| (picture.frame.width(), picture.frame.height());
                let first = size(&self.load(sequence, 0)?);
                for at in 0..sequence.files().len() {
                    let picture = self.load(sequence, at)?;
                    if size(&picture) != first {
                        let (path, (width, height)) = (&sequence.files()[at], size(&picture));
                        return Err(Failure::new(
                            Kind::File,
                            format!(
                                "{} has {width} x {height} pixels, the first picture {} x {}. Give all the same size.",
                                path.display(),
                                first.0,
                                first.1
                            ),
                        ));
                    }
                    opaque &= !self.form().alpha || is_opaque(&picture);
                    look.take(&picture.frame, restoration.repeats(at));
                    bar.inc();
                }
            }
            Self::Video { path, video } => {
                let mut decoder = Decoder::open(path, video, restoration.fields)?;
                let mut last: Option<RawFrame> = None;
                let mut at = 0;
                while let Some(raw) = decoder.next()? {
                    let times = restoration.repeats(at);
                    at += 1;
                    bar.inc();
                    if times == 0 {
                        continue;
                    }
                    if last.is_some_and(|before| Arc::ptr_eq(&before, &raw)) {
                        look.repeat(times);
                    } else {
                        opaque &= video.is_opaque(&raw);
                        look.take(&video.frame(&raw)?, times);
                    }
                    last = Some(raw);
                }
                decoded = Some(decoder.summary());
            }
        }
        bar.finish();
        if look.analyser.frames() == 0 {
            return Err(Failure::new(Kind::File, "The clip holds no frames."));
        }
        let Look { analyser, finder, .. } = look;
        Ok(FrameAnalysis { analyser, finder, opaque, decoded })
    }

    /// Applies the results of analysing the whole clip. Pictures that become pictures again keep
    /// their stored alpha, even if all of it is opaque.
    pub(super) fn apply(&mut self, analysis: &ClipAnalysis, becomes_video: bool) {
        match self {
            Self::Video { video, .. } => {
                video.decoded = Some(analysis.pictures);
                video.form.alpha &= !analysis.opaque;
            }
            Self::Pictures { style, .. } => {
                style.form.alpha &= !(analysis.opaque && becomes_video);
            }
        }
    }

    /// The size of its frames.
    pub(super) fn size(&self) -> Result<(usize, usize)> {
        match self {
            Self::Pictures { sequence, .. } => {
                let first = self.load(sequence, 0)?;
                Ok((first.frame.width(), first.frame.height()))
            }
            Self::Video { video, .. } => Ok((video.width, video.height)),
        }
    }

    fn load(&self, sequence: &Sequence, at: usize) -> Result<Picture> {
        let file = sequence.files().get(at).ok_or_else(|| {
            Failure::new(Kind::Engine, format!("the frame map asks for frame {at} beyond the clip"))
        })?;
        Ok(picture::load(file, self.encoding(), None)?)
    }

    /// Access to the frames of the film that `analysis` finds in the clip, in about the order of their numbers: of a
    /// video, the `kept` frames before the farthest one that was asked for stay at hand.
    pub(super) fn frames<'a>(&'a self, analysis: &'a ClipAnalysis, kept: usize) -> Frames<'a> {
        let ClipAnalysis { restoration, overlays, .. } = analysis;
        Frames {
            source: self,
            restoration,
            overlays,
            kept: kept * restoration.longest_gap(),
            decoder: None,
            decoded: 0,
            raw: BTreeMap::new(),
            made: BTreeMap::new(),
            behind: BTreeMap::new(),
        }
    }
}

/// A look at the frames of a film, one after the other.
struct Look<'a> {
    analyser: Analyser,
    fields: Fields,
    encoding: Encoding,
    finder: Option<OverlayFinder>,
    /// What is known to lie over the film. Those that prove to be none are left out.
    overlays: Option<&'a mut Overlays>,
    /// The signature of the picture before.
    last: Option<Arc<Signature>>,
}

impl Look<'_> {
    fn new(fields: Fields, encoding: Encoding) -> Self {
        let analyser = Analyser::new();
        Self { analyser, fields, encoding, finder: None, overlays: None, last: None }
    }

    /// A picture that is seen on this many frames.
    fn take(&mut self, picture: &Frame, times: usize) {
        if times == 0 {
            return;
        }
        let frame = self.analyser.frames();
        if let Some(finder) = &mut self.finder {
            finder.push(picture, self.encoding);
        }
        let mask = self.overlays.as_deref_mut().and_then(|overlays| {
            overlays.check_starts(frame, picture, self.encoding);
            overlays.mask_at(frame, picture, self.encoding)
        });
        let signature = match mask {
            Some(mask) => {
                let behind = mask.filled(picture);
                self.fields.signature(&behind, self.encoding).hiding(&mask.covered())
            }
            None => self.fields.signature(picture, self.encoding),
        };
        let signature = Arc::new(signature);
        self.analyser.push_signature(signature.clone());
        self.last = Some(signature);
        self.repeat(times - 1);
    }

    /// The picture before on as many frames more.
    fn repeat(&mut self, times: usize) {
        let Some(signature) = &self.last else { return };
        for _ in 0..times {
            self.analyser.push_signature(signature.clone());
            if let Some(finder) = &mut self.finder {
                finder.repeat();
            }
        }
    }
}

/// The result of examining every frame.
struct FrameAnalysis {
    analyser: Analyser,
    finder: Option<OverlayFinder>,
    opaque: bool,
    /// The summary of a video's decoder.
    decoded: Option<DecodeSummary>,
}

/// Whether both paths lead to the same file or folder. A path that does not exist yet is compared
/// by its name.
fn is_same_place(a: &Path, b: &Path) -> bool {
    let here = |path: &Path| if path.as_os_str().is_empty() { ".".into() } else { path.to_owned() };
    let (a, b) = (here(a), here(b));
    is_same_file(&a, &b).unwrap_or_else(|_| absolute(&a).ok() == absolute(&b).ok())
}

fn is_opaque(picture: &Picture) -> bool {
    picture.frame.pixels().iter().all(|pixel| pixel[3] >= 1.0)
}

/// Frames of a source, requested in ascending order.
pub(super) struct Frames<'a> {
    source: &'a Source,
    restoration: &'a Restoration,
    overlays: &'a Overlays,
    kept: usize,
    decoder: Option<Decoder>,
    decoded: usize,
    raw: BTreeMap<usize, RawFrame>,
    /// Frames that are in use as keys, with their content addresses.
    made: BTreeMap<usize, Picture>,
    /// The same without what lies over them, where something does.
    behind: BTreeMap<usize, Picture>,
}

impl Frames<'_> {
    /// The picture file of film frame `at`, if there is one.
    pub(super) fn file(&self, at: usize) -> Option<&Path> {
        let Source::Pictures { sequence, .. } = self.source else { return None };
        let file = sequence.files().get(self.restoration.source_frame(at))?;
        self.restoration.haunted(at).is_none().then_some(file)
    }

    /// Film frame `at`. In a video, frames long before one already requested are no longer
    /// available.
    pub(super) fn get(&mut self, at: usize) -> Result<Picture> {
        if let Some(picture) = self.made.get(&at) {
            return Ok(picture.clone());
        }
        let mut picture = self.as_it_is(self.restoration.source_frame(at))?;
        if let Some(haunted) = self.restoration.haunted(at) {
            let other = self.restoration.source_frame(haunted.other as usize);
            let clean = haunted.clean(&picture.frame, &self.as_it_is(other)?.frame);
            picture = Arc::new(clean).into();
        }
        self.made.insert(at, picture.clone());
        while self.made.len() > KEYS {
            self.made.pop_first();
        }
        Ok(picture)
    }

    /// The frame `at` of the film without what lies over it.
    pub(super) fn behind_overlays(&mut self, at: usize) -> Result<Picture> {
        if let Some(picture) = self.behind.get(&at) {
            return Ok(picture.clone());
        }
        let picture = self.get(at)?;
        let mask = self.overlays.mask_at(at, &picture.frame, self.source.encoding());
        let Some(mask) = mask else { return Ok(picture) };
        let picture: Picture = Arc::new(mask.filled(&picture.frame)).into();
        self.behind.insert(at, picture.clone());
        while self.behind.len() > KEYS {
            self.behind.pop_first();
        }
        Ok(picture)
    }

    /// What lies over the frame `at` of the film.
    pub(super) fn overlay(&mut self, at: usize) -> Result<Option<OverlayPixels>> {
        if !self.overlays.is_on(at) {
            return Ok(None);
        }
        let (picture, ground) = (self.get(at)?, self.behind_overlays(at)?);
        let pictures = (&*picture.frame, &*ground.frame);
        Ok(OverlayPixels::of(self.overlays, at, pictures, self.source.encoding()))
    }

    /// A frame of the clip, unchanged.
    fn as_it_is(&mut self, at: usize) -> Result<Picture> {
        match self.source {
            Source::Pictures { sequence, .. } => self.source.load(sequence, at),
            Source::Video { path, video } => {
                self.decode_to(at, path, video)?;
                let ended = || {
                    Failure::new(
                        Kind::File,
                        format!("{} ended before frame {at}; it has changed", path.display()),
                    )
                };
                let frame = video.frame(self.raw.get(&at).ok_or_else(ended)?)?;
                Ok(Arc::new(frame).into())
            }
        }
    }

    fn decode_to(&mut self, at: usize, path: &Path, video: &Video) -> Result<()> {
        if self.decoder.is_none() {
            self.decoder = Some(Decoder::open(path, video, self.restoration.fields)?);
        }
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        while self.decoded <= at {
            let Some(bytes) = decoder.next()? else { break };
            self.raw.insert(self.decoded, bytes);
            self.decoded += 1;
            while self.raw.len() > self.kept {
                self.raw.pop_first();
            }
        }
        Ok(())
    }
}

//! Queries to an instance: formats, regions, frames, identity.

use std::{collections::BTreeMap, ffi::CString};

use anyhow::{Result, bail};

use super::{FrameRequest, Instance, Preferences, format::takes};
use crate::{
    host::clip::Clip,
    host::pixels::{Components, Depth, Premult},
    host::plugin::Action,
    host::props::{Values, c_text},
    host::status::Refused,
    host::sys::*,
};

impl Instance {
    /// GetClipPreferences: the formats that the plug-in wants for clips, and what it says about its
    /// output.
    ///
    /// # Errors
    /// When the action returns an error, or asks for a format that does not exist or that the clip
    /// does not list.
    pub fn negotiate(&mut self) -> Result<()> {
        let usual = self.effect.project().map_or(24.0, |project| project.rate);
        let name = |prefix: &str, clip: &Clip| c_text(&format!("{prefix}{}", clip.name));
        let clips = self.effect.clips();
        let output = clips.iter().find(|clip| clip.is_output()).and_then(|clip| clip.format());
        let mut results = self
            .results("GetClipPreferences")
            .doubles(kOfxImageEffectPropFrameRate, &[usual])
            .text(
                kOfxImageEffectPropPreMultiplication,
                ascii(output.map_or(Premult::Un, |f| f.premult).name()),
            )
            .ints(kOfxImageClipPropContinuousSamples, &[0])
            .ints(kOfxImageEffectFrameVarying, &[0])
            .text(kOfxImageClipPropFieldOrder, ascii(kOfxImageFieldNone));
        for clip in &clips {
            let Some(format) = clip.format() else { continue };
            if self.effect.host.behaviour().colourspace.is_some() {
                results = results
                    .list::<&str>(&name("OfxImageClipPropPreferredColourspaces_", clip), &[]);
            }
            results = results
                .text(&name("OfxImageClipPropComponents_", clip), ascii(format.components.name()))
                .text(&name("OfxImageClipPropDepth_", clip), ascii(format.depth.name()))
                .doubles(&name("OfxImageClipPropPAR_", clip), &[1.0]);
        }
        let results = results.build();
        let action = Action {
            results: Some(&results),
            ..Action::new(kOfxImageEffectActionGetClipPreferences)
        };
        let status = self.plugin.call(&action.on(&self.effect));
        if !status.is_fine() {
            bail!(
                "{} answered {status} to GetClipPreferences{}",
                self.plugin.id(),
                self.plugin.said()
            );
        }
        let rate = results.numbers(kOfxImageEffectPropFrameRate).first().copied().unwrap_or(usual);
        self.preferences = Preferences {
            rate,
            frame_varying: results.int(kOfxImageEffectFrameVarying) == Some(1),
            continuous: results.int(kOfxImageClipPropContinuousSamples) == Some(1),
        };
        self.colourspaces = clips
            .iter()
            .map(|clip| {
                (
                    clip.name.clone(),
                    results.texts(&name("OfxImageClipPropPreferredColourspaces_", clip)),
                )
            })
            .collect();
        for clip in &clips {
            let Some(mut format) = clip.format() else { continue };
            let components =
                results.text(&name("OfxImageClipPropComponents_", clip)).unwrap_or_default();
            let depth = results.text(&name("OfxImageClipPropDepth_", clip)).unwrap_or_default();
            match (Components::from_name(&components), Depth::from_name(&depth)) {
                (Some(components), Some(depth)) => {
                    format.components = components;
                    format.depth = depth;
                }
                _ => bail!(
                    "GetClipPreferences asks for {components}, {depth} on {}; nobody has that",
                    clip.name
                ),
            }
            if clip.is_output() {
                clip.props.put(kOfxImageEffectPropFrameRate, Values::Double(vec![rate]));
            }
            if clip.is_output()
                && let Some(premult) = results.text(kOfxImageEffectPropPreMultiplication)
                && let Some(premult) = Premult::from_name(&premult)
            {
                format.premult = premult;
            }
            if !takes(clip, format.components) {
                bail!(
                    "GetClipPreferences asks for {components} on clip {}, which does not list it",
                    clip.name
                );
            }
            clip.agree(format);
        }
        Ok(())
    }

    /// Colourspaces that the plug-in prefers for a clip, the best first.
    pub fn preferred_colourspaces(&self, clip: &str) -> &[String] {
        self.colourspaces.get(clip).map_or(&[], Vec::as_slice)
    }

    /// GetOutputColourspace: the plug-in's answer for its output, if there is one.
    ///
    /// # Errors
    /// When the action returns an error.
    pub fn output_colourspace(&self, preferred: &[&str]) -> Result<Option<String>> {
        let arguments = self
            .arguments("GetOutputColourspace")
            .list(kOfxImageClipPropPreferredColourspaces, preferred)
            .build();
        let results =
            self.results("GetOutputColourspace").text(kOfxImageClipPropColourspace, "").build();
        let action = Action {
            arguments: Some(&arguments),
            results: Some(&results),
            ..Action::new(kOfxImageEffectActionGetOutputColourspace)
        };
        let status = self.plugin.call(&action.on(&self.effect));
        match status.0 {
            kOfxStatReplyDefault => Ok(None),
            kOfxStatOK => Ok(results.text(kOfxImageClipPropColourspace)),
            _ => bail!(
                "{} answered {status} to GetOutputColourspace{}",
                self.plugin.id(),
                self.plugin.said()
            ),
        }
    }

    /// Region of definition in canonical coordinates: the plug-in's, or the union of the inputs.
    ///
    /// # Errors
    /// When the action returns an error or an invalid region.
    pub fn region(&self, time: f64, scale: f64) -> Result<OfxRectD> {
        let fallback = self.default_region();
        let arguments = self
            .arguments("GetRegionOfDefinition")
            .doubles(kOfxPropTime, &[time])
            .doubles(kOfxImageEffectPropRenderScale, &[scale, scale])
            .build();
        let results = self
            .results("GetRegionOfDefinition")
            .doubles(
                kOfxImageEffectPropRegionOfDefinition,
                &[fallback.x1, fallback.y1, fallback.x2, fallback.y2],
            )
            .build();
        let action = Action {
            arguments: Some(&arguments),
            results: Some(&results),
            time: Some(time),
            ..Action::new(kOfxImageEffectActionGetRegionOfDefinition)
        };
        let status = self.plugin.call(&action.on(&self.effect));
        match (status.0, results.numbers(kOfxImageEffectPropRegionOfDefinition).as_slice()) {
            (kOfxStatReplyDefault, _) => Ok(fallback),
            (kOfxStatOK, [x1, y1, x2, y2]) if x1 <= x2 && y1 <= y2 => {
                // An infinite region is cut to the project or the inputs.
                let low = |v: f64, end: f64| {
                    if v.is_finite() && v <= kOfxFlagInfiniteMin.into() { end } else { v }
                };
                let high = |v: f64, end: f64| {
                    if v.is_finite() && v >= kOfxFlagInfiniteMax.into() { end } else { v }
                };
                Ok(OfxRectD {
                    x1: low(*x1, fallback.x1),
                    y1: low(*y1, fallback.y1),
                    x2: high(*x2, fallback.x2),
                    y2: high(*y2, fallback.y2),
                })
            }
            (kOfxStatOK, other) => bail!("GetRegionOfDefinition answers no region: {other:?}"),
            _ => Err(Refused(format!(
                "{} answered {status} to GetRegionOfDefinition{}",
                self.plugin.id(),
                self.plugin.said()
            )))?,
        }
    }

    fn default_region(&self) -> OfxRectD {
        let inputs =
            self.effect.clips().into_iter().filter(|clip| !clip.is_output() && !clip.is_optional());
        let union = inputs.filter_map(|clip| clip.region()).reduce(|a, b| OfxRectD {
            x1: a.x1.min(b.x1),
            y1: a.y1.min(b.y1),
            x2: a.x2.max(b.x2),
            y2: a.y2.max(b.y2),
        });
        let project = self.effect.project_size();
        union.unwrap_or_else(|| self.effect.host.behaviour().canonical(project))
    }

    /// Pixels of the region of definition at a scale. If all pictures have the same size, it is
    /// that of the project.
    ///
    /// # Errors
    /// As [`Instance::region`].
    pub fn bounds(&self, time: f64, scale: f64) -> Result<OfxRectI> {
        let region = self.region(time, scale)?;
        let all = self.effect.host.profile().multi_resolution;
        let region = if all { region } else { self.default_region() };
        Ok(self.effect.host.behaviour().pixels(region, scale))
    }

    /// GetRegionsOfInterest: canonical regions of the inputs that a region of the output needs.
    ///
    /// # Errors
    /// When the action returns an error.
    pub fn regions_of_interest(
        &self,
        time: f64,
        scale: f64,
        region: OfxRectD,
    ) -> Result<BTreeMap<String, OfxRectD>> {
        let rectangle = [region.x1, region.y1, region.x2, region.y2];
        let arguments = self
            .arguments("GetRegionsOfInterest")
            .doubles(kOfxPropTime, &[time])
            .doubles(kOfxImageEffectPropRenderScale, &[scale, scale])
            .doubles(kOfxImageEffectPropRegionOfInterest, &rectangle)
            .build();
        let inputs: Vec<_> =
            self.effect.clips().into_iter().filter(|clip| !clip.is_output()).collect();
        let name = |clip: &Clip| c_text(&format!("OfxImageClipPropRoI_{}", clip.name));
        let mut results = self.results("GetRegionsOfInterest");
        for clip in &inputs {
            results = results.doubles(&name(clip), &rectangle);
        }
        let results = results.build();
        let action = Action {
            arguments: Some(&arguments),
            results: Some(&results),
            time: Some(time),
            ..Action::new(kOfxImageEffectActionGetRegionsOfInterest)
        };
        let status = self.plugin.call(&action.on(&self.effect));
        if !status.is_fine() {
            bail!(
                "{} answered {status} to GetRegionsOfInterest{}",
                self.plugin.id(),
                self.plugin.said()
            );
        }
        let mut regions = BTreeMap::new();
        for clip in inputs {
            match results.numbers(&name(&clip)).as_slice() {
                [x1, y1, x2, y2] => {
                    regions
                        .insert(clip.name.clone(), OfxRectD { x1: *x1, y1: *y1, x2: *x2, y2: *y2 });
                }
                other => bail!(
                    "GetRegionsOfInterest answers no region for clip {}: {other:?}",
                    clip.name
                ),
            }
        }
        Ok(regions)
    }

    /// GetTimeDomain: first and last frame that the plug-in returns, if it does.
    ///
    /// # Errors
    /// When the action returns an error or an invalid range.
    pub fn time_domain(&self) -> Result<Option<(f64, f64)>> {
        let results = self
            .results("GetTimeDomain")
            .doubles(kOfxImageEffectPropFrameRange, &[0.0, 0.0])
            .build();
        let action =
            Action { results: Some(&results), ..Action::new(kOfxImageEffectActionGetTimeDomain) };
        let status = self.plugin.call(&action.on(&self.effect));
        match (status.0, results.numbers(kOfxImageEffectPropFrameRange).as_slice()) {
            (kOfxStatReplyDefault, _) => Ok(None),
            (kOfxStatOK, [first, last]) if first <= last => Ok(Some((*first, *last))),
            (kOfxStatOK, other) => bail!("GetTimeDomain answers no range: {other:?}"),
            _ => bail!(
                "{} answered {status} to GetTimeDomain{}",
                self.plugin.id(),
                self.plugin.said()
            ),
        }
    }

    /// GetFramesNeeded: ranges of frames of each input that a frame of the output needs.
    ///
    /// # Errors
    /// When the action returns an error or invalid ranges.
    pub fn frames_needed(&self, time: f64) -> Result<BTreeMap<String, Vec<(f64, f64)>>> {
        let arguments = self.arguments("GetFramesNeeded").doubles(kOfxPropTime, &[time]).build();
        let inputs: Vec<_> =
            self.effect.clips().into_iter().filter(|clip| !clip.is_output()).collect();
        let name = |clip: &Clip| c_text(&format!("OfxImageClipPropFrameRange_{}", clip.name));
        let names: Vec<CString> = inputs.iter().map(|clip| name(clip)).collect();
        let results = names
            .iter()
            .fold(self.results("GetFramesNeeded"), |set, name| set.number_list(name))
            .build();
        for name in &names {
            results.put(name, Values::Double(vec![time, time]));
        }
        let action = Action {
            arguments: Some(&arguments),
            results: Some(&results),
            time: Some(time),
            ..Action::new(kOfxImageEffectActionGetFramesNeeded)
        };
        let status = self.plugin.call(&action.on(&self.effect));
        if !status.is_fine() {
            bail!(
                "{} answered {status} to GetFramesNeeded{}",
                self.plugin.id(),
                self.plugin.said()
            );
        }
        let mut needed = BTreeMap::new();
        for (clip, name) in inputs.iter().zip(&names) {
            let numbers = results.numbers(name);
            if numbers.len() % 2 != 0 {
                bail!(
                    "GetFramesNeeded answers {} numbers for clip {}, not pairs",
                    numbers.len(),
                    clip.name
                );
            }
            needed.insert(
                clip.name.clone(),
                numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect(),
            );
        }
        Ok(needed)
    }

    /// IsIdentity: the clip and time whose picture equals the output, if any.
    ///
    /// # Errors
    /// When the action returns an error or names a clip that does not exist.
    pub fn identity(&self, request: FrameRequest) -> Result<Option<(String, f64)>> {
        let window = match request.window {
            Some(window) => window,
            None => self.bounds(request.time, request.scale)?,
        };
        let arguments = self
            .arguments("IsIdentity")
            .doubles(kOfxPropTime, &[request.time])
            .text(kOfxImageEffectPropFieldToRender, ascii(kOfxImageFieldNone))
            .ints(kOfxImageEffectPropRenderWindow, &[window.x1, window.y1, window.x2, window.y2])
            .doubles(kOfxImageEffectPropRenderScale, &[request.scale, request.scale])
            .build();
        let results = self
            .results("IsIdentity")
            .text(kOfxPropName, "")
            .doubles(kOfxPropTime, &[request.time])
            .build();
        let action = Action {
            arguments: Some(&arguments),
            results: Some(&results),
            time: Some(request.time),
            ..Action::new(kOfxImageEffectActionIsIdentity)
        };
        let status = self.plugin.call(&action.on(&self.effect));
        match status.0 {
            kOfxStatReplyDefault | kOfxStatReplyNo => Ok(None),
            kOfxStatOK | kOfxStatReplyYes => {
                let clip = results.text(kOfxPropName).unwrap_or_default();
                if clip.is_empty() || clip.as_bytes() == kOfxImageEffectOutputClipName.to_bytes() {
                    return Ok(None);
                }
                if self.effect.clip(&clip).is_none() {
                    bail!("IsIdentity names clip {clip}, which does not exist");
                }
                Ok(Some((
                    clip,
                    results.numbers(kOfxPropTime).first().copied().unwrap_or(request.time),
                )))
            }
            _ => {
                bail!("{} answered {status} to IsIdentity{}", self.plugin.id(), self.plugin.said())
            }
        }
    }
}

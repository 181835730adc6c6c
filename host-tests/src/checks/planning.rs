//! Checks of what the plug-in answers to questions about time and space.

use crate::{
    checks::{
        fixture::{Fixture, RANGE, Recipe, SIZE, must_render},
        outcome::{Checked, Stop, require},
    },
    host::Host,
    host::instance::{FrameRequest, Instance},
    host::status::Refused,
    host::sys::*,
};

/// Skips the check if the imitated host never asks this question.
fn asked(fixture: &Fixture, action: &str) -> Checked<()> {
    if fixture.profile.behaviour.asks_planning {
        Ok(())
    } else {
        Err(Stop::Skip(format!("{} never calls {action}", fixture.profile.label)))
    }
}

pub(super) fn frame_varying(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let recipe = Recipe { still: true, ..Recipe::default() };
        let instance = fixture.instance(plugin, context, &recipe)?;
        // An animated parameter already tells the host that frames differ.
        let animated = |param: &crate::host::param::Param| {
            param.props.int(kOfxParamPropIsAnimating) == Some(1)
        };
        if instance.effect().params.all().iter().any(|param| animated(param)) {
            return Ok("its parameters are animated".into());
        }
        let mut pictures = Vec::new();
        for time in [2.0, 3.0, 4.0, 6.0] {
            pictures.push((time, fixture.render(&instance, FrameRequest::at(time))?.bytes()));
        }
        let (_, first) = &pictures[0];
        let other = pictures.iter().find(|(_, bytes)| bytes != first);
        let varying = instance.preferences().frame_varying;
        match other {
            Some((time, _)) if !varying => Err(Stop::Fail(format!(
                "from still clips, frame {time} differs from frame {}, but FrameVarying is not set",
                pictures[0].0
            ))),
            Some(_) => Ok("changes over time and says so".into()),
            None => Ok("does not change over time".into()),
        }
    })
}

pub(super) fn frame_rate(fixture: &Fixture) -> Checked {
    let allowed =
        Host::new(fixture.profile).props().int(kOfxImageEffectPropSetableFrameRate) == Some(1);
    fixture.in_contexts(|plugin, context| {
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let rate = instance.preferences().rate;
        let usual = instance.effect().project().map_or(rate, |project| project.rate);
        require(rate == usual || allowed, || {
            format!(
                "{rate} frames per second were set, which {} does not allow",
                fixture.profile.label
            )
        })?;
        require(rate.is_finite() && rate > 0.0, || format!("the frame rate was set to {rate}"))?;
        let asks = fixture.profile.behaviour.asks_planning;
        let domain = if asks { instance.time_domain()? } else { None };
        let domain = domain.map(|(first, last)| format!(", frames {first} to {last}"));
        Ok(format!("{rate}{}", domain.unwrap_or_default()))
    })
}

pub(super) fn frames_needed(fixture: &Fixture) -> Checked {
    asked(fixture, "GetFramesNeeded")?;
    fixture.in_contexts(|plugin, context| {
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let clips = instance.effect().clips();
        let mut fetched_any = false;
        for time in [RANGE.0, 2.0, 3.0, 5.0, RANGE.1] {
            let needed = instance.frames_needed(time)?;
            for clip in &clips {
                clip.take_fetched();
            }
            fixture.render(&instance, FrameRequest::at(time))?;
            for clip in clips.iter().filter(|clip| !clip.is_output() && clip.footage().is_some()) {
                let ranges = needed.get(&clip.name).cloned().unwrap_or_default();
                for fetched in clip.take_fetched() {
                    fetched_any = true;
                    let known = |range: &(f64, f64)| (range.0..=range.1).contains(&fetched);
                    require(ranges.iter().any(known), || {
                        format!(
                            "frame {time} fetched frame {fetched} of {}, announced were {ranges:?}",
                            clip.name
                        )
                    })?;
                }
            }
        }
        Ok(if fetched_any { String::new() } else { "fetches no input".into() })
    })
}

pub(super) fn identity(fixture: &Fixture) -> Checked {
    asked(fixture, "IsIdentity")?;
    fixture.in_contexts(|plugin, context| {
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let mut found = 0;
        for time in 0..=10 {
            let request = FrameRequest::at(f64::from(time));
            let Some((clip, at)) = instance.identity(request)? else { continue };
            found += 1;
            let picture = instance.identity_picture(&clip, at, 1.0)?;
            let rendered = fixture.render(&instance, request)?;
            let depth = rendered.buffer.layout().depth;
            let other = rendered.picture();
            let same = picture.pixels.iter().flatten().zip(other.pixels.iter().flatten());
            let worst = same.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            require(worst <= 2.0 * depth.rounding(), || {
                format!("frame {time} is said to be frame {at} of {clip}, but differs by {worst}")
            })?;
        }
        Ok(format!("{found} of 11 frames"))
    })
}

pub(super) fn regions(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        for (time, scale) in [(RANGE.0, 1.0), (3.0, 1.0), (3.0, 0.5)] {
            let region = instance.region(time, scale)?;
            let finite = [region.x1, region.y1, region.x2, region.y2].iter().all(|v| v.is_finite());
            require(finite && region.x1 < region.x2 && region.y1 < region.y2, || {
                format!("the region of definition at frame {time}, scale {scale} is {region:?}")
            })?;
            for (clip, of_clip) in instance.regions_of_interest(time, scale, region)? {
                let corners: [f64; 4] = [of_clip.x1, of_clip.y1, of_clip.x2, of_clip.y2];
                require(corners.iter().all(|v| !v.is_nan()), || {
                    format!("the region of interest of {clip} at frame {time} is {of_clip:?}")
                })?;
            }
        }
        Ok(String::new())
    })
}

pub(super) fn cropped_inputs(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, _) = fixture.baseline(plugin, context)?;
        let mut setup = fixture.setup(plugin, context, &Recipe::default())?;
        // Drawings that extend beyond the project, as with overscan.
        setup.project.size = (SIZE.0 / 2, SIZE.1 / 2);
        for knows_regions in [true, false] {
            let render = |crops_inputs| -> Checked<_> {
                plugin.host().change(|behaviour| {
                    (behaviour.knows_regions, behaviour.crops_inputs) = (knows_regions, crops_inputs);
                });
                let instance = Instance::new(plugin, &setup)?;
                match instance.region(time, 1.0) {
                    // The plug-in needs regions that this host does not report, and says so.
                    Err(error) if !knows_regions && error.is::<Refused>() => Ok(None),
                    _ => must_render(&instance, FrameRequest::at(time), "drawings larger than the project")
                        .map(Some),
                }
            };
            let (Some(whole), Some(cropped)) = (render(false)?, render(true)?) else { continue };
            require(whole.bytes() == cropped.bytes(), || {
                let regions = if knows_regions { "" } else { ", which tells no regions of definition" };
                format!(
                    "the picture depends on pixels that GetRegionsOfInterest did not ask for, in a host that \
                     gives no others{regions}"
                )
            })?;
        }
        Ok(String::new())
    })
}

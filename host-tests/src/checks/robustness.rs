//! Checks of how the plug-in copes with hostile hosts and pictures.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    checks::{
        fixture::{Fixture, RANGE, Recipe, must_render},
        outcome::{Checked, Outcome, Stop, require},
    },
    host::MissingImage,
    host::chaos::Dice,
    host::clip::Format,
    host::instance::{FrameRequest, Instance},
    host::param::{Param, ParamType, Value},
    host::pixels::Depth,
    host::status::{Refused, Status},
    host::sys::*,
    pictures::picture::Picture,
};

pub(super) fn scale_mismatch(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, _) = fixture.baseline(plugin, context)?;
        for (stated, scale) in [(3.0, 1.0 / 3.0), (1.0, 0.25), (0.5, 1.0)] {
            plugin.host().change(|behaviour| behaviour.image_scale = Some(stated));
            let instance = fixture.instance(plugin, context, &Recipe::default())?;
            let what = format!("images that state scale {stated} in a render at {scale:.3}");
            must_render(&instance, FrameRequest { scale, ..FrameRequest::at(time) }, &what)?;
        }
        Ok(String::new())
    })
}

pub(super) fn spare_images(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, expected) = fixture.baseline(plugin, context)?;
        plugin.host().change(|behaviour| behaviour.spare_images = true);
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let rendered = instance.render(FrameRequest::at(time))?;
        if rendered.status.0 == kOfxStatErrMissingHostFeature {
            return Err(Stop::Skip("the plug-in needs all that images tell".into()));
        }
        require(rendered.status == Status::OK, || {
            let said = rendered.said().map(|text| format!(": {text}")).unwrap_or_default();
            format!(
                "images without scale, field and identifier: render answered {}{said}",
                rendered.status
            )
        })?;
        require(rendered.bytes() == expected, || "the picture is another one".into())?;
        Ok(String::new())
    })
}

pub(super) fn odd_sizes(fixture: &Fixture) -> Checked {
    let mut random = Dice::new(fixture.seed);
    let mut sizes = vec![(1, 1), (1, 7), (9, 1), (2, 3), (3, 2), (17, 13), (63, 5), (101, 67)];
    sizes.extend((0..3).map(|_| (1 + random.below(160), 1 + random.below(120))));
    let note = format!("seed {}", fixture.seed);
    fixture.in_contexts(|plugin, context| {
        let (time, _) = fixture.baseline(plugin, context)?;
        for size in &sizes {
            let (width, height) = *size;
            let what = format!("{width}x{height} ({note})");
            let recipe = Recipe { size: *size, ..Recipe::default() };
            let instance = fixture.instance(plugin, context, &recipe)?;
            let rendered = must_render(&instance, FrameRequest::at(time), &what)?;
            require(!rendered.buffer.has_unwritten(rendered.window), || {
                format!("{what}: pixels were left unwritten")
            })?;
        }
        Ok(note.clone())
    })
}

pub(super) fn odd_bounds(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, expected) = fixture.baseline(plugin, context)?;
        let mut moved = 0;
        for origin in [(-7, 11), (5, -3), (1920, 1080)] {
            plugin.host().change(|behaviour| behaviour.origin = origin);
            let instance = fixture.instance(plugin, context, &Recipe::default())?;
            let what = format!("pictures with their corner at {origin:?}");
            let rendered = must_render(&instance, FrameRequest::at(time), &what)?;
            require(!rendered.buffer.has_unwritten(rendered.window), || {
                format!("{what}: pixels were left unwritten")
            })?;
            moved += usize::from(rendered.bytes() != expected);
        }
        Ok(if moved == 0 { String::new() } else { "the picture depends on its place".into() })
    })
}

pub(super) fn finite_output(fixture: &Fixture) -> Checked {
    let passed = Mutex::new(None);
    let outcome = fixture.in_contexts(|plugin, context| {
        let (time, _) = fixture.baseline(plugin, context)?;
        let depths = plugin.descriptor().map(|d| d.depths()).unwrap_or_default();
        let floats = |depth: &Depth| depth.is_float() && plugin.host().gives_depth(*depth);
        let deep: Vec<Depth> = depths.into_iter().filter(floats).collect();
        if deep.is_empty() {
            return Err(Stop::Skip("no float depth is offered".into()));
        }
        // Some pixels of each kind, selected by their colour, which varies all over the drawings.
        let paint = |pixel: [f32; 4]| match (pixel[2] * 4096.0) as u32 % 13 {
            0 => [f32::NAN, pixel[1], pixel[2], 1.0],
            1 => [f32::INFINITY, pixel[1], f32::NEG_INFINITY, 1.0],
            2 => [pixel[0], pixel[1], f32::MAX, f32::NAN],
            _ => pixel,
        };
        for depth in deep {
            let format = Format { depth, ..Recipe::default().format };
            let instance = fixture.instance(
                plugin,
                context,
                &Recipe { format, paint, ..Recipe::default() },
            )?;
            for time in [time, 2.0] {
                for clip in instance.effect().clips() {
                    clip.take_fetched();
                }
                let picture =
                    must_render(&instance, FrameRequest::at(time), "NaN and infinity")?.picture();
                let count = picture.pixels.iter().filter(|pixel| is_wild(pixel)).count();
                if count == 0 {
                    continue;
                }
                let text =
                    format!("{count} pixels of frame {time} at {depth:?} are NaN or infinite");
                let inputs = inputs_of(&instance)?;
                let in_place =
                    inputs.iter().all(|input| input.pixels.len() == picture.pixels.len())
                        && (0..picture.pixels.len()).all(|at| {
                            !is_wild(&picture.pixels[at])
                                || inputs.iter().any(|input| is_wild(&input.pixels[at]))
                        });
                require(in_place, || format!("{text}, also where no input is"))?;
                if inputs.len() > 1 {
                    passed.lock().get_or_insert(text);
                }
            }
        }
        Ok(String::new())
    })?;
    Ok(passed.into_inner().map_or(outcome, Outcome::Warning))
}

fn is_wild(pixel: &[f32; 4]) -> bool {
    pixel.iter().any(|v| !v.is_finite())
}

/// The pictures fetched since the last call.
fn inputs_of(instance: &Instance) -> Checked<Vec<Arc<Picture>>> {
    let mut inputs = Vec::new();
    for clip in instance.effect().clips() {
        let times = clip.take_fetched();
        let Some(footage) = clip.footage().filter(|_| !clip.is_output()) else { continue };
        for time in times {
            inputs.extend(footage.picture(time)?);
        }
    }
    Ok(inputs)
}

/// The ways in which a clip can be without pictures: what is returned for its image, and whether it
/// is reported as connected. Few hosts return empty images, so only those are tested with all the
/// ways.
fn forms(fixture: &Fixture) -> Vec<(MissingImage, bool)> {
    let mut forms = vec![MissingImage::Unconnected, MissingImage::Black];
    if !matches!(
        fixture.profile.behaviour.missing_image,
        MissingImage::Unconnected | MissingImage::Black
    ) {
        forms.extend([MissingImage::Null, MissingImage::NoData]);
    }
    forms.into_iter().flat_map(|form| [(form, false), (form, true)]).collect()
}

/// Whether the imitated host itself does this.
fn is_own(fixture: &Fixture, (missing_image, connected): (MissingImage, bool)) -> bool {
    let own = fixture.profile.behaviour;
    (own.missing_image, own.always_connected) == (missing_image, connected)
}

pub(super) fn missing_clip(fixture: &Fixture) -> Checked {
    let black = Mutex::new(None);
    let outcome = fixture.in_contexts(|plugin, context| {
        let inputs = plugin.context(context)?.clips();
        let needed = fixture.needs(context)?.clips;
        let mandatory: Vec<String> = inputs
            .iter()
            .filter(|clip| !clip.is_output())
            .filter(|clip| !clip.is_optional() || needed.contains(&clip.name))
            .map(|clip| clip.name.clone())
            .collect();
        if mandatory.is_empty() {
            return Err(Stop::Skip("no clip is mandatory".into()));
        }
        let (time, expected) = fixture.baseline(plugin, context)?;
        for clip in &mandatory {
            for (missing_image, connected) in forms(fixture) {
                plugin.host().change(|behaviour| {
                    (behaviour.missing_image, behaviour.always_connected) = (missing_image, connected);
                    behaviour.prefills_output = false;
                });
                let recipe = Recipe { without: vec![clip.clone()], ..Recipe::default() };
                // Failing to create an instance is also an answer, if a late one.
                let Ok(instance) = fixture.instance(plugin, context, &recipe) else { continue };
                let rendered = match instance.render(FrameRequest::at(time)) {
                    Ok(rendered) => rendered,
                    // Refusing a question that precedes the render is also an answer.
                    Err(error) if error.is::<Refused>() => continue,
                    Err(error) => return Err(error.into()),
                };
                let blank = rendered.said().is_none() && !rendered.messages.is_empty();
                require(!blank, || {
                    format!(
                        "the message about {clip} is blank in {}: send the text itself as the format, with \
                         each percent sign doubled",
                        fixture.profile.label
                    )
                })?;
                let told = rendered.status != Status::OK || rendered.said().is_some();
                // With some parameters the clip may not be used.
                let unused = !told && rendered.bytes() == expected;
                let what =
                    format!("{clip} without pictures ({missing_image:?}, says connected: {connected})");
                // A host that returns black pictures instead of none gives the plug-in nothing to
                // notice.
                if told || unused || missing_image == MissingImage::Black {
                    continue;
                }
                let text = format!("{what}: the render answered OK without a message");
                // Hosts that follow the standard do not render if a required clip is missing.
                require(!needed.contains(clip), || text.clone())?;
                black.lock().get_or_insert(text);
            }
        }
        Ok(mandatory.join(", "))
    })?;
    Ok(black.into_inner().map_or(outcome, Outcome::Warning))
}

pub(super) fn optional_clip(fixture: &Fixture) -> Checked {
    let elsewhere = Mutex::new(None);
    let outcome = fixture.in_contexts(|plugin, context| {
        let needed = fixture.needs(context)?.clips;
        let clips = plugin.context(context)?.clips().into_iter();
        let optional = clips.filter(|clip| clip.is_optional() && !needed.contains(&clip.name));
        let names: Vec<String> = optional.map(|clip| clip.name.clone()).collect();
        if names.is_empty() {
            return Err(Stop::Skip("no clip is optional".into()));
        }
        let plain = fixture.instance(plugin, context, &Recipe::default())?;
        let time = fixture.busy_time(&plain)?;
        let full = Recipe { optional_too: true, ..Recipe::default() };
        let instance = fixture.instance(plugin, context, &full)?;
        // It must render with all clips; otherwise the context cannot be judged.
        fixture.render(&instance, FrameRequest::at(time))?;
        for (missing_image, connected) in forms(fixture) {
            plugin.host().change(|behaviour| {
                (behaviour.missing_image, behaviour.always_connected) = (missing_image, connected);
            });
            let instance = fixture.instance(plugin, context, &Recipe::default())?;
            let what = format!("no pictures ({missing_image:?}, says connected: {connected})");
            match must_render(&instance, FrameRequest::at(time), &what) {
                Err(Stop::Fail(text)) if !is_own(fixture, (missing_image, connected)) => {
                    elsewhere.lock().get_or_insert(text);
                }
                rendered => {
                    rendered?;
                }
            }
        }
        Ok(names.join(", "))
    })?;
    Ok(elsewhere.into_inner().map_or(outcome, Outcome::Warning))
}

pub(super) fn abort(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let time = fixture.busy_time(&instance)?;
        let mut longest = Duration::ZERO;
        let mut aborted = 0;
        for polls in [0, 1, 3] {
            instance.effect().abort_after(Some(polls));
            let started = Instant::now();
            let rendered = instance.render(FrameRequest::at(time))?;
            longest = longest.max(started.elapsed());
            let status = rendered.status;
            require(
                matches!(status.0, kOfxStatOK | kOfxStatFailed | kOfxStatReplyDefault),
                || format!("a render told to abort at poll {} answered {status}", polls + 1),
            )?;
            aborted += usize::from(status.0 == kOfxStatFailed);
        }
        instance.effect().abort_after(None);
        let started = Instant::now();
        fixture.render(&instance, FrameRequest::at(time))?;
        let normal = started.elapsed();
        let asked = instance.effect().polls();
        let limit = normal / 2 + Duration::from_millis(500);
        require(normal < Duration::from_secs(1) || longest < limit, || {
            format!(
                "renders took {normal:.1?}, and {longest:.1?} when told to abort ({asked} polls)"
            )
        })?;
        Ok(format!("{aborted} of 3 ended early; {asked} polls in a whole render"))
    })
}

pub(super) fn choice_values(fixture: &Fixture) -> Checked {
    let silent = Mutex::new(None);
    let outcome = fixture.in_contexts(|plugin, context| {
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let time = fixture.busy_time(&instance)?;
        let params = instance.effect().params.all();
        let choices = params.iter().filter(|param| param.kind == ParamType::Choice);
        let count = choices.inspect(|param| param.keep_untold()).count();
        let rendered = instance.render(FrameRequest::at(time))?;
        if rendered.status != Status::OK && rendered.said().is_none() {
            silent.lock().get_or_insert(format!(
                "without values of choices, render answered {} without a message",
                rendered.status
            ));
        }
        Ok(format!("{count} choices"))
    })?;
    Ok(silent.into_inner().map_or(outcome, Outcome::Warning))
}

pub(super) fn project_load(fixture: &Fixture) -> Checked {
    let note = format!("seed {}", fixture.seed);
    fixture.in_contexts(|plugin, context| {
        let mut random = Dice::new(fixture.seed);
        let mut setup = fixture.setup(plugin, context, &Recipe::default())?;
        let mut loaded = Instance::new(plugin, &setup)?;
        for param in loaded.effect().params.all() {
            // Values of the setup are kept, because the plug-in may need them to render.
            let given = setup.values.iter().any(|(id, ..)| *id == param.name);
            let Some(value) = any(&param, &mut random).filter(|_| !given) else { continue };
            let status = loaded.load_value(&param.name, value.clone(), RANGE.0)?;
            require(status.is_fine(), || {
                format!("InstanceChanged answered {status} to {} from a project", param.name)
            })?;
            setup.values.push((param.name.clone(), None, value));
        }
        // Formats may depend on parameters, so the host asks for them again.
        loaded.negotiate()?;
        let born = Instance::new(plugin, &setup)?;
        let time = fixture.busy_time(&born).unwrap_or(3.0);
        let (loaded, born) =
            (loaded.render(FrameRequest::at(time))?, born.render(FrameRequest::at(time))?);
        require(loaded.status == born.status && loaded.said() == born.said(), || {
            format!("render answered {} instead of {}", loaded.status, born.status)
        })?;
        require(born.status != Status::OK || loaded.bytes() == born.bytes(), || {
            "the picture is another one where values come from a project".into()
        })?;
        Ok(note.clone())
    })
}

pub(super) fn unlicensed(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let mut said = "needs none here";
        for wanted in [None, Some(kOfxUnlicensedContinue), Some(kOfxUnlicensedFail)] {
            plugin.host().change(|behaviour| {
                (behaviour.unlicensed, behaviour.prefills_output) = (wanted, false);
            });
            let instance = fixture.instance(plugin, context, &Recipe::default())?;
            let rendered = instance.render(FrameRequest::at(fixture.busy_time(&instance)?))?;
            if rendered.status.0 != kOfxStatUnlicensed {
                continue;
            }
            said = "says that it has none";
            require(wanted.is_some(), || {
                "render answered Unlicensed to a host that did not say what it wants then".into()
            })?;
            let drawn = !rendered.buffer.has_unwritten(rendered.window);
            require(wanted != Some(kOfxUnlicensedContinue) || drawn, || {
                "there is no picture although the host wants to go on without a licence".into()
            })?;
        }
        Ok(said.into())
    })
}

pub(super) fn param_values(fixture: &Fixture) -> Checked {
    let note = format!("seed {}", fixture.seed);
    fixture.in_contexts(|plugin, context| {
        let mut random = Dice::new(fixture.seed);
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let params = instance.effect().params.all();
        let params: Vec<_> = params.iter().filter(|param| param.kind.has_value()).collect();
        let set = |param: &Param, value: Value| -> Checked<()> {
            let text = format!("{value:?}");
            let status = instance.edit(&param.name, value, RANGE.0)?;
            require(status.is_fine(), || {
                format!("InstanceChanged answered {status} to {} = {text}", param.name)
            })
        };
        for param in &params {
            let before = param.value_at(RANGE.0);
            for value in ends(param) {
                set(param, value)?;
            }
            set(param, before)?;
        }
        let time = fixture.busy_time(&instance).unwrap_or(3.0);
        for case in 0..6 {
            for param in &params {
                if let Some(value) = any(param, &mut random) {
                    set(param, value)?;
                }
            }
            let rendered = instance.render(FrameRequest::at(time))?;
            require(rendered.status == Status::OK || rendered.said().is_some(), || {
                let values: Vec<_> =
                    params.iter().map(|p| format!("{} = {:?}", p.name, p.value_at(time))).collect();
                format!(
                    "case {case} of {note}: render answered {} without a message, with {}",
                    rendered.status,
                    values.join(", ")
                )
            })?;
        }
        Ok(note.clone())
    })
}

/// Lowest and highest value that a user can enter; all of a switch or choice.
fn ends(param: &Param) -> Vec<Value> {
    let numbers = |name| param.props.numbers(name);
    match param.kind {
        ParamType::Boolean => vec![Value::Ints(vec![0]), Value::Ints(vec![1])],
        ParamType::Choice => {
            let options = i32::try_from(param.options().len()).unwrap_or(0);
            (0..options).map(|option| Value::Ints(vec![option])).collect()
        }
        ParamType::Integer => [kOfxParamPropMin, kOfxParamPropMax]
            .map(|name| Value::Ints(numbers(name).iter().map(|v| *v as i32).collect()))
            .to_vec(),
        ParamType::Double => {
            [kOfxParamPropMin, kOfxParamPropMax].map(|name| Value::Doubles(numbers(name))).to_vec()
        }
        _ => Vec::new(),
    }
}

/// A random value within the display range, as a slider gives it.
fn any(param: &Param, random: &mut Dice) -> Option<Value> {
    let number = |random: &mut Dice| {
        let low = param.props.numbers(kOfxParamPropDisplayMin).first().copied()?;
        let high = param.props.numbers(kOfxParamPropDisplayMax).first().copied()?;
        Some(low + (high - low) * random.part())
    };
    match param.kind {
        ParamType::Boolean => Some(Value::Ints(vec![i32::from(random.part() < 0.5)])),
        ParamType::Choice => {
            let option = random.below(param.options().len());
            Some(Value::Ints(vec![i32::try_from(option).ok()?]))
        }
        ParamType::Integer => Some(Value::Ints(vec![number(random)?.round() as i32])),
        ParamType::Double => Some(Value::Doubles(vec![number(random)?])),
        _ => None,
    }
}

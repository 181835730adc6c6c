//! Checks of what the plug-in renders.

use std::sync::Arc;

use crate::{
    checks::{
        fixture::{Fixture, RANGE, Recipe, must_render},
        outcome::{Checked, Outcome, Stop, require},
    },
    host::clip::Format,
    host::instance::{FrameRequest, Instance},
    host::journal::Rule,
    host::pixels::{Components, Depth, Premult, Rows},
    host::plugin::Plugin,
    host::sys::*,
    pictures::picture::Picture,
};

pub(super) fn renders(fixture: &Fixture) -> Checked {
    let mut unwilling = Vec::new();
    let contexts = fixture.contexts(&*fixture.started()?)?;
    let mut done = Vec::new();
    for context in &contexts {
        let plugin = fixture.started()?;
        let name = crate::host::effect::short(context).to_owned();
        let instance = fixture.instance(&plugin, context, &Recipe::default())?;
        instance.begin(RANGE, 1.0, 1.0);
        let mut refused = None;
        for time in 1..=9 {
            match fixture.render(&instance, FrameRequest::at(f64::from(time))) {
                Ok(_) => {}
                Err(Stop::Skip(text)) => {
                    refused = Some(text);
                    break;
                }
                Err(Stop::Fail(text)) => return Err(Stop::Fail(format!("{name}: {text}"))),
            }
        }
        instance.end(RANGE, 1.0, 1.0);
        match refused {
            None => done.push(name),
            Some(text) => unwilling.push(format!("{name}: {text}")),
        }
    }
    match (done.is_empty(), unwilling.is_empty()) {
        (_, true) => Ok(Outcome::Success(done.join(", "))),
        // A host that gives a single clip and no other times may leave the effect nothing to work
        // with.
        (true, false) if !fixture.profile.temporal => Err(Stop::Skip(unwilling.join("; "))),
        (true, false) => Err(Stop::Fail(unwilling.join("; "))),
        (false, false) => Ok(Outcome::Warning(unwilling.join("; "))),
    }
}

pub(super) fn whole_window(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        // Switched off, because a copy of the source would hide pixels that the plug-in does not
        // write.
        plugin.host().change(|behaviour| behaviour.prefills_output = false);
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        for time in [fixture.busy_time(&instance)?, RANGE.0, RANGE.1] {
            let rendered = fixture.render(&instance, FrameRequest::at(time))?;
            require(!rendered.buffer.has_unwritten(rendered.window), || {
                format!("pixels of frame {time} were not written")
            })?;
        }
        Ok(String::new())
    })
}

fn does_tiles(fixture: &Fixture, plugin: &Plugin) -> bool {
    let descriptor = plugin.descriptor();
    let says = descriptor.and_then(|d| d.props.int(kOfxImageEffectPropSupportsTiles));
    fixture.profile.tiles && says != Some(0)
}

/// A part of the frame's pixels, with edges in 64ths of its width and 48ths of its height. `None`
/// if it is empty.
fn window(full: OfxRectI, x1: i32, y1: i32, x2: i32, y2: i32) -> Option<OfxRectI> {
    let x = |part: i32| full.x1 + (full.x2 - full.x1) * part / 64;
    let y = |part: i32| full.y1 + (full.y2 - full.y1) * part / 48;
    let window = OfxRectI { x1: x(x1), y1: y(y1), x2: x(x2), y2: y(y2) };
    (window.x1 < window.x2 && window.y1 < window.y2).then_some(window)
}

pub(super) fn window_respected(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        plugin.host().change(|behaviour| behaviour.prefills_output = false);
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let time = fixture.busy_time(&instance)?;
        let full = instance.bounds(time, 1.0)?;
        let mut windows = vec![full];
        if does_tiles(fixture, plugin) {
            windows
                .extend(window(full, 5, 7, 38, 31).into_iter().chain(window(full, 0, 47, 64, 48)));
        }
        for window in windows {
            fixture.render(
                &instance,
                FrameRequest { window: Some(window), ..FrameRequest::at(time) },
            )?;
        }
        let found = plugin.host().journal().violations_of(Rule::OutsideWindow);
        require(found.is_empty(), || found.join("; "))?;
        Ok(String::new())
    })
}

pub(super) fn inputs_untouched(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        plugin.host().change(|behaviour| behaviour.watches_inputs = true);
        let recipe = Recipe { optional_too: true, ..Recipe::default() };
        let instance = fixture.instance(plugin, context, &recipe)?;
        for time in [fixture.busy_time(&instance)?, RANGE.0, RANGE.1] {
            fixture.render(&instance, FrameRequest::at(time))?;
        }
        let found = plugin.host().journal().violations_of(Rule::InputWritten);
        require(found.is_empty(), || found.join("; "))?;
        Ok(String::new())
    })
}

/// Depths and components that plug-in and host both support for the clips of a context.
fn offered(plugin: &Plugin, context: &str) -> Checked<(Vec<Depth>, Vec<Components>)> {
    let host = plugin.host();
    let depths = plugin.descriptor().map(|d| d.depths()).unwrap_or_default();
    let depths = depths.into_iter().filter(|depth| host.gives_depth(*depth)).collect();
    let clips = plugin.context(context)?.clips();
    let takes = |components: &Components| {
        let name = components.name().to_string_lossy().into_owned();
        clips
            .iter()
            .filter(|clip| !clip.is_optional())
            .all(|clip| clip.props.texts(kOfxImageEffectPropSupportedComponents).contains(&name))
    };
    let components = Components::ALL.into_iter().filter(|c| host.gives_components(*c) && takes(c));
    Ok((depths, components.collect()))
}

pub(super) fn formats(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, _) = fixture.baseline(plugin, context)?;
        let (depths, all) = offered(plugin, context)?;
        for components in &all {
            // Integer and float depths are compared separately: an effect may take one as
            // display-referred and the other as linear light.
            for float in [true, false] {
                let same = |depth: &Depth| depths.contains(depth) && depth.is_float() == float;
                let mut finest: Option<Picture> = None;
                for depth in Depth::ALL.into_iter().filter(same) {
                    let what = format!("{depth:?} {components:?}");
                    let format = Format { depth, components: *components, premult: Premult::Un };
                    let recipe = Recipe { format, ..Recipe::default() };
                    let instance = fixture.instance(plugin, context, &recipe)?;
                    let picture = must_render(&instance, FrameRequest::at(time), &what)?.picture();
                    let Some(reference) = &finest else {
                        finest = Some(picture);
                        continue;
                    };
                    let apart = mean_difference(reference, &picture);
                    require(apart < 0.01, || {
                        format!("{what} shows another picture: {apart:.3} apart in the mean")
                    })?;
                }
            }
        }
        Ok(format!("{} depths, {} components", depths.len(), all.len()))
    })
}

fn mean_difference(a: &Picture, b: &Picture) -> f32 {
    let samples = a.pixels.iter().flatten().zip(b.pixels.iter().flatten());
    samples.map(|(a, b)| (a - b).abs()).sum::<f32>() / (4 * a.pixels.len()).max(1) as f32
}

pub(super) fn premultiplication(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, _) = fixture.baseline(plugin, context)?;
        for premult in [Premult::Un, Premult::Pre, Premult::Opaque] {
            let paint = match premult {
                Premult::Opaque => |[r, g, b, _]: [f32; 4]| [r, g, b, 1.0],
                _ => |pixel| pixel,
            };
            let format = Format { premult, ..Recipe::default().format };
            let recipe = Recipe { format, paint, ..Recipe::default() };
            let instance = fixture.instance(plugin, context, &recipe)?;
            must_render(&instance, FrameRequest::at(time), &format!("{premult:?}"))?;
        }
        Ok(String::new())
    })
}

pub(super) fn row_layouts(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, expected) = fixture.baseline(plugin, context)?;
        for rows in [Rows::Upward, Rows::Downward] {
            for padding in [0, 4, 20, 256] {
                plugin
                    .host()
                    .change(|behaviour| (behaviour.rows, behaviour.padding) = (rows, padding));
                let instance = fixture.instance(plugin, context, &Recipe::default())?;
                let what = format!("rows {rows:?} with {padding} bytes between them");
                let rendered = must_render(&instance, FrameRequest::at(time), &what)?;
                require(rendered.bytes() == expected, || format!("{what} give another picture"))?;
            }
        }
        Ok(String::new())
    })
}

pub(super) fn tiles(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        if !does_tiles(fixture, plugin) {
            return Err(Stop::Skip("plug-in or host does no tiles".into()));
        }
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let time = fixture.busy_time(&instance)?;
        let whole = fixture.render(&instance, FrameRequest::at(time))?;
        let full = instance.bounds(time, 1.0)?;
        for tile in [(0, 0, 29, 17), (29, 0, 64, 17), (0, 17, 29, 48), (29, 17, 64, 48)] {
            let window = window(full, tile.0, tile.1, tile.2, tile.3);
            let request = FrameRequest { window, ..FrameRequest::at(time) };
            let part = must_render(&instance, request, &format!("tile {tile:?}"))?;
            require(part.bytes() == whole.buffer.window_bytes(part.window), || {
                format!("tile {tile:?} differs from that part of the whole frame")
            })?;
        }
        Ok(String::new())
    })
}

pub(super) fn deterministic(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, expected) = fixture.baseline(plugin, context)?;
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        for round in 2..=3 {
            let bytes = must_render(&instance, FrameRequest::at(time), "again")?.bytes();
            require(bytes == expected, || format!("render {round} of frame {time} differs"))?;
            instance.action(kOfxActionPurgeCaches);
        }
        Ok(String::new())
    })
}

pub(super) fn independent(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let one = fixture.instance(plugin, context, &Recipe::default())?;
        let times = [2.0, 3.0, 4.0, 6.0];
        let mut expected = Vec::new();
        for time in times {
            expected.push(fixture.render(&one, FrameRequest::at(time))?.bytes());
        }
        one.destroy();
        for (time, expected) in times.iter().zip(&expected).rev() {
            let instance = fixture.instance(plugin, context, &Recipe::default())?;
            let bytes = must_render(&instance, FrameRequest::at(*time), "a new instance")?.bytes();
            require(&bytes == expected, || {
                format!("frame {time} by a new instance differs from the one rendered in order")
            })?;
        }
        Ok(String::new())
    })
}

pub(super) fn threads(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let safety =
            plugin.descriptor().and_then(|d| d.props.text(kOfxImageEffectPluginRenderThreadSafety));
        let safety = safety.unwrap_or_default();
        if safety.as_bytes() == kOfxImageEffectRenderUnsafe.to_bytes() {
            return Err(Stop::Skip(
                "the plug-in says that its renders are unsafe in threads".into(),
            ));
        }
        let shared = safety.as_bytes() == kOfxImageEffectRenderFullySafe.to_bytes();
        let times: Vec<f64> = (0..8).map(|at| 1.5 + 0.75 * f64::from(at)).collect();
        // The threads render first, so that the plug-in cannot remember anything from the renders
        // in order.
        let first = Arc::new(fixture.instance(plugin, context, &Recipe::default())?);
        fixture.render(&first, FrameRequest::at(fixture.busy_time(&first)?))?;
        let results: Vec<Checked<Vec<u8>>> = std::thread::scope(|scope| {
            let renders: Vec<_> = times
                .iter()
                .map(|time| {
                    let first = Arc::clone(&first);
                    scope.spawn(move || {
                        let own;
                        let instance: &Instance = if shared {
                            &first
                        } else {
                            own = fixture.instance(plugin, context, &Recipe::default())?;
                            &own
                        };
                        Ok(must_render(instance, FrameRequest::at(*time), "in threads")?.bytes())
                    })
                })
                .collect();
            let joined = renders.into_iter().map(|render| {
                render.join().unwrap_or_else(|_| Err(Stop::Fail("a render thread panicked".into())))
            });
            joined.collect()
        });
        let fresh = fixture.instance(plugin, context, &Recipe::default())?;
        for (time, result) in times.iter().zip(results) {
            let expected = must_render(&fresh, FrameRequest::at(*time), "alone")?.bytes();
            require(result? == expected, || {
                format!("frame {time} differs when threads render at once")
            })?;
        }
        Ok(format!(
            "8 threads on {}",
            if shared { "one instance" } else { "instances of their own" }
        ))
    })
}

pub(super) fn render_scale(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, _) = fixture.baseline(plugin, context)?;
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        for scale in [0.5, 0.25, 1.0 / 3.0] {
            let request = FrameRequest { scale, ..FrameRequest::at(time) };
            let rendered = must_render(&instance, request, &format!("scale {scale:.3}"))?;
            require(!rendered.buffer.has_unwritten(rendered.window), || {
                format!("pixels were left unwritten at scale {scale:.3}")
            })?;
        }
        let found = plugin.host().journal().violations_of(Rule::OutsideWindow);
        require(found.is_empty(), || found.join("; "))?;
        Ok(String::new())
    })
}

pub(super) fn hdr_kept(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let (time, _) = fixture.baseline(plugin, context)?;
        let (depths, _) = offered(plugin, context)?;
        let deep: Vec<Depth> = depths.into_iter().filter(|depth| depth.is_float()).collect();
        if deep.is_empty() {
            return Err(Stop::Skip("no float depth is offered".into()));
        }
        for depth in &deep {
            let format = Format { depth: *depth, ..Recipe::default().format };
            let paint = |[r, g, b, _]: [f32; 4]| [r * 4.0 + 3.0, g * 4.0 + 3.0, b * 4.0 + 3.0, 1.0];
            let plain = Recipe { format, ..Recipe::default() };
            let plain = fixture.instance(plugin, context, &plain)?;
            let plain = must_render(&plain, FrameRequest::at(time), "plain drawings")?.picture();
            let recipe = Recipe { format, paint, ..Recipe::default() };
            let instance = fixture.instance(plugin, context, &recipe)?;
            let picture =
                must_render(&instance, FrameRequest::at(time), "bright drawings")?.picture();
            if picture == plain {
                return Err(Stop::Skip("the picture does not come from the clips".into()));
            }
            let output = instance.effect().clip(&kOfxImageEffectOutputClipName.to_string_lossy());
            if output.and_then(|clip| clip.format()).is_none_or(|format| !format.depth.is_float()) {
                return Err(Stop::Skip("the output is of an integer depth".into()));
            }
            let at_the_end = |pixel: &&[f32; 4]| pixel[..3].iter().all(|v| (v - 1.0).abs() < 1e-3);
            let clamped = picture.pixels.iter().filter(at_the_end).count();
            require(clamped == 0, || {
                format!("of drawings of 3 to 7, {clamped} pixels came out as 1 at {depth:?}")
            })?;
        }
        Ok(format!("{deep:?}"))
    })
}

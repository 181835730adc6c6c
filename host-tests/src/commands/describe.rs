//! `describe`: shows what a plug-in says about itself.

use std::{ffi::CStr, path::Path};

use anyhow::Result;
use serde::Serialize;

use crate::{
    host::Host,
    host::binary::{self, Binary},
    host::effect::{Effect, short},
    host::param::Param,
    host::plugin::Plugin,
    host::profile::Profile,
    host::props::Values,
    host::sys::*,
};

/// A plug-in.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names say what they are")]
pub struct PluginInfo {
    pub file: String,
    pub id: String,
    pub version: String,
    pub label: String,
    pub group: String,
    pub description: String,
    pub depths: Vec<String>,
    pub render_safety: String,
    pub contexts: Vec<ContextInfo>,
}

/// A plug-in in one context.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names say what they are")]
pub struct ContextInfo {
    pub context: String,
    pub clips: Vec<ClipInfo>,
    pub params: Vec<ParamInfo>,
}

/// A clip.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names say what they are")]
pub struct ClipInfo {
    pub name: String,
    pub optional: bool,
    pub temporal: bool,
    pub components: Vec<String>,
}

/// A parameter.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names say what they are")]
pub struct ParamInfo {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub label: String,
    /// Hosts hide it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_range: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parent: String,
}

/// Describes all plug-ins of the files at `path`.
///
/// # Errors
/// When a file cannot be opened, or a plug-in in it cannot be described.
pub fn describe(path: &Path, profile: &'static Profile) -> Result<Vec<PluginInfo>> {
    let mut plugins = Vec::new();
    for file in binary::find(path)? {
        let binary = Binary::open(&file)?;
        for id in binary.ids() {
            let host = Host::new(profile);
            let plugin = Plugin::new(&binary, Some(&id), &host)?;
            plugin.start()?;
            plugins.push(plugin_info(&plugin)?);
        }
    }
    Ok(plugins)
}

fn plugin_info(plugin: &Plugin) -> Result<PluginInfo> {
    let descriptor = plugin.descriptor();
    let text = |name| descriptor.as_ref().and_then(|d| d.props.text(name)).unwrap_or_default();
    let mut contexts = Vec::new();
    for context in plugin.contexts() {
        contexts.push(context_info(&*plugin.context(&context)?, &context));
    }
    let depths =
        descriptor.as_ref().map(|d| d.props.texts(kOfxImageEffectPropSupportedPixelDepths));
    let (major, minor) = plugin.version();
    Ok(PluginInfo {
        file: plugin.path().display().to_string(),
        id: plugin.id(),
        version: format!("{major}.{minor}"),
        label: text(kOfxPropLabel),
        group: text(kOfxImageEffectPluginPropGrouping),
        description: text(kOfxPropPluginDescription),
        depths: depths
            .unwrap_or_default()
            .iter()
            .map(|d| d.trim_start_matches("OfxBitDepth").to_owned())
            .collect(),
        render_safety: text(kOfxImageEffectPluginRenderThreadSafety)
            .replace("OfxImageEffectRender", ""),
        contexts,
    })
}

fn context_info(effect: &Effect, context: &str) -> ContextInfo {
    let clips = effect.clips().into_iter().map(|clip| ClipInfo {
        name: clip.name.clone(),
        optional: clip.is_optional(),
        temporal: clip.props.int(kOfxImageEffectPropTemporalClipAccess) == Some(1),
        components: strip(
            clip.props.texts(kOfxImageEffectPropSupportedComponents),
            "OfxImageComponent",
        ),
    });
    let params = effect.params.all().into_iter().map(|param| param_info(&param));
    ContextInfo {
        context: short(context).to_owned(),
        clips: clips.collect(),
        params: params.collect(),
    }
}

fn strip(names: Vec<String>, prefix: &str) -> Vec<String> {
    names.iter().map(|name| name.trim_start_matches(prefix).to_owned()).collect()
}

fn param_info(param: &Param) -> ParamInfo {
    let values = |name: &CStr| {
        let values: Vec<String> = match param.props.values(name)? {
            Values::Int(v) => v.iter().map(ToString::to_string).collect(),
            Values::Double(v) => v.iter().map(ToString::to_string).collect(),
            Values::Text(v) => {
                v.iter().map(|text| format!("{:?}", text.to_string_lossy())).collect()
            }
            Values::Pointer(_) => return None,
        };
        Some(values.join(","))
    };
    let range = |low, high| {
        param
            .props
            .was_set(low)
            .then(|| Some(format!("{}..{}", values(low)?, values(high)?)))
            .flatten()
    };
    let options = param.options();
    let default = values(kOfxParamPropDefault).filter(|_| param.kind.has_value());
    let label = default.as_ref().and_then(|index| options.get(index.parse::<usize>().ok()?));
    ParamInfo {
        id: param.name.clone(),
        kind: param.kind.short_name(),
        label: param.props.text(kOfxPropLabel).unwrap_or_default(),
        secret: param.props.int(kOfxParamPropSecret) == Some(1),
        default: match label {
            Some(label) => Some(format!("{} ({label})", default.unwrap_or_default())),
            None => default,
        },
        range: range(kOfxParamPropMin, kOfxParamPropMax),
        display_range: range(kOfxParamPropDisplayMin, kOfxParamPropDisplayMax),
        options,
        hint: param.props.text(kOfxParamPropHint).unwrap_or_default(),
        parent: param.props.text(kOfxParamPropParent).unwrap_or_default(),
    }
}

/// Prints the descriptions as text for people.
pub fn print(plugins: &[PluginInfo]) {
    for plugin in plugins {
        println!("{} {}  \"{}\" in {}", plugin.id, plugin.version, plugin.label, plugin.group);
        println!("  file {}", plugin.file);
        println!("  depths {}; renders are {}", plugin.depths.join(", "), plugin.render_safety);
        for context in &plugin.contexts {
            println!("  context {}", context.context);
            for clip in &context.clips {
                let optional = if clip.optional { ", optional" } else { "" };
                let temporal = if clip.temporal { ", of other times too" } else { "" };
                println!(
                    "    clip {:<12} {}{optional}{temporal}",
                    clip.name,
                    clip.components.join(", ")
                );
            }
            for param in &context.params {
                print!("    {:<20} {:<10} \"{}\"", param.id, param.kind, param.label);
                if !param.parent.is_empty() {
                    print!(" in {}", param.parent);
                }
                if param.secret {
                    print!(" secret");
                }
                if let Some(default) = &param.default {
                    print!(" default {default}");
                }
                if let Some(range) = &param.range {
                    print!(" range {range}");
                }
                if let Some(range) = &param.display_range {
                    print!(" shown {range}");
                }
                if !param.options.is_empty() {
                    print!(" options {}", param.options.join(" | "));
                }
                println!();
                if !param.hint.is_empty() {
                    println!("      {}", param.hint.replace('\n', "\n      "));
                }
            }
        }
    }
}

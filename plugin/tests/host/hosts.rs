//! What individual hosts do, and how the plug-in must react.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_tests::checks::{Check, fixture::Fixture, outcome::Outcome};
use host_tests::commands::describe::describe;
use host_tests::host::Host;
use host_tests::host::effect::Project;
use host_tests::host::instance::{FrameRequest, Instance};
use host_tests::host::journal::Rule;
use host_tests::host::param::{ParamType, Value};
use host_tests::host::plugin::Plugin;
use host_tests::host::profile::Profile;
use host_tests::host::props::Values;
use host_tests::host::status::Status;
use host_tests::host::sys::*;
use host_tests::pictures::footage::{Footage, Moving};
use host_tests::pictures::picture::Picture;

use crate::bench::{
    SIZE, alone, command, frame, instance, library, plugin, press, refusal, span, span_with,
    succeeded, text, weights,
};

/// An instance in a host other than Natron, with a moving disc in Source.
fn in_host(profile: &str, context: &std::ffi::CStr, values: &[(&str, &str)]) -> Instance {
    let plugin =
        Plugin::open(&library(), None, &Host::new(Profile::find(profile).unwrap())).unwrap();
    plugin.start().unwrap();
    made(&plugin, context, values, Some(SIZE))
}

fn made(
    plugin: &Arc<Plugin>,
    context: &std::ffi::CStr,
    values: &[(&str, &str)],
    connected: Option<(usize, usize)>,
) -> Instance {
    let size = connected.unwrap_or(SIZE);
    let moving = Moving::new(size, (1.0, 9.0), move |time| {
        Picture::from_fn(size.0, size.1, |x, y| {
            let far = (x as f32 - 16.0 - 4.0 * time as f32).hypot(y as f32 - 24.0) - 11.0;
            if far < 0.0 { [0.9, 0.5, 0.3, 1.0] } else { [0.8, 0.85, 0.9, 1.0] }
        })
    });
    let footage = connected.map(|_| ("Source".to_owned(), Arc::new(moving) as Arc<dyn Footage>));
    let project = Project { size, range: (1.0, 9.0), rate: 24.0 };
    instance(plugin, context, project, footage.into_iter().collect(), values)
}

#[test]
fn an_instance_that_has_complained_goes_without_a_call_of_the_host() {
    alone("hosts::an_instance_that_has_complained_goes_without_a_call_of_the_host", |_| {
        let plugin = plugin(true);
        let instance = span(&plugin, &[("engine", "ToonCrafter")]);
        refusal(&instance, 5.0);
        assert_eq!(instance.destroy(), Some(Status::OK));
        let late = plugin.host().journal().violations_of(Rule::Action);
        assert!(late.is_empty(), "{late:?}");
    });
}

#[test]
fn a_message_arrives_in_every_host_with_its_percent_signs() {
    alone("hosts::a_message_arrives_in_every_host_with_its_percent_signs", |_| {
        for profile in ["natron", "nuke", "resolve", "fusion", "mlt", "bare"] {
            let values = [("timingChart", "Custom"), ("customChart", "140% 20%")];
            let said = refusal(&in_host(profile, kOfxImageEffectContextFilter, &values), 5.0);
            assert!(said.contains("140%") && !said.contains("%%"), "{profile}: {said}");
        }
    });
}

#[test]
fn the_product_keeps_the_rules_that_hosts_brought_to_light() {
    alone("hosts::the_product_keeps_the_rules_that_hosts_brought_to_light", |_| {
        let checks = ["param-names", "calls-allowed", "missing-clip", "cropped-inputs"];
        for check in checks.into_iter().chain(["choice-values", "project-load"]) {
            for profile in ["natron", "nuke", "resolve"] {
                let fixture = Fixture::new(library(), None, Profile::find(profile).unwrap(), 7);
                let outcome = Check::find(check).unwrap().run(&fixture);
                assert!(matches!(outcome, Outcome::Success(_)), "{check}, {profile}: {outcome:?}");
            }
        }
        // With keys in files, which the check writes for hosts that deliver no other frames.
        let fixture = Fixture::new(library(), None, Profile::find("mlt").unwrap(), 7);
        let outcome = Check::find("renders").unwrap().run(&fixture);
        assert!(matches!(outcome, Outcome::Success(_)), "renders, mlt: {outcome:?}");
    });
}

#[test]
fn every_parameter_is_described_with_its_label_and_hint() {
    alone("hosts::every_parameter_is_described_with_its_label_and_hint", |_| {
        let described = describe(&library(), Profile::find("natron").unwrap()).unwrap();
        let general =
            described[0].contexts.iter().find(|found| found.context == "General").unwrap();
        let param = |id: &str| general.params.iter().find(|param| param.id == id).unwrap();
        for param in &general.params {
            assert!(!param.label.is_empty(), "{}", param.id);
            let holds = !matches!(param.kind.as_str(), "Group" | "Page");
            assert!(!holds || param.secret || param.hint.ends_with('.'), "{}", param.id);
        }
        let chart = param("timingChart");
        assert_eq!((chart.label.as_str(), chart.secret), ("Timing chart", false));
        assert!(
            chart.options.iter().any(|option| option == "Ease in and out"),
            "{:?}",
            chart.options
        );
        assert!(param("revision").secret && param("worker").secret);
    });
}

/// An endpoint where a process listens but accepts no one, with its backlog full of connections
/// whose clients have gone.
#[cfg(unix)]
#[test]
fn unload_waits_for_no_worker_that_takes_nobody_in() {
    use inbetween_core::remote::endpoint::Endpoint;
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    alone("hosts::unload_waits_for_no_worker_that_takes_nobody_in", |folder| {
        let endpoint = Endpoint::at(&folder.join("socket"));
        endpoint.prepare().unwrap();
        let deaf = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        bind(&deaf, &SocketAddrUnix::new(endpoint.socket_file()).unwrap()).unwrap();
        listen(&deaf, 1).unwrap();
        while endpoint.connect().is_ok() {}
        let plugin = plugin(true);
        let weights = weights(folder, "full");
        let with = [("engine", "ToonCrafter"), ("checkpoint", weights.as_str()), ("steps", "2")];
        let instance = span(&plugin, &[&with[..], &[("device", "Processor")]].concat());
        press(&instance, "generate");
        let said = text(&instance, "statusText");
        assert!(said.contains("Drawing 7 in-betweens with ToonCrafter"), "{said}");
        std::thread::sleep(Duration::from_millis(500));
        press(&instance, "status");
        let said = text(&instance, "statusText");
        assert!(said.contains("Drawing 7 in-betweens, 0 %"), "it waits for its turn: {said}");
        let since = Instant::now();
        assert_eq!(instance.destroy(), Some(Status::OK));
        assert_eq!(plugin.unload(), Some(Status::OK));
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    });
}

#[test]
fn a_project_cannot_choose_a_program() {
    alone("hosts::a_project_cannot_choose_a_program", |folder| {
        let plugin = plugin(true);
        let weights = weights(folder, "full");
        let mark = folder.join("was-run");
        let program = stranger(folder, &mark);
        let with = [
            ("engine", "ToonCrafter"),
            ("checkpoint", weights.as_str()),
            ("steps", "2"),
            ("device", "Processor"),
            ("worker", program.as_str()),
        ];
        let instance = span(&plugin, &with);
        let rendered = succeeded(instance.render(FrameRequest::at(5.0)).unwrap());
        assert!(!mark.exists(), "the program that the project names was run");
        let said = rendered.said().expect("the artist is told").to_owned();
        assert!(said.contains(&program) && said.contains("INBETWEEN_WORKER"), "{said}");
        let flow = span(&plugin, &[("engine", "Flow"), ("worker", program.as_str())]);
        assert_eq!(
            flow.render(FrameRequest::at(5.0)).unwrap().said(),
            None,
            "nothing would run it"
        );
    });
}

/// A program that leaves a mark when it runs.
fn stranger(folder: &Path, mark: &Path) -> String {
    let program = folder.join("stranger");
    std::fs::write(&program, format!("#!/bin/sh\ntouch '{}'\nexit 1\n", mark.display())).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    program.to_str().unwrap().to_owned()
}

#[test]
fn keys_are_whole_where_the_host_tells_no_regions() {
    alone("hosts::keys_are_whole_where_the_host_tells_no_regions", |_| {
        let plugin = plugin(false);
        plugin.host().change(|behaviour| behaviour.knows_regions = false);
        let instance = span(&plugin, &[("engine", "Flow")]);
        let some = OfxRectD { x1: 4.0, y1: 4.0, x2: 8.0, y2: 8.0 };
        let regions = instance.regions_of_interest(5.0, 1.0, some).unwrap();
        for clip in ["Source", "KeyB"] {
            let region = regions[clip];
            let whole = region.x1 <= 0.0
                && region.y1 <= 0.0
                && region.x2 >= SIZE.0 as f64
                && region.y2 >= SIZE.1 as f64;
            assert!(whole, "{clip}: {region:?}");
        }
    });
}

#[test]
fn times_in_one_clip_are_refused_where_there_is_only_the_current_frame() {
    alone("hosts::times_in_one_clip_are_refused_where_there_is_only_the_current_frame", |_| {
        let values = [("keysFrom", "Times in one clip")];
        let said = refusal(&in_host("mlt", kOfxImageEffectContextFilter, &values), 5.0);
        assert!(said.contains("no other frames") && said.contains("Image files"), "{said}");
    });
}

/// Writes a picture of that size with a disc at `x`, and returns its path.
fn disc_file(folder: &Path, name: &str, (width, height): (usize, usize), x: f32) -> String {
    let picture = Picture::from_fn(width, height, |px, py| {
        let far = (px as f32 - x).hypot(py as f32 - 24.0) - 11.0;
        if far < 0.0 { [0.9, 0.5, 0.3, 1.0] } else { [0.8, 0.85, 0.9, 1.0] }
    });
    saved(folder, name, &picture)
}

/// Writes a picture, and returns its path.
fn saved(folder: &Path, name: &str, picture: &Picture) -> String {
    let path = folder.join(name);
    picture.save(&path, Default::default(), false).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn keys_from_files_need_no_clip() {
    alone("hosts::keys_from_files_need_no_clip", |folder| {
        let first = disc_file(folder, "a.png", SIZE, 20.0);
        let last = disc_file(folder, "b.png", SIZE, 40.0);
        let values = [
            ("keysFrom", "Image files"),
            ("firstKeyFile", first.as_str()),
            ("lastKeyFile", last.as_str()),
            ("engine", "Flow"),
        ];
        let plugin = plugin(false);
        let instance = made(&plugin, kOfxImageEffectContextGeneral, &values, None);
        // Natron asks an effect for nothing as long as a required clip is unconnected.
        for clip in instance.effect().clips() {
            assert!(clip.is_output() || clip.is_optional(), "{}", clip.name);
        }
        let region = instance.region(5.0, 1.0).unwrap();
        assert_eq!([region.x2, region.y2], [SIZE.0 as f64, SIZE.1 as f64]);
        let connected = made(&plugin, kOfxImageEffectContextGeneral, &values, Some(SIZE));
        assert_eq!(frame(&instance, 5.0), frame(&connected, 5.0));
        let nothing = made(&plugin, kOfxImageEffectContextGeneral, &[], None);
        assert!(refusal(&nothing, 5.0).contains("Nothing is connected to Source"));
    });
}

#[test]
fn mlt_gets_paths_under_the_names_that_its_projects_keep() {
    alone("hosts::mlt_gets_paths_under_the_names_that_its_projects_keep", |folder| {
        let files = [("a.png", 0.25), ("b.png", 0.75)].map(|(name, shade)| {
            let picture = Picture::from_fn(SIZE.0, SIZE.1, |_, _| [shade, shade, shade, 1.0]);
            saved(folder, name, &picture)
        });
        let keys = |ids: [&str; 2]| {
            let values = [
                ("keysFrom", "Image files"),
                (ids[0], files[0].as_str()),
                (ids[1], files[1].as_str()),
                ("engine", "Flow"),
            ];
            let instance = in_host("mlt", kOfxImageEffectContextFilter, &values);
            [1.0, 5.0, 9.0].map(|time| frame(&instance, time))
        };
        let usual = keys(["firstKeyFile", "lastKeyFile"]);
        assert_ne!(usual[0], usual[2]);
        assert_eq!(keys(["filename", "av.filename"]), usual);
        let other = span(&plugin(false), &[]);
        for id in ["filename", "av.filename", "av.file"] {
            assert!(other.effect().params.find(id).is_none(), "{id}");
        }
    });
}

#[test]
fn mlt_which_ignores_failures_gets_them_on_the_picture() {
    alone("hosts::mlt_which_ignores_failures_gets_them_on_the_picture", |folder| {
        let missing = folder.join("missing.png");
        let values = [("keysFrom", "Image files"), ("firstKeyFile", missing.to_str().unwrap())];
        let failed = |profile: &str| {
            let instance = in_host(profile, kOfxImageEffectContextFilter, &values);
            instance.effect().host.change(|behaviour| behaviour.prefills_output = true);
            let input = instance.identity_picture("Source", 1.0, 1.0).unwrap();
            let rendered = instance.render(FrameRequest::at(1.0)).unwrap();
            assert_ne!(rendered.status, Status::OK);
            (rendered.picture(), input)
        };
        let (shown, input) = failed("mlt");
        let changed = |at: usize| shown.pixels[at] != input.pixels[at];
        assert!((0..SIZE.0 / 2).all(changed), "the label begins in the upper left corner");
        let letters = shown.pixels.iter().filter(|pixel| pixel[..3] == [1.0; 3]).count();
        assert!(letters > 100, "{letters}");
        let (shown, input) = failed("natron");
        assert_eq!(shown.pixels, input.pixels);
    });
}

#[test]
fn keys_from_files_are_undistorted_where_pixels_are_not_square() {
    alone("hosts::keys_from_files_are_undistorted_where_pixels_are_not_square", |folder| {
        // As wide as the frame is shown, twice as many pixels as it has.
        let wide = (2 * SIZE.0, SIZE.1);
        let first = disc_file(folder, "a.png", wide, 50.0);
        let last = disc_file(folder, "b.png", wide, 70.0);
        let values = [
            ("keysFrom", "Image files"),
            ("firstKeyFile", first.as_str()),
            ("lastKeyFile", last.as_str()),
            ("engine", "Flow"),
        ];
        let plugin = plugin(false);
        plugin.host().change(|behaviour| behaviour.pixel_aspect = 2.0);
        let instance = made(&plugin, kOfxImageEffectContextGeneral, &values, Some(SIZE));
        for scale in [1.0, 0.5] {
            for time in [1.0, 5.0, 9.0] {
                let request = FrameRequest { scale, ..FrameRequest::at(time) };
                let picture = succeeded(instance.render(request).unwrap()).picture();
                let (width, height) = (SIZE.0 as f64 * scale, SIZE.1 as f64 * scale);
                assert_eq!((picture.width as f64, picture.height as f64), (width, height));
                let corner = picture.pixels[picture.width + 1];
                assert!((corner[3] - 1.0).abs() < 0.01, "{scale}, {time}: {corner:?}");
                // The disc is half as many pixels wide as it is high.
                let disc: Vec<_> = (0..picture.height)
                    .flat_map(|y| (0..picture.width).map(move |x| (x, y)))
                    .filter(|&(x, y)| picture.pixels[y * picture.width + x][2] < 0.6)
                    .collect();
                let extent = |of: fn(&(usize, usize)) -> usize| {
                    let most = disc.iter().map(of).max().unwrap();
                    (most - disc.iter().map(of).min().unwrap() + 1) as f64
                };
                let (wide, high) = (extent(|at| at.0), extent(|at| at.1));
                assert!((wide - 11.0 * scale).abs() <= 1.0, "{scale}, {time}: {wide} x {high}");
                assert!((high - 22.0 * scale).abs() <= 1.0, "{scale}, {time}: {wide} x {high}");
            }
        }
        // What is drawn in advance is what renders ask for.
        for time in 2..9 {
            frame(&instance, f64::from(time));
        }
        press(&instance, "generate");
        let said = text(&instance, "statusText");
        assert!(said.contains("finished already"), "{said}");
    });
}

#[test]
fn a_still_sketch_counts_on_its_own_frame_only() {
    alone("hosts::a_still_sketch_counts_on_its_own_frame_only", |_| {
        let plugin = plugin(false);
        let line: crate::bench::Sketch = |_| Some(0.5);
        let on = [("useSketch", "true"), ("firstKey", "-4"), ("lastKey", "4")];
        let needed = |ranges: &[(&str, f64, f64)]| {
            let instance = span_with(&plugin, &on, Some(line));
            for (name, first, last) in ranges {
                let clip = instance.effect().clip(name).unwrap();
                clip.props.put(kOfxImageEffectPropFrameRange, Values::Double(vec![*first, *last]));
            }
            let mut needed = instance.frames_needed(1.0).unwrap();
            let ranges = needed.remove("Sketch").unwrap_or_default();
            ranges.into_iter().map(|range| range.0).collect::<Vec<_>>()
        };
        // A reader's only frame is frame 0 if the host reports ranges of other clips.
        assert_eq!(needed(&[("Sketch", 0.0, 0.0)]), [0.0]);
        assert_eq!(needed(&[("Sketch", 2.0, 2.0)]), [2.0]);
        // A host that reports 0..0 for everything knows no ranges.
        let unknown: Vec<_> =
            ["Source", "KeyB", "Sketch", "Output"].map(|name| (name, 0.0, 0.0)).to_vec();
        assert_eq!(needed(&unknown), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
    });
}

#[test]
fn a_row_that_is_shorter_than_it_says_is_refused() {
    alone("hosts::a_row_that_is_shorter_than_it_says_is_refused", |_| {
        let plugin = plugin(false);
        let values = [("keysFrom", "Times in one clip"), ("engine", "Flow")];
        let row = || made(&plugin, kOfxImageEffectContextGeneral, &values, Some((64, 1)));
        succeeded(row().render(FrameRequest::at(5.0)).unwrap());
        for row_bytes in [0, 4, -4] {
            plugin.host().change(|behaviour| behaviour.row_bytes = Some(row_bytes));
            let rendered = row().render(FrameRequest::at(5.0)).unwrap();
            assert_ne!(rendered.status, Status::OK, "{row_bytes}");
            let said = rendered.said().unwrap().to_owned();
            assert!(said.contains("bytes between rows"), "{said}");
        }
    });
}

#[test]
fn a_host_without_choices_gets_the_defaults_and_one_message() {
    alone("hosts::a_host_without_choices_gets_the_defaults_and_one_message", |_| {
        let plugin = plugin(false);
        let usual = frame(&span(&plugin, &[("engine", "Flow")]), 5.0);
        let instance = span(&plugin, &[]);
        for param in instance.effect().params.all() {
            if param.kind == ParamType::Choice {
                param.keep_untold();
            }
        }
        plugin.host().journal().take_messages();
        let rendered = succeeded(instance.render(FrameRequest::at(5.0)).unwrap());
        assert_eq!(rendered.bytes(), usual);
        let said = rendered.said().expect("the artist is told").to_owned();
        assert!(said.contains("defaults") && said.contains("Timing chart"), "{said}");
        succeeded(instance.render(FrameRequest::at(4.0)).unwrap());
        assert!(plugin.host().journal().take_messages().is_empty(), "told once");
    });
}

#[test]
fn what_is_enabled_follows_a_project_that_is_loaded() {
    alone("hosts::what_is_enabled_follows_a_project_that_is_loaded", |_| {
        let plugin = plugin(true);
        let instance = span(&plugin, &[]);
        let enabled = |id: &str| {
            let param = instance.effect().params.find(id).unwrap();
            param.props.int(kOfxParamPropEnabled)
        };
        assert_eq!(enabled("firstKeyFile"), Some(0));
        assert_eq!(instance.load_value("keysFrom", Value::Ints(vec![2]), 1.0).unwrap(), Status::OK);
        assert_eq!(enabled("firstKeyFile"), Some(1));
    });
}

/// Run by the process of the test below: one render that fails, and one that is told to stop.
#[test]
fn one_that_logs() {
    if std::env::var_os("INBETWEEN_TEST_LOGS").is_none() {
        return;
    }
    alone("hosts::one_that_logs", |_| {
        let plugin = plugin(false);
        refusal(&span(&plugin, &[("engine", "ToonCrafter")]), 5.0);
        let values = [("mode", "Retime a clip"), ("fromRate", "12"), ("toRate", "24 fps")];
        let retimed = made(&plugin, kOfxImageEffectContextGeneral, &values, Some(SIZE));
        retimed.effect().abort_after(Some(0));
        assert_eq!(retimed.render(FrameRequest::at(4.0)).unwrap().status.0, kOfxStatFailed);
    });
}

#[test]
fn an_error_is_logged_once_and_an_abort_never() {
    alone("hosts::an_error_is_logged_once_and_an_abort_never", |folder| {
        let mut process = command("hosts::one_that_logs", folder);
        let output = process.env("INBETWEEN_TEST_LOGS", "1").output().unwrap();
        let logged = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{logged}");
        let errors: Vec<_> = logged.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), 1, "{logged}");
        assert!(errors[0].contains("Checkpoint is empty"), "{logged}");
    });
}

/// How long a child may take. A faulty one would never end.
#[cfg(unix)]
const CHILD: Duration = Duration::from_secs(60);

#[cfg(unix)]
#[test]
fn a_forked_child_draws() {
    alone("hosts::a_forked_child_draws", |folder| {
        // Nothing that the parent has drawn is on disk, where the child would find it.
        let plugin = plugin(false);
        let instance = span(&plugin, &[("engine", "Flow")]);
        let expected = [3.0, 4.0].map(|time| frame(&instance, time));
        std::thread::sleep(Duration::from_secs(1));
        std::fs::remove_dir_all(folder.join("cache")).unwrap();
        let out = folder.join("of-the-child");
        // SAFETY: the child uses only what this thread has, ends with `_exit`, and runs no
        // destructor.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // The test host's own pool is gone as well.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
            std::mem::forget(pool.build());
            let drawn = [3.0, 4.0].map(|time| {
                let other = span(&plugin, &[("engine", "Flow")]);
                let bytes = frame(&other, time);
                std::mem::forget(other);
                bytes
            });
            std::fs::write(&out, drawn.concat()).unwrap();
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(0) };
        }
        assert!(child > 0);
        assert_eq!(end_of(child), Some(0), "the child did not end well within {CHILD:?}");
        assert_eq!(std::fs::read(out).unwrap(), expected.concat());
    });
}

/// The exit status of a child; `None` where it had to be killed.
#[cfg(unix)]
fn end_of(child: libc::pid_t) -> Option<i32> {
    let since = Instant::now();
    let mut status = 0;
    loop {
        // SAFETY: `status` is a valid place for the result; `child` is our own.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if ended == child {
            return libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
        }
        if since.elapsed() > CHILD {
            // SAFETY: it is our own child, and its status is collected.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, &raw mut status, 0);
            }
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! Progress bars on standard error; silent where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for bytes, with speed and time left.
pub(crate) fn of_bytes(what: &str) -> ProgressBar {
    bar(
        what,
        "{msg} [{wide_bar}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left",
    )
}

/// A bar for work in `units`, with time spent and time left.
pub(crate) fn of_work(what: &str, units: u64) -> ProgressBar {
    let bar = bar(what, "{msg} [{wide_bar}] {percent}% {elapsed}, {eta} left");
    bar.set_length(units);
    bar
}

fn bar(what: &str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    let bar = ProgressBar::no_length().with_message(what.to_owned());
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// The way in which writers of weight files report.
pub(crate) fn reporter(bar: &ProgressBar) -> impl FnMut(u64, u64) + '_ {
    |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    }
}

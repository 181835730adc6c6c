//! Draws the sample pictures; `--help` tells the options.

fn main() -> anyhow::Result<()> {
    draw_samples::run()
}

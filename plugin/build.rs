//! Link options of the plug-in binary, and the version that Windows shows in its file properties.

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // Threads of the render pool outlive an unload, and a host may close the binary while they
        // sleep, so the binary must stay mapped. On Windows `ofx::own_folder` takes care of that,
        // on macOS the loader does.
        Ok("linux") => println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete"),
        Ok("windows") => {
            let mut about = winresource::WindowsResource::new();
            about
                .set("ProductName", "AI In-between")
                .set("FileDescription", "AI In-between: OpenFX plug-in");
            about.set("OriginalFilename", "AIInbetween.ofx").set("InternalName", "AIInbetween");
            about.set("LegalCopyright", "Apache-2.0");
            about.compile()?;
        }
        _ => {}
    }
    Ok(())
}

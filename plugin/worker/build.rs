//! Writes the version that Windows shows in the program's file properties.

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("windows") {
        let mut about = winresource::WindowsResource::new();
        about
            .set("ProductName", "AI In-between")
            .set("FileDescription", "AI In-between: command line and worker");
        about.set("OriginalFilename", "inbetween.exe").set("InternalName", "inbetween");
        about.set("LegalCopyright", "Apache-2.0");
        about.compile()?;
    }
    Ok(())
}

//! Doors: one small function for each function of NVIDIA's libraries, so that nothing of CUDA needs
//! to be installed when the program is linked or started.
//!
//! candle names these libraries at link time. Here the linker finds the functions in our own
//! object, and empty archives under the libraries' names. A door opens its library on the first
//! call; `src/cuda/doors.rs` contains the code that runs then. The function names are read from the
//! sources of the crates that declare them, so the list is always up to date.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A library: folder in cudarc's sources, prefix of its functions, name in `src/cuda/doors.rs`.
const LIBRARIES: [(&str, &str, &str); 6] = [
    ("driver", "cu", "Driver"),
    ("cublas", "cublas", "Blas"),
    ("cublaslt", "cublasLt", "BlasLt"),
    ("curand", "curand", "Rand"),
    ("nvrtc", "nvrtc", "Rtc"),
    ("cudnn", "cudnn", "Dnn"),
];

/// The library names that the linker looks for.
const LINKED: [&str; 7] = ["cuda", "cublas", "cublasLt", "curand", "nvrtc", "cudnn", "cudart"];

/// A function behind a door.
struct Door {
    name: String,
    library: &'static str,
    /// What it returns if the library is missing: a variant of `Missing`.
    missing: &'static str,
}

pub(crate) fn make() -> Result<(), String> {
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    if variable("TARGET")? != "x86_64-unknown-linux-gnu" {
        // On other systems the libraries are linked in the way candle requests.
        return Ok(());
    }
    println!("cargo::rustc-cfg=cuda_doors");
    let doors = doors(&variable("CARGO")?, &variable("TARGET")?)?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    let write = |name: &str, text: &[u8]| {
        std::fs::write(out.join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    write("doors.s", assembly(&doors).as_bytes())?;
    write("doors.rs", table(&doors).as_bytes())?;
    for library in LINKED {
        write(&format!("lib{library}.a"), b"!<arch>\n")?;
    }
    // Only a build without `cuda/nvcc-float.sh` needs the runtime, which starts quantised kernels.
    let home = std::env::var_os("CUDA_HOME").map(PathBuf::from).unwrap_or_default();
    let runtime = ["lib64", "lib"].map(|folder| home.join(folder).join("libcudart_static.a"));
    if let Some(runtime) = runtime.iter().find(|path| path.exists()) {
        std::fs::copy(runtime, out.join("libcudart.a")).map_err(|error| error.to_string())?;
    }
    println!("cargo::rustc-link-search=native={}", out.display());
    Ok(())
}

/// All functions declared by candle and cudarc.
fn doors(cargo: &str, target: &str) -> Result<Vec<Door>, String> {
    let sources = Sources::find(cargo, target)?;
    let mut doors: Vec<Door> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (folder, prefix, library) in LIBRARIES {
        let text = sources.read("cudarc", &format!("src/{folder}/sys/mod.rs"))?;
        for line in text.lines() {
            let Some((name, rest)) = declared(line, "pub unsafe fn ") else { continue };
            if !name.starts_with(prefix) || name == "culib" || !seen.insert(name.to_owned()) {
                continue;
            }
            let result = rest.rsplit_once("->").map_or("", |(_, result)| result);
            let missing = if result.contains("c_char") {
                "Text"
            } else if result.contains("usize") {
                "Zero"
            } else {
                "Status"
            };
            doors.push(Door { name: name.to_owned(), library, missing });
        }
    }
    let text = sources.read("candle-kernels", "src/ffi.rs")?;
    for line in text.lines() {
        if let Some((name, _)) = declared(line.trim_start(), "pub fn ") {
            doors.push(Door { name: name.to_owned(), library: "Quantised", missing: "Stop" });
        }
    }
    // If only a few are found, the crates must have changed how they declare functions.
    if doors.len() < 500 {
        return Err(format!("only {} CUDA functions were found in the sources", doors.len()));
    }
    Ok(doors)
}

/// The name of the function declared on `line`, and the text after it.
fn declared<'a>(line: &'a str, words: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(words)?.split_once('(')
}

/// The places where cargo keeps the crates that declare the functions.
struct Sources(serde_json::Value);

impl Sources {
    fn find(cargo: &str, target: &str) -> Result<Self, String> {
        let mut command = Command::new(cargo);
        command.args(["metadata", "--format-version=1", "--offline", "--filter-platform", target]);
        // Both libraries, whichever is being built, so that there is a single list of doors.
        command.args(["--features", "cuda,cudnn"]);
        let said = command.output().map_err(|error| format!("{cargo}: {error}"))?;
        if !said.status.success() {
            let why = String::from_utf8_lossy(&said.stderr).replace('\n', " | ");
            return Err(format!("cargo does not say where its crates are: {why}"));
        }
        serde_json::from_slice(&said.stdout).map(Self).map_err(|error| error.to_string())
    }

    fn read(&self, package: &str, path: &str) -> Result<String, String> {
        let packages = self.0["packages"].as_array();
        let manifest = packages.into_iter().flatten().find(|found| found["name"] == package);
        let manifest = manifest.and_then(|found| found["manifest_path"].as_str());
        let folder = manifest.and_then(|manifest| Path::new(manifest).parent());
        let file = folder.ok_or_else(|| format!("cargo knows no {package}"))?.join(path);
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
    }
}

/// Each door jumps through its slot. A slot leads to the function or, before the first call, to a
/// few instructions that pass the door's number to `inbetween_open_door`.
fn assembly(doors: &[Door]) -> String {
    let mut text = String::from(OPEN);
    for (i, Door { name, .. }) in doors.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            ".globl {name}\n.hidden {name}\n.type {name},@function\n{name}:\n \
             jmp *inbetween_door_slots+{}(%rip)\n.Lclosed{i}:\n pushq ${i}\n \
             jmp inbetween_open_door",
            8 * i
        );
    }
    text.push_str(".data\n.balign 8\ninbetween_door_slots:\n");
    for i in 0..doors.len() {
        let _ = writeln!(text, ".quad .Lclosed{i}");
    }
    text.push_str(".text\n");
    text
}

/// Entered with the door's number on the stack, above the caller's return address. Saves the
/// registers that carry arguments, asks for the function, stores it in the slot, and jumps to it.
const OPEN: &str = "\
.text
.globl inbetween_open_door
.hidden inbetween_open_door
inbetween_open_door:
 pushq %rax
 pushq %rdi
 pushq %rsi
 pushq %rdx
 pushq %rcx
 pushq %r8
 pushq %r9
 subq $136, %rsp
 movups %xmm0, (%rsp)
 movups %xmm1, 16(%rsp)
 movups %xmm2, 32(%rsp)
 movups %xmm3, 48(%rsp)
 movups %xmm4, 64(%rsp)
 movups %xmm5, 80(%rsp)
 movups %xmm6, 96(%rsp)
 movups %xmm7, 112(%rsp)
 movq 192(%rsp), %rdi
 call inbetween_behind_door
 movq 192(%rsp), %rdi
 leaq inbetween_door_slots(%rip), %r11
 movq %rax, (%r11,%rdi,8)
 movq %rax, %r11
 movups (%rsp), %xmm0
 movups 16(%rsp), %xmm1
 movups 32(%rsp), %xmm2
 movups 48(%rsp), %xmm3
 movups 64(%rsp), %xmm4
 movups 80(%rsp), %xmm5
 movups 96(%rsp), %xmm6
 movups 112(%rsp), %xmm7
 addq $136, %rsp
 popq %r9
 popq %r8
 popq %rcx
 popq %rdx
 popq %rsi
 popq %rdi
 popq %rax
 addq $8, %rsp
 jmp *%r11
";

/// What `src/cuda/doors.rs` knows about each door, by number.
fn table(doors: &[Door]) -> String {
    let mut text = format!("static DOORS: [Door; {}] = [\n", doors.len());
    for Door { name, library, missing } in doors {
        let _ = writeln!(
            text,
            "Door {{ name: c\"{name}\", library: Library::{library}, missing: Missing::{missing} }},"
        );
    }
    text.push_str("];\n");
    text
}

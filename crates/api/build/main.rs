//! Compiles the contract without `protoc`, keeps its descriptors, comments and bounds included, for reflection, and writes
//! the code that holds requests to their bounds.

mod bounds;

use std::{env, error::Error, fs, path::PathBuf};

/// What only gateways call. No other file needs it.
const INTERNAL: &str = "parlor/v1/edge.proto";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    println!("cargo:rerun-if-changed=build");

    let mut files: Vec<PathBuf> = fs::read_dir(root.join("parlor/v1"))?
        .map(|entry| entry.map(|found| PathBuf::from("parlor/v1").join(found.file_name())))
        .collect::<Result<_, _>>()?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true).open_files(files)?;
    let descriptors = compiler.file_descriptor_set();

    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Encoded by the compiler: Prost drops the options that are ours.
    fs::write(out.join("parlor.fds"), compiler.encode_file_descriptor_set())?;
    let mut public = protox::Compiler::new([&root])?;
    let files = descriptors.file.iter().map(|file| file.name()).filter(|name| *name != INTERNAL);
    public.include_source_info(true).include_imports(true).open_files(files)?;
    fs::write(out.join("public.fds"), public.encode_file_descriptor_set())?;
    fs::write(out.join("bounds.rs"), bounds::code(&compiler.descriptor_pool(), INTERNAL)?)?;
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::codec::SmallCodec")
        .compile_fds(descriptors)?;
    Ok(())
}

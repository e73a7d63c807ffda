//! Compiles the contract without `protoc`, and keeps its descriptors, comments included, for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

/// What only gateways call. No other file needs it.
const INTERNAL: &str = "parlor/v1/edge.proto";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());

    let mut files: Vec<PathBuf> = fs::read_dir(root.join("parlor/v1"))?
        .map(|entry| entry.map(|found| PathBuf::from("parlor/v1").join(found.file_name())))
        .collect::<Result<_, _>>()?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true).open_files(files)?;
    let descriptors = compiler.file_descriptor_set();

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("parlor.fds"), descriptors.encode_to_vec())?;
    let mut public = descriptors.clone();
    public.file.retain(|file| file.name() != INTERNAL);
    fs::write(out.join("public.fds"), public.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::codec::SmallCodec")
        .compile_fds(descriptors)?;
    Ok(())
}

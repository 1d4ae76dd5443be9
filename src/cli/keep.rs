//! `phasegate backup` and `phasegate restore`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::signing::SignArgs;
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// The file to write; it must not exist.
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// A file that `phasegate backup` wrote.
    file: PathBuf,
    /// The store as it is now is replaced.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    signing: SignArgs,
}

/// A file that is to be written has a folder to lie in.
pub fn has_folder(file: &Path) -> Result<(), Ended> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => {
            Err(Ended::usage(format!("there is no folder {}", folder.display()), "make it first, or name another"))
        }
        None => Ok(()),
    }
}

pub fn backup(args: &BackupArgs, place: &Place, out: &Out) -> Result<(), Ended> {
    if args.file.exists() {
        let message = format!("{} exists already", args.file.display());
        return Err(Ended::usage(message, "name a new file; a backup never writes over another"));
    }
    has_folder(&args.file)?;
    let engine = place.open_existing()?;
    engine.backend().backup(&args.file)?;
    let bytes = std::fs::metadata(&args.file).map(|found| found.len()).unwrap_or(0);
    let text =
        format!("{} holds the whole store ({bytes} bytes); `phasegate restore` brings it back", args.file.display());
    out.answer(&json!({ "file": args.file, "bytes": bytes }), &text);
    Ok(())
}

pub fn restore(args: &RestoreArgs, place: &Place, out: &Out) -> Result<(), Ended> {
    if !args.file.is_file() {
        return Err(Ended::usage(
            format!("there is no file {}", args.file.display()),
            "name what `phasegate backup` wrote",
        ));
    }
    let engine = place.open_to_restore()?;
    if !args.yes && !out.asks(&format!("Replace {} by {}?", engine.backend().describe(), args.file.display()))? {
        out.aside("Nothing was changed.");
        return Err(Ended::No);
    }
    let signer = args.signing.signer(place, &engine, engine.has_approvers()?, out)?;
    let proof = signer.proof(&engine, &engine.restore_statement(&args.file)?);
    engine.restore(&signer.caller, &args.file, proof)?;
    let text = format!("the store is as it was in {}", args.file.display());
    out.answer(&json!({ "restored": args.file }), &text);
    Ok(())
}

//! `git straylight key`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use straylight_attest::PublicKey;
use straylight_attest::ssh;

use crate::error::{CommandError, Result};
use crate::ui;

/// Signing keys
#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Make an ed25519 key, as `ssh-keygen` does
    ///
    /// Writes FILE and FILE.pub, and never over a file that exists. The key is
    /// not encrypted: keep it where only its owner can read it, or make one
    /// with `ssh-keygen -t ed25519` and let `ssh-agent` hold it.
    Generate {
        /// The private key's file.
        file: PathBuf,
        /// For people who see the public key.
        #[arg(long, default_value = "straylight")]
        comment: String,
    },
    /// Print a public key as other programs want it
    Export {
        /// A public key, as OpenSSH writes it.
        file: PathBuf,
        /// As PEM, for `openssl`; otherwise as OpenSSH, with its fingerprint.
        #[arg(long)]
        pem: bool,
    },
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Generate { file, comment } => {
            // As ssh-keygen makes `~/.ssh`: nobody else may look in.
            let folder = file.parent().unwrap_or(Path::new(""));
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(CommandError::io("create", folder))?;
            let signer = ssh::generate(file, comment)?;
            let key = straylight_attest::Signer::public_key(&signer);
            ui::result(format_args!("{} {comment}", key.to_openssh()));
            ui::message(format_args!(
                "wrote `{}` and its public half",
                file.display()
            ));
        }
        Command::Export { file, pem } => {
            let text = std::fs::read_to_string(file).map_err(CommandError::io("read", file))?;
            if text.starts_with("-----BEGIN") {
                let name = file.display();
                return Err(CommandError::usage(format!("`{name}` is a private key"))
                    .hint(format!("name its public half: `{name}.pub`")));
            }
            let key = PublicKey::from_openssh(&text)?;
            if *pem {
                ui::result(key.to_pem().trim_end());
            } else {
                ui::result(format_args!("{} {}", key.to_openssh(), key.fingerprint()));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

//! Servers that refuse to run as root run as "nobody" then, who may not be able to reach the project's folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::Uid;

/// The user and group "nobody".
pub(crate) const NOBODY: u32 = 65534;
/// What everybody can reach.
pub(crate) const ELSEWHERE: &str = "/var/tmp/virtual-stock";

/// An empty folder of this name, which ends with the id of this process.
pub(crate) fn fresh(parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
    // What earlier runs have left is of no use to anyone.
    for old in fs::read_dir(parent).into_iter().flatten().flatten() {
        let file_name = old.file_name();
        let mut parts = file_name.to_str().unwrap_or_default().split('-');
        let pid = parts.find(|part| part.parse::<u32>().is_ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            drop(fs::remove_dir_all(old.path()));
        }
    }
    let folder = parent.join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A command that does not run as root.
pub(crate) fn as_unprivileged(program: &Path) -> Command {
    if !Uid::effective().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")])
        .args(["--clear-groups", "--"])
        .arg(program)
        .current_dir("/");
    command
}

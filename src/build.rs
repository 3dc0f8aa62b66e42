//! Tells the program which commit it is built from, for `--version`. Not part of it: cargo runs this before it compiles.
//!
//! Outside a git checkout (a tarball, a package) there is no commit, and nothing is said of one. It runs again after a
//! commit or a checkout, and not otherwise.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let commit = commit().map_or_else(String::new, |commit| format!(" ({commit})"));
    println!("cargo::rustc-env=DIALER_VERSION={version}{commit}");
}

/// The commit and its day, such as `6491dda 2026-11-25`.
fn commit() -> Option<String> {
    // A tarball that was unpacked within somebody's checkout is not part of that.
    let root = fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    let here = fs::canonicalize(env::var_os("CARGO_MANIFEST_DIR")?).ok()?;
    if root != here {
        return None;
    }
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let files = ["HEAD", "logs/HEAD", "packed-refs"].into_iter();
    for file in files.chain(branch.as_deref()) {
        // A file that is not there would count as changed every time.
        if let Some(path) = git(&["rev-parse", "--git-path", file])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["log", "-1", "--no-show-signature", "--format=%h %cs"])
}

/// What git says in one line; nothing where there is no git, no checkout, or no leave to look.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        // Within a hook these point at whatever git is busy with.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let line = String::from_utf8(output.stdout).ok()?;
    Some(line.trim().to_owned()).filter(|line| !line.is_empty() && !line.contains('\n'))
}

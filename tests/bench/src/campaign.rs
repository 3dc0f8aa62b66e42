//! Campaigns that are made for a measurement.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A campaign in a folder of its own.
#[derive(Debug)]
pub(crate) struct Campaign {
    folder: TempDir,
}

/// How many trunks the lines of a campaign are shared by.
pub(crate) const TRUNKS: usize = 10;

/// Trunks to the simulated Asterisk with so many lines together.
pub(crate) fn trunks(ports: usize) -> String {
    (0..TRUNKS).fold(String::new(), |mut text, trunk| {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[[trunk]]\nname = \"t{trunk}\"\nchannel = \"PJSIP/{{number}}@t{trunk}\"\nports = {}\ncalls_per_second = 100000\n",
            ports / TRUNKS
        );
        text
    })
}

/// Everybody answers at once and hangs up at once.
pub(crate) const AT_ONCE: &str = "[simulate]\nanswered = 1.0\nbusy = 0.0\ndeclined = 0.0\ncongestion = 0.0\ninvalid = 0.0\ntalk = \"0s\"\nring = \"0s\"\n";

impl Campaign {
    /// A campaign on a manager's port, with these tables and so many contacts.
    pub(crate) fn new(
        port: u16,
        secret: &str,
        tables: &str,
        contacts: usize,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let text = format!(
            "[ami]\nport = {port}\nusername = \"dialer\"\nsecret = \"{secret}\"\n[contacts]\nfile = \"list.csv\"\nid = \"id\"\n{tables}"
        );
        fs::write(folder.path().join("c.toml"), text)?;
        let mut list = BufWriter::new(File::create(folder.path().join("list.csv"))?);
        writeln!(list, "id,number,name")?;
        for contact in 0..contacts {
            writeln!(list, "c{contact},+5982{contact:08},Name {contact}")?;
        }
        list.flush()?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("c.toml")
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.folder.path().join("c.results.csv")
    }

    /// `dialer run` on it, silent.
    pub(crate) fn run(&self, dialer: &Path) -> Command {
        let mut command = Command::new(dialer);
        command.arg("run").arg(self.path()).arg("-q");
        command.stdout(Stdio::null()).stderr(Stdio::inherit());
        command
    }

    /// `dialer sim` for it.
    pub(crate) fn simulator(&self, dialer: &Path, port: u16) -> Command {
        let mut command = Command::new(dialer);
        command.args([
            "sim",
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--campaign",
        ]);
        command.arg(self.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

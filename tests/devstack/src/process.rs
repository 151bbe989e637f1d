//! A child process with a log file and a record on disk, so that a later run can end what an earlier one left behind.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Longest wait for a process that was asked to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the record of a process that starts others begins.
const OWNER: &str = "demo.";

/// A running child; asked to end when dropped, and killed if it does not.
pub struct Process {
    name: String,
    child: Child,
    record: PathBuf,
    log: PathBuf,
}

/// How a process is asked to end, even if it is frozen.
const END: [Signal; 2] = [Signal::SIGTERM, Signal::SIGCONT];

impl Process {
    /// Starts the command with its output in `home/run/NAME.log`.
    ///
    /// # Errors
    /// The system's error.
    pub fn start(home: &Path, name: &str, mut command: Command) -> anyhow::Result<Self> {
        let run = home.join("run");
        fs::create_dir_all(&run)?;
        let log = run.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let child = command
            // Ctrl-C is for us: we end the children in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let record = run.join(format!("{name}.{}.pid", child.id()));
        fs::write(
            &record,
            fs::read(format!("/proc/{}/stat", child.id())).map(|stat| started_at(&stat))?,
        )?;
        Ok(Self {
            name: name.to_owned(),
            child,
            record,
            log,
        })
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The most memory that it has had so far, in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// The memory that it has now, in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resident_memory(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let line = line.with_context(|| format!("{} has ended", self.name))?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended meanwhile.
            kill(Pid::from_raw(pid), signal).ok();
        }
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// The system's error.
    pub fn kill_9(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end with SIGTERM and waits.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        self.end();
        self.wait()
            .with_context(|| format!("{} does not end", self.name))
    }

    fn end(&self) {
        for signal in END {
            self.signal(signal);
        }
    }

    fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "it still runs after {PATIENCE:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends every process that is recorded below `home` and still is the one recorded, and waits for it; returns their
    /// names. What started the others ends first, and takes them along in order.
    ///
    /// # Errors
    /// The system's error.
    pub fn stop_recorded(home: &Path) -> anyhow::Result<Vec<String>> {
        let mut records: Vec<PathBuf> = fs::read_dir(home.join("run"))
            .into_iter()
            .flatten()
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        records.sort_by_key(|path| !path.to_string_lossy().contains(OWNER));
        let mut stopped = Vec::new();
        for path in records {
            let file = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let pid = file
                .strip_suffix(".pid")
                .and_then(|name| name.rsplit_once('.'));
            let Some((name, pid)) = pid else { continue };
            let stat = format!("/proc/{pid}/stat");
            let runs = || {
                let now = fs::read(&stat).map(|stat| started_at(&stat));
                now.is_ok_and(|now| fs::read(&path).is_ok_and(|recorded| recorded == now))
            };
            if let (true, Ok(pid)) = (runs(), pid.parse()) {
                for signal in END {
                    kill(Pid::from_raw(pid), signal)?;
                }
                stopped.push(name.to_owned());
                let deadline = Instant::now() + PATIENCE;
                while runs() {
                    anyhow::ensure!(
                        Instant::now() < deadline,
                        "{name} (process {pid}) does not end"
                    );
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            // The process may have removed it itself.
            drop(fs::remove_file(&path));
        }
        Ok(stopped)
    }
}

/// This process on record, for as long as the value lives.
pub struct Recorded(PathBuf);

impl Recorded {
    /// Records the process that calls.
    ///
    /// # Errors
    /// The system's error.
    pub fn this(home: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(home.join("run"))?;
        let record = home
            .join("run")
            .join(format!("{OWNER}{}.pid", std::process::id()));
        fs::write(&record, started_at(&fs::read("/proc/self/stat")?))?;
        Ok(Self(record))
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// The start time of a process: with its id it names the process, however often the id is used again (proc(5)).
fn started_at(stat: &[u8]) -> Vec<u8> {
    let stat = String::from_utf8_lossy(stat);
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = after_name.split_whitespace().nth(19);
    field.unwrap_or_default().as_bytes().to_vec()
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.end();
            if self.wait().is_err() {
                drop(self.child.kill());
                drop(self.child.wait());
            }
        }
        drop(fs::remove_file(&self.record));
    }
}

//! A real nginx with the configuration that is shipped, in front of instances on this machine.

use std::{fmt::Write, fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Context;
use nix::unistd::Uid;
use tokio::net::TcpStream;

use crate::{Process, eventually, free_port, home};

/// Longest time to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// nginx, in front of instances of both services.
pub struct Balancer {
    /// Where virtual-stock is.
    pub virtual_stock: SocketAddr,
    /// Where acl's operators' API is.
    pub acl: SocketAddr,
    _process: Process,
}

impl Balancer {
    /// Starts it; `name` is for its files.
    ///
    /// # Errors
    /// The system's error.
    pub async fn start(
        name: &str,
        virtual_stock: &[SocketAddr],
        acl: &[SocketAddr],
    ) -> anyhow::Result<Self> {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let folder = home().join("run").join(format!("nginx-{name}"));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder)?;
        let folder = folder.canonicalize()?;
        let mut main = fs::read_to_string(shipped.join("nginx.conf"))?;
        let mut listeners = Vec::new();
        for port in ["8080", "8081"] {
            let address = SocketAddr::from(([127, 0, 0, 1], free_port(0)?));
            let (listen, ours) = (format!("listen {port};"), format!("listen {address};"));
            anyhow::ensure!(main.contains(&listen), "nginx.conf has no `{listen}`");
            main = main.replace(&listen, &ours);
            listeners.push(address);
        }
        fs::write(folder.join("nginx.conf"), main)?;
        fs::copy(shipped.join("proxy.conf"), folder.join("proxy.conf"))?;
        let shipped = fs::read_to_string(shipped.join("upstreams.conf"))?;
        let mut upstreams = upstream(&shipped, "virtual-stock", virtual_stock)?;
        upstreams += &upstream(&shipped, "acl", acl)?;
        fs::write(folder.join("upstreams.conf"), upstreams)?;

        // Who starts it as root would have it write its files as somebody else.
        let user = if Uid::effective().is_root() {
            "user root; "
        } else {
            ""
        };
        let mut command = Command::new(home().join("nginx/nginx"));
        command
            .arg("-p")
            .arg(&folder)
            .args(["-e", "stderr", "-c"])
            .arg(folder.join("nginx.conf"))
            .args(["-g", &format!("{user}daemon off;")]);
        let process = Process::start(&home(), &format!("nginx-{name}"), command)?;
        let [first, second] = listeners[..] else {
            anyhow::bail!("nginx has two listeners");
        };
        eventually(PATIENCE, "nginx listens", async || {
            TcpStream::connect(first).await.ok()
        })
        .await;
        Ok(Self {
            virtual_stock: first,
            acl: second,
            _process: process,
        })
    }
}

/// The shipped upstream of this name, with other servers in it.
fn upstream(shipped: &str, name: &str, servers: &[SocketAddr]) -> anyhow::Result<String> {
    let start = format!("upstream {name} {{");
    let block = shipped.split_once(&start).context("no such upstream")?.1;
    let block = block.split_once('}').context("it does not end")?.0;
    let mut ours = format!("{start}\n");
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        match line.trim().strip_prefix("server ") {
            None => writeln!(ours, "{line}")?,
            Some(server) => {
                let (_, options) = server.split_once(' ').unwrap_or((server, ";"));
                // These are addresses, not names.
                let options = options.replace("resolve ", "");
                for address in servers {
                    writeln!(ours, "    server {address} {options}")?;
                }
            }
        }
    }
    Ok(ours + "}\n")
}

//! Letting things go wrong, and putting them right.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use entente_client::client::Group;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::sleep;

use crate::{ChaosError, Fault, LinkState, NODES, Run, clients::connect};

/// How long the others may take to go on without one: views that bring nothing take a second, then two, then four.
const GOES_ON_WAIT: Duration = Duration::from_secs(20);
/// What was on its way when a link was cut arrives within this time.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// How long a full disk may go unnoticed under load.
const HALT_WAIT: Duration = Duration::from_secs(30);
/// How long a node without any block may take to come to where the others are.
const FOLLOW_WAIT: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(100);

impl Run {
    pub(crate) async fn go_wrong(&mut self, fault: Fault) -> Result<(), ChaosError> {
        match fault {
            Fault::Kill { node } => {
                self.consortium.kill(node);
                self.goes_on_without(node).await;
                self.consortium.start_well(node).await
            }
            Fault::KillAgain { node, times } => {
                for _ in 0..times {
                    self.consortium.kill(node);
                    self.consortium.start_well(node).await?;
                    sleep(POLL * 3).await;
                }
                Ok(())
            }
            Fault::CutProposer { reset } => {
                let node = self.proposer().await?;
                self.consortium.links.set_between(|one| one == node, cut(reset));
                self.goes_on_without(node).await;
                Ok(())
            }
            Fault::Halves { with, reset } => {
                self.consortium.links.set_between(|one| one == 0 || one == with, cut(reset));
                sleep(ON_ITS_WAY).await;
                let height = self.height();
                sleep(self.pace.fault).await;
                if self.height() > height {
                    let words = format!("a half went on alone, from {height} to {}", self.height());
                    self.report.violations.push(words);
                }
                Ok(())
            }
            Fault::BadLink { one, other } => {
                let bad = LinkState::Bad { delay: Duration::from_millis(300), loss_per_mille: 50 };
                self.consortium.links.set(one, other, bad);
                self.goes_on("with a bad link").await;
                Ok(())
            }
            Fault::Pause { node } => {
                self.consortium.signal(node, Signal::STOP);
                self.goes_on_without(node).await;
                sleep(self.pace.pause.saturating_sub(self.pace.fault)).await;
                self.consortium.signal(node, Signal::CONT);
                Ok(())
            }
            Fault::FullDisk => self.full_disk().await,
            Fault::RestartAll => {
                (0..NODES).for_each(|node| self.consortium.kill(node));
                for node in 0..NODES {
                    self.consortium.start_well(node).await?;
                }
                Ok(())
            }
            Fault::Damage { node, file } => self.damage(node, file).await,
            Fault::Member => self.member().await,
            Fault::Certificate { node } => {
                let folder = self.consortium.folder(node).display().to_string();
                self.consortium.entente(&["cert", "renew", &folder, "--days", "30"])?;
                self.goes_on("while a certificate is renewed").await;
                Ok(())
            }
        }
    }

    /// The last height that any node told of.
    pub(crate) fn height(&self) -> u64 {
        self.clients.told(|told| told.height())
    }

    async fn goes_on_without(&mut self, node: usize) {
        self.goes_on(&format!("without node{node}")).await;
    }

    /// The group makes blocks, and does so for as long as a fault lasts.
    async fn goes_on(&mut self, how: &str) {
        let (begun, height) = (Instant::now(), self.height());
        while self.height() < height + 2 {
            if begun.elapsed() > GOES_ON_WAIT {
                let words = format!("no block above {height} in {} s {how}", GOES_ON_WAIT.as_secs());
                return self.report.violations.push(words);
            }
            sleep(POLL).await;
        }
        sleep(self.pace.fault.saturating_sub(begun.elapsed())).await;
    }

    /// The node that proposes next.
    async fn proposer(&self) -> Result<usize, ChaosError> {
        let group = self.group(0).await?;
        let status = group.status().await.map_err(|error| ChaosError(error.to_string()))?;
        let members = group.members().await.map_err(|error| ChaosError(error.to_string()))?;
        let next = status.more.get("next_proposer").and_then(Value::as_str).unwrap_or_default();
        let member = members.sealers.iter().find(|member| member.account.to_string() == next);
        let node = member.and_then(|member| self.ids.iter().position(|id| *id == member.node_id));
        Ok(node.unwrap_or(0))
    }

    pub(crate) async fn group(&self, node: usize) -> Result<Group, ChaosError> {
        let url = self.consortium.url(node).ok_or_else(|| ChaosError(format!("node{node} does not run")))?;
        connect(&url).await
    }

    async fn full_disk(&mut self) -> Result<(), ChaosError> {
        let node = NODES - 1;
        let ballast = self.consortium.fill_disk()?;
        let begun = Instant::now();
        loop {
            // One that ended instead is found when it is started again.
            let Ok(group) = self.group(node).await else { break };
            match group.status().await {
                Ok(status) if status.healthy => {}
                Ok(status) => {
                    let why = status.more.get("halted").and_then(Value::as_str).unwrap_or_default();
                    if !why.contains("could not be written") {
                        self.report.violations.push(format!("a full disk is told as: {why}"));
                    }
                    break;
                }
                Err(_) => break,
            }
            if begun.elapsed() > HALT_WAIT {
                self.report.violations.push("a full disk went unnoticed".into());
                break;
            }
            sleep(POLL).await;
        }
        self.goes_on_without(node).await;
        fs::remove_file(&ballast).map_err(|error| ChaosError(format!("{}: {error}", ballast.display())))?;
        self.consortium.stop(node).await;
        self.consortium.start_well(node).await
    }

    async fn damage(&mut self, node: usize, number: u64) -> Result<(), ChaosError> {
        self.consortium.kill(node);
        let files = self.consortium.store_files(node);
        let place = usize::try_from(number).unwrap_or(0);
        let path = files.get(place % files.len().max(1)).ok_or_else(|| ChaosError("a store without files".into()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let how =
            damage_file(path, place / files.len().max(1)).map_err(|error| ChaosError(format!("{name}: {error}")))?;
        self.goes_on_without(node).await;
        let folder = self.consortium.folder(node).display().to_string();
        let whole = if let Some(line) = self.consortium.start(node).await? {
            if !line.contains("entente node fetch") {
                self.report.violations.push(format!("{name} {how}: node{node} says not what to do: {line}"));
            }
            false
        } else {
            // What is damaged and was not needed at the start is found by whoever looks at everything.
            self.consortium.stop(node).await;
            self.consortium.entente(&["verify", "--dir", &folder]).is_ok_and(|answer| answer["ok"] == true)
        };
        if whole {
            return self.consortium.start_well(node).await;
        }
        self.consortium.entente(&["node", "fetch", "--dir", &folder, "--remove"])?;
        self.consortium.start_well(node).await?;
        self.follows(node).await;
        self.knows_its_silence(node).await;
        // It does not know what it promised: it votes in a new epoch, and somebody else's account has it made.
        let id = self.id(node)?;
        self.make(&id, "--observer", (node + 1) % NODES)?;
        self.make(&id, "--sealer", (node + 1) % NODES)?;
        self.is(node, "sealer").await;
        Ok(())
    }

    fn id(&self, node: usize) -> Result<String, ChaosError> {
        self.ids.get(node).cloned().ok_or_else(|| ChaosError(format!("node{node} has no identifier")))
    }

    /// Makes a node an observer or a sealer, by another's account and at its node.
    fn make(&self, id: &str, role: &str, by: usize) -> Result<(), ChaosError> {
        let url = self.consortium.url(by).ok_or_else(|| ChaosError(format!("node{by} does not run")))?;
        let account = format!("sealer{by}");
        self.consortium.entente(&["member", "add", id, role, "--account", &account, "--rpc", &url]).map(drop)
    }

    async fn member(&mut self) -> Result<(), ChaosError> {
        let (node, id) = self.consortium.add().await?;
        self.consortium.start_well(node).await?;
        self.make(&id, "--observer", 0)?;
        self.follows(node).await;
        self.make(&id, "--sealer", 0)?;
        self.is(node, "sealer").await;
        sleep(self.pace.fault).await;
        let url = self.consortium.url(0).unwrap_or_default();
        self.consortium.entente(&["member", "remove", &id, "--account", "sealer0", "--rpc", &url])?;
        self.goes_on("without the member that was let go").await;
        if !self.consortium.stop(node).await {
            self.report.violations.push(format!("node{node} did not end cleanly"));
        }
        Ok(())
    }

    /// A node comes to where the others were.
    async fn follows(&mut self, node: usize) {
        let (begun, height) = (Instant::now(), self.height());
        loop {
            let found = self.status(node).await.map(|status| status.height);
            if found.is_some_and(|found| found >= height) {
                return;
            }
            if begun.elapsed() > FOLLOW_WAIT {
                let words = format!("node{node} stays at {found:?}, and the others were at {height}");
                return self.report.violations.push(words);
            }
            sleep(POLL).await;
        }
    }

    /// A node that lost what it promised says how far that went, and the group is above: an epoch that begins now is one
    /// in which it votes.
    async fn knows_its_silence(&mut self, node: usize) {
        let begun = Instant::now();
        loop {
            let status = self.status(node).await;
            let through = status.as_ref().and_then(|status| status.more.get("silent_through")?.as_u64());
            if status.is_some_and(|status| through.is_some_and(|through| status.height > through)) {
                return;
            }
            if begun.elapsed() > FOLLOW_WAIT {
                let words = format!("node{node} is silent through {through:?}, and the group does not come above");
                return self.report.violations.push(words);
            }
            sleep(POLL).await;
        }
    }

    /// A node has this role.
    async fn is(&mut self, node: usize, role: &str) {
        let begun = Instant::now();
        loop {
            let found = self.status(node).await.map(|status| status.role);
            if found.as_deref() == Some(role) {
                return;
            }
            if begun.elapsed() > GOES_ON_WAIT {
                return self.report.violations.push(format!("node{node} is {found:?} and no {role}"));
            }
            sleep(POLL).await;
        }
    }
}

const fn cut(reset: bool) -> LinkState {
    if reset { LinkState::Ends } else { LinkState::Hangs }
}

/// Damages a file in one of three ways, and says how.
fn damage_file(path: &Path, way: usize) -> std::io::Result<&'static str> {
    match way % 3 {
        0 => {
            let mut bytes = fs::read(path)?;
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 0xff;
            }
            fs::write(path, bytes)?;
            Ok("with another byte in its middle")
        }
        1 => {
            let file = fs::OpenOptions::new().write(true).open(path)?;
            file.set_len(file.metadata()?.len() / 2)?;
            Ok("cut in half")
        }
        _ => {
            fs::remove_file(path)?;
            Ok("removed")
        }
    }
}

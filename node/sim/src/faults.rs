//! What goes wrong, and when it is put right.

use entente_consensus::Conduct;

use crate::{
    Death,
    check::Violation,
    world::{Happening, World},
};

/// Something that goes wrong, or is put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A node loses its power for so many milliseconds.
    Crash { machine: usize, for_ms: u64 },
    /// It comes back.
    Restart { machine: usize },
    /// A node's disk is lost, with or without the node, and all others lose their power.
    Death { machine: usize },
    /// Nothing gets from one of the first to one of the second, and perhaps back.
    Partition { from: Vec<usize>, to: Vec<usize>, both_ways: bool, for_ms: u64 },
    /// It is healed.
    Heal,
    /// A disk is slow for so long.
    SlowDisk { machine: usize, for_ms: u64 },
    /// It is as fast as before.
    FastDisk { machine: usize },
    /// A disk is full for so long.
    FullDisk { machine: usize, for_ms: u64 },
    /// There is room again.
    Room { machine: usize },
    /// All that went wrong is put right, but for the dead and the liars.
    Calm,
}

impl<C: Conduct> World<C> {
    /// Draws what will go wrong.
    pub(crate) fn plan(&mut self) {
        let calm_at = self.setup.calm_at_ms;
        let machines = self.machines.len();
        self.machines.iter_mut().for_each(|one| one.slow = self.setup.slow);
        let (least, most) = self.setup.faults;
        for _ in 0..self.numbers.between(least, most) {
            let machine = self.numbers.place(machines);
            let for_ms = self.numbers.between(200, 4_000);
            let fault = match self.numbers.below(10) {
                kind if kind < self.setup.crashes_of_ten => {
                    Fault::Crash { machine, for_ms: for_ms.min(self.numbers.between(50, self.setup.crash_ms_max)) }
                }
                0..=6 => {
                    let (mut from, mut to): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
                    for place in 0..machines {
                        if self.numbers.per_mille(400) { from.push(place) } else { to.push(place) }
                    }
                    Fault::Partition { from, to, both_ways: self.numbers.per_mille(600), for_ms }
                }
                7 | 8 => Fault::SlowDisk { machine, for_ms },
                _ => Fault::FullDisk { machine, for_ms },
            };
            let at = self.numbers.between(500, calm_at);
            self.at(at * 1000, Happening::Fault(fault));
        }
        if self.setup.death.is_some() {
            let honest: Vec<usize> = (0..machines).filter(|place| self.machines[*place].honest()).collect();
            let machine = honest[self.numbers.place(honest.len())];
            let at = self.numbers.between(2_000, calm_at);
            self.at(at * 1000, Happening::Fault(Fault::Death { machine }));
        }
        self.at(calm_at * 1000, Happening::Fault(Fault::Calm));
    }

    fn crash(&mut self, machine: usize) {
        if self.machines[machine].group.is_some() {
            self.statistics.amnesiac_restarts += u64::from(!self.machines[machine].writing.is_empty());
            let happened = self.numbers.per_mille(500);
            self.machines[machine].crash(happened);
        }
    }

    fn restart(&mut self, machine: usize) -> Result<(), Violation> {
        let one = &self.machines[machine];
        if one.group.is_none() && !one.dead && one.can_start() { self.start(machine) } else { Ok(()) }
    }

    pub(crate) fn go_wrong(&mut self, fault: Fault) -> Result<(), Violation> {
        let later = |fault| Happening::Fault(fault);
        match fault {
            Fault::Crash { machine, for_ms } if !self.calm => {
                self.crash(machine);
                self.at(for_ms * 1000, later(Fault::Restart { machine }));
            }
            Fault::Restart { machine } => return self.restart(machine),
            Fault::Death { machine } => {
                for other in 0..self.machines.len() {
                    self.crash(other);
                    let for_ms = self.numbers.between(100, 1_500);
                    self.at(for_ms * 1000, later(Fault::Restart { machine: other }));
                }
                self.statistics.deaths += 1;
                if self.setup.death == Some(Death::Disk) {
                    self.machines[machine].lose_disk()?;
                    self.checker.forgets(machine);
                    self.emptied = Some(machine);
                } else {
                    self.machines[machine].dead = true;
                }
            }
            Fault::Partition { from, to, both_ways, for_ms } if !self.calm => {
                for left in &from {
                    for right in &to {
                        self.blocked.push((*left, *right));
                        if both_ways {
                            self.blocked.push((*right, *left));
                        }
                    }
                }
                self.at(for_ms * 1000, later(Fault::Heal));
            }
            Fault::Heal => {
                self.statistics.partitions_healed += u64::from(!self.blocked.is_empty());
                self.blocked.clear();
            }
            Fault::SlowDisk { machine, for_ms } if !self.calm => {
                self.statistics.slow_disks += 1;
                self.machines[machine].slow = true;
                self.at(for_ms * 1000, later(Fault::FastDisk { machine }));
            }
            Fault::FastDisk { machine } => self.machines[machine].slow = false,
            Fault::FullDisk { machine, for_ms } if !self.calm => {
                self.statistics.full_disks += 1;
                self.machines[machine].disk.set_full(true);
                self.at(for_ms * 1000, later(Fault::Room { machine }));
            }
            Fault::Room { machine } => {
                self.machines[machine].disk.set_full(false);
                return self.restart(machine);
            }
            Fault::Calm => return self.be_calm(),
            _ => {}
        }
        Ok(())
    }

    fn be_calm(&mut self) -> Result<(), Violation> {
        self.calm = true;
        self.statistics.partitions_healed += u64::from(!self.blocked.is_empty());
        self.blocked.clear();
        for machine in 0..self.machines.len() {
            self.machines[machine].slow = false;
            self.machines[machine].disk.set_full(false);
            self.restart(machine)?;
        }
        Ok(())
    }
}

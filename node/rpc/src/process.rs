//! What the system says of this process.

use std::fs;

/// The bytes of this process that are in RAM, where the system tells.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// How many files, sockets and the like it has open.
pub(crate) fn open_files() -> Option<u64> {
    // The folder that is being listed is one of them.
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

/// How many it may have open.
pub(crate) fn open_files_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        let before = (resident_bytes().unwrap(), open_files().unwrap());
        let files: Vec<fs::File> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let bytes = vec![1_u8; 64 << 20];
        assert!(open_files().unwrap() >= before.1 + 40, "others may close some meanwhile");
        assert!(resident_bytes().unwrap() > before.0 + (32 << 20));
        assert!(open_files_max().unwrap() >= open_files().unwrap());
        drop((files, std::hint::black_box(bytes)));
    }
}

//! The memory that is available to this process.

/// The number of bytes that this process may still take; `None` if the system does not say.
#[cfg(target_os = "linux")]
pub fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    linux::available(&read)
}

/// The number of bytes that this process may still take; `None` if the system does not say.
#[cfg(not(target_os = "linux"))]
pub fn available() -> Option<u64> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    Some(system.available_memory()).filter(|&bytes| bytes > 0)
}

/// Linux says it in text files: the machine's memory in `/proc/meminfo`, the limit on the address space in
/// `/proc/self/limits`, and those of control groups in the files of the `memory` controller, version 1 or 2.
#[cfg(any(target_os = "linux", test))]
mod linux {
    /// The files of a control group with its limit and its usage, in each version.
    const VERSION_2: [&str; 2] = ["memory.max", "memory.current"];
    const VERSION_1: [&str; 2] = ["memory.limit_in_bytes", "memory.usage_in_bytes"];

    /// The fields of `memory.stat` with the cached files, which are counted as usage but dropped if memory is needed.
    /// Only version 1 has the totals, which include the groups below.
    const CACHED: [&str; 4] =
        ["inactive_file ", "active_file ", "total_inactive_file ", "total_active_file "];

    /// Reads a file; `None` if it cannot be read.
    type Read<'a> = dyn Fn(&str) -> Option<String> + 'a;

    /// The least of all that is left.
    pub fn available(read: &Read) -> Option<u64> {
        let groups = read("/proc/self/cgroup").unwrap_or_default();
        let of_groups = groups.lines().filter_map(|line| of_group(line, read));
        of_machine(read).into_iter().chain(of_address_space(read)).chain(of_groups).min()
    }

    fn of_machine(read: &Read) -> Option<u64> {
        kib_after(&read("/proc/meminfo")?, "MemAvailable:")
    }

    /// What `ulimit -v` leaves.
    fn of_address_space(read: &Read) -> Option<u64> {
        let limits = read("/proc/self/limits")?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
        let limit: u64 = line.split_whitespace().next()?.parse().ok()?; // or "unlimited"
        let used = kib_after(&read("/proc/self/status")?, "VmSize:")?;
        Some(limit.saturating_sub(used))
    }

    /// What a control group leaves, and each that contains it. `line` is one of `/proc/self/cgroup`:
    /// `HIERARCHY:CONTROLLERS:PATH`. A container may see its own group as the root.
    fn of_group(line: &str, read: &Read) -> Option<u64> {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (roots, files): (&[&str], _) = match controllers {
            "" => (&["/sys/fs/cgroup", "/sys/fs/cgroup/unified"], VERSION_2),
            names if names.split(',').any(|name| name == "memory") => (&["/sys/fs/cgroup/memory"], VERSION_1),
            _ => return None,
        };
        let ancestors = path.match_indices('/').map(|(end, _)| &path[..end]).chain([path]);
        let left = |folder: String| {
            let number = |file| read(&format!("{folder}/{file}"))?.trim().parse::<u64>().ok(); // or "max"
            let cached = read(&format!("{folder}/memory.stat")).map_or(0, |stat| cached(&stat));
            Some(number(files[0])?.saturating_sub(number(files[1])?.saturating_sub(cached)))
        };
        let folders = ancestors
            .flat_map(|group| roots.iter().map(move |root| format!("{root}{}", group.trim_end_matches('/'))));
        folders.filter_map(left).min()
    }

    /// The bytes of cached files in a `memory.stat`.
    fn cached(stat: &str) -> u64 {
        let field =
            |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        let [inactive, active, total_inactive, total_active] = CACHED.map(field);
        total_inactive.or(inactive).unwrap_or(0).saturating_add(total_active.or(active).unwrap_or(0))
    }

    /// Parses the line `NAME    12345 kB`.
    fn kib_after(text: &str, name: &str) -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1 << 10)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const MEMINFO: (&str, &str) =
            ("/proc/meminfo", "MemTotal:       24000000 kB\nMemFree:  1 kB\nMemAvailable:   16000000 kB\n");

        #[track_caller]
        fn check(files: &[(&str, &str)], expected: Option<u64>) {
            let read =
                |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
            assert_eq!(available(&read), expected);
        }

        #[test]
        fn the_machine_limits_the_memory() {
            check(&[MEMINFO], Some(16_000_000 << 10));
            check(&[], None);
        }

        #[test]
        fn a_limit_on_the_address_space_counts_what_is_in_use() {
            let limits = |value: &str| {
                format!(
                    "Limit  Soft Limit  Hard Limit  Units\nMax address space  {value}  unlimited  bytes\n"
                )
            };
            let status = ("/proc/self/status", "Name:\tlenet-gpu\nVmSize:\t  1000 kB\n");
            check(&[MEMINFO, ("/proc/self/limits", &limits("6144000")), status], Some(6_144_000 - 1_024_000));
            check(&[MEMINFO, ("/proc/self/limits", &limits("unlimited")), status], Some(16_000_000 << 10));
        }

        #[test]
        fn a_control_group_or_one_that_contains_it_limits_the_memory() {
            let group = ("/proc/self/cgroup", "0::/user/session\n");
            let outer = [
                ("/sys/fs/cgroup/user/memory.max", "5000000\n"),
                ("/sys/fs/cgroup/user/memory.current", "1000000\n"),
            ];
            let inner = [
                ("/sys/fs/cgroup/user/session/memory.max", "max\n"),
                ("/sys/fs/cgroup/user/session/memory.current", "100\n"),
            ];
            check(&[&[MEMINFO, group][..], &outer, &inner].concat(), Some(4_000_000));
            let root = [("/sys/fs/cgroup/memory.max", "3000"), ("/sys/fs/cgroup/memory.current", "4000")];
            check(&[&[MEMINFO, ("/proc/self/cgroup", "0::/\n")][..], &root].concat(), Some(0));
        }

        #[test]
        fn control_groups_of_version_1_limit_the_memory() {
            let files = [
                MEMINFO,
                ("/proc/self/cgroup", "5:devices:/x\n4:cpu,memory:/job\n0::/\n"),
                ("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2000000\n"),
                ("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "500000\n"),
            ];
            check(&files, Some(1_500_000));
            let stat = "cache 9\ninactive_file 1\ntotal_inactive_file 100000\ntotal_active_file 50000\n";
            let stat = ("/sys/fs/cgroup/memory/job/memory.stat", stat);
            check(&[&files[..], &[stat]].concat(), Some(1_650_000));
        }
    }
}

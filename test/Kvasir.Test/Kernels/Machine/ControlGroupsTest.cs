using Kvasir.Kernels.Machine;
using Kvasir.Test.Models;

namespace Kvasir.Test.Kernels.Machine;

/// <summary>Limits of control groups, from a folder with the files that a system would show.</summary>
public sealed class ControlGroupsTest : IDisposable
{
    private const string Version2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
    private const string Version1 = "34 30 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n35 30 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct";
    private readonly TempFolder _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void TheLeastLimitOnTheWayToTheRootCounts()
    {
        Process(Version2, "0::/work.slice/app.scope/inner");
        Group("/sys/fs/cgroup/work.slice/app.scope/inner", ("memory.max", "max"), ("memory.current", "5"));
        Group("/sys/fs/cgroup/work.slice/app.scope", ("memory.max", "9000"), ("memory.current", "100"));
        Group("/sys/fs/cgroup/work.slice", ("memory.max", "1000"), ("memory.current", "400"), ("memory.stat", "anon 300\ninactive_file 100\nactive_file 5"));
        Assert.Equal(700, Groups.MemoryLeftBytes());
    }

    [Fact]
    public void OwnLimitCountsWhereItIsTheLeast()
    {
        Process(Version2, "0::/work.slice/app.scope");
        Group("/sys/fs/cgroup/work.slice/app.scope", ("memory.max", "300"), ("memory.current", "100"));
        Group("/sys/fs/cgroup/work.slice", ("memory.max", "1000"), ("memory.current", "400"));
        Assert.Equal(200, Groups.MemoryLeftBytes());
    }

    [Fact]
    public void ThrottlingCountsAsALimit()
    {
        Process(Version2, "0::/app");
        Group("/sys/fs/cgroup/app", ("memory.max", "max"), ("memory.high", "500"), ("memory.current", "100"));
        Assert.Equal(400, Groups.MemoryLeftBytes());
    }

    [Fact]
    public void Version1IsFoundByItsPathAndClimbedToo()
    {
        Process(Version1, "9:name=systemd:/\n4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/");
        Group("/sys/fs/cgroup/memory/docker/abc", ("memory.limit_in_bytes", "9223372036854771712"), ("memory.usage_in_bytes", "10"));
        Group("/sys/fs/cgroup/memory/docker", ("memory.limit_in_bytes", "2000"), ("memory.usage_in_bytes", "900"), ("memory.stat", "inactive_file 1\ntotal_inactive_file 400"));
        Group("/sys/fs/cgroup/memory", ("memory.limit_in_bytes", "9223372036854771712"), ("memory.usage_in_bytes", "77"));
        Assert.Equal(1500, Groups.MemoryLeftBytes());
    }

    [Fact]
    public void Version1TellsOfALimitAboveWhatIsMounted()
    {
        // A container that sees its own group alone, as the root of the mount.
        Process("34 30 0:31 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory", "4:memory:/docker/abc");
        Group("/sys/fs/cgroup/memory", ("memory.limit_in_bytes", "9223372036854771712"), ("memory.usage_in_bytes", "100"), ("memory.stat", "hierarchical_memory_limit 600"));
        Assert.Equal(500, Groups.MemoryLeftBytes());
    }

    [Fact]
    public void ContainersOwnGroupIsTheRootOfItsMount()
    {
        Process("29 23 0:26 /../.. /sys/fs/cgroup ro - cgroup2 cgroup ro", "0::/");
        Group("/sys/fs/cgroup", ("memory.max", "800"), ("memory.current", "300"));
        Assert.Equal(500, Groups.MemoryLeftBytes());
    }

    [Fact]
    public void MountsAreFoundWhereverTheyAre()
    {
        Process("29 23 0:26 / /mnt/all\\040groups rw - cgroup2 cgroup2 rw", "0::/a");
        Group("/mnt/all groups/a", ("memory.max", "50"), ("memory.current", "20"));
        Assert.Equal(30, Groups.MemoryLeftBytes());
    }

    [Fact]
    public void QuotaOfAGroupAboveIsWorthItsProcessors()
    {
        Process(Version2, "0::/work.slice/app.scope");
        Group("/sys/fs/cgroup/work.slice/app.scope", ("cpu.max", "max 100000"));
        Group("/sys/fs/cgroup/work.slice", ("cpu.max", "250000 100000"));
        Assert.Equal(3, Groups.Processors());
        Process(Version1, "1:cpu,cpuacct:/docker/abc");
        Group("/sys/fs/cgroup/cpu,cpuacct/docker/abc", ("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "100000"));
        Group("/sys/fs/cgroup/cpu,cpuacct/docker", ("cpu.cfs_quota_us", "50000"), ("cpu.cfs_period_us", "100000"));
        Assert.Equal(1, Groups.Processors());
    }

    [Fact]
    public void WithoutGroupsThereIsNoLimit()
    {
        Assert.Equal((null, null), (Groups.MemoryLeftBytes(), Groups.Processors()));
        Process(Version2, "0::/app");
        Group("/sys/fs/cgroup/app", ("memory.max", "no number"), ("memory.current", "5"), ("cpu.max", "max"));
        Assert.Equal((null, null), (Groups.MemoryLeftBytes(), Groups.Processors()));
    }

    [Theory]
    [InlineData("1000\n", "400\n", "anon 300\ninactive_file 100\nactive_file 5\n", 700L)]
    [InlineData("1000", "1200", null, 0L)]
    [InlineData("max\n", "400\n", null, null)]
    [InlineData(null, null, null, null)]
    public void AGroupLeavesWhatIsNotUsedOrCanBeDropped(string? limit, string? used, string? statistics, long? left) => Assert.Equal(left, ControlGroups.Left(limit, used, statistics));

    private ControlGroups Groups => new(_root.Path);

    private void Process(string mounts, string groups) => Group("/proc/self", ("mountinfo", $"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n{mounts}\n"), ("cgroup", groups + "\n"));

    private void Group(string folder, params (string Name, string Text)[] files)
    {
        Directory.CreateDirectory(_root.Path + folder);
        foreach (var (name, text) in files)
            File.WriteAllText($"{_root.Path}{folder}/{name}", text + "\n");
    }
}

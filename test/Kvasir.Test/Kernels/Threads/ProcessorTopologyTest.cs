using Kvasir.Kernels.Threads;

namespace Kvasir.Test.Kernels.Threads;

public sealed class ProcessorTopologyTest
{
    [Theory]
    [InlineData("", new int[0])]
    [InlineData(null, new int[0])]
    [InlineData("0", new[] { 0 })]
    [InlineData("0,32\n", new[] { 0, 32 })]
    [InlineData("0-3,8,10-11\n", new[] { 0, 1, 2, 3, 8, 10, 11 })]
    [InlineData("x,1-,-2,4", new[] { 4 })]
    [InlineData("0-4000000000,7-2000000000,5", new[] { 5 })]
    public void CpuListsAreRead(string? list, int[] expected) => Assert.Equal(expected, ProcessorTopology.ParseCpuList(list));

    [Fact]
    public void SiblingsCountAsOneCore()
    {
        Assert.Equal([0, 1], ProcessorTopology.OnePerCore([0, 1, 2, 3], cpu => $"{cpu % 2},{cpu % 2 + 2}"));
        Assert.Equal([0, 2], ProcessorTopology.OnePerCore([0, 1, 2, 3], cpu => cpu < 2 ? "0-1" : "2-3"));
    }

    [Fact]
    public void ACoreOfWhichOnlyTheSecondThreadIsAllowedStillCounts() =>
        Assert.Equal([2, 3], ProcessorTopology.OnePerCore([2, 3], cpu => $"{cpu % 2},{cpu % 2 + 2}"));

    [Fact]
    public void UnknownTopologyMakesEveryCpuACore() => Assert.Equal([4, 6], ProcessorTopology.OnePerCore([4, 6], _ => null));

    [Fact]
    public void ThisMachineHasCores()
    {
        var cpus = ProcessorTopology.PhysicalCpus();
        Assert.InRange(cpus.Length, 1, Environment.ProcessorCount);
        Assert.Equal(cpus.Distinct().Order(), cpus);
    }

    [Fact]
    public void PinnedThreadsMayRunOnTheirCpuOnly()
    {
        int[]? during = null;
        var pinned = false;
        var cpu = ProcessorTopology.PhysicalCpus()[^1];
        var thread = new Thread(() =>
        {
            pinned = ThreadAffinity.TryPinCurrentThread(cpu);
            during = ThreadAffinity.AllowedCpus();
        });
        thread.Start();
        thread.Join();
        Assert.Equal(OperatingSystem.IsLinux(), pinned);
        int[]? expected = pinned ? [cpu] : null;
        Assert.Equal(expected, during);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(8191)]
    [InlineData(int.MaxValue)]
    public void CpusThatDoNotExistAreRefused(int cpu) => Assert.False(ThreadAffinity.TryPinCurrentThread(cpu));
}

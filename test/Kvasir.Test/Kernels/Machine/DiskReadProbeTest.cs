using Kvasir.Kernels.Files;
using Kvasir.Kernels.Machine;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Machine;

public sealed class DiskReadProbeTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // A busy machine may keep a thread from its processor for as long as it was to read.
    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void EveryThreadReadsOnceHoweverShortTheTime(int depth)
    {
        const int Bytes = 64 << 10;
        using var file = DirectFile.Create(_folder.Path, Bytes);
        using var content = new NativeBuffer(2 << 20);
        file.Write(0, content.View.Slice(0, Bytes));
        var sample = DiskReadProbe.Measure(file, 4 << 10, depth, isSequential: false, runMs: 0);
        Assert.True(sample.ReadsPerSecond > 0 && sample.MedianUs > 0 && sample.SlowUs >= sample.MedianUs, $"{sample}");
    }
}

using Kvasir.Kernels.Machine;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Machine;

public sealed unsafe class MachineTest
{
    [Fact]
    public void EveryReaderSeesEveryByte()
    {
        const int Bytes = 5 * ReadStreams.StepBytes;
        using var buffer = new NativeBuffer(Bytes + 100);
        var bytes = buffer.Span<byte>(Bytes + 100);
        foreach (var variant in ReadStreams.Variants.Where(static variant => variant.IsSupported))
        {
            for (var i = 0; i < Bytes; i++)
            {
                bytes[i] = 1;
                Assert.True(variant.Run(buffer.View.Start, Bytes + 100) != 0, $"{variant}: byte {i} was not read");
                bytes[i] = 0;
            }

            bytes[Bytes..].Fill(1);
            Assert.Equal(0, variant.Run(buffer.View.Start, Bytes + 100));
            bytes[Bytes..].Clear();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void ReadingIsMeasured(int threads)
    {
        var sample = MemoryReadProbe.Measure(threads, runs: 3, bytesPerThread: 4 << 20);
        Assert.Equal(threads, sample.Threads);
        Assert.InRange(sample.BytesPerSecond, 1e6, 1e13);
        Assert.True(sample.BestBytesPerSecond >= sample.BytesPerSecond);
    }

    [Theory]
    [InlineData(MultiplyAddKind.F32)]
    [InlineData(MultiplyAddKind.BF16)]
    [InlineData(MultiplyAddKind.Bytes)]
    public void MultiplyAddsAreMeasuredWhereThereAreAny(MultiplyAddKind arithmetic)
    {
        var sample = MultiplyAddProbe.Measure(arithmetic, threads: 1, runs: 1);
        var supported = MultiplyAddProbe.Loops(arithmetic).Where(static loop => loop.IsSupported).Select(static loop => loop.Form).ToArray();
        Assert.Equal(supported.Length > 0, sample is not null);
        if (sample is not { } measured)
            return;
        Assert.Contains(measured.Form, supported);
        Assert.InRange(measured.OperationsPerSecond, 1e6, 1e14);
    }

    [Fact]
    public void SinglePrecisionIsMeasuredEverywhere() => Assert.NotNull(MultiplyAddProbe.Measure(MultiplyAddKind.F32, threads: 1, runs: 1));

    [Fact]
    public void TheProcessorHasAName() => Assert.NotEqual("", Processor.Name.Trim());
}

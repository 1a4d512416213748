using Kvasir.Kernels.Attention.Formats;
using Kvasir.Synthetic;

namespace Kvasir.Bench.Gate;

/// <summary>The managed bytes that a step of several decoding sequences allocates on the thread that steps.</summary>
internal static class DecodeAllocation
{
    private const int WarmSteps = 20;
    private const int Steps = 40;

    /// <summary>The most over KV types and numbers of threads.</summary>
    public static long BytesPerStep()
    {
        using var model = Model.Synthetic("tiny", SyntheticWeights.Q4_0);
        long most = 0;
        foreach (var kv in KvFormat.Table)
        {
            foreach (var threads in new[] { 1, 2 })
                most = Math.Max(most, Measure(model, new EngineOptions { Kv = kv, Threads = threads, ContextTokens = 512, KvMemoryBytes = 64 << 20 }));
        }

        return most;
    }

    private static long Measure(Model model, EngineOptions options)
    {
        using var engine = new Engine(model, options);
        for (var i = 0; i < 3; i++)
            engine.Submit(new Sequence([1, 2, 3 + i], new GenerationOptions { MaxTokens = 200, IgnoreEnd = true }));
        for (var i = 0; i < WarmSteps; i++)
            engine.Step();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Steps; i++)
            engine.Step();
        return (GC.GetAllocatedBytesForCurrentThread() - before + Steps - 1) / Steps;
    }
}

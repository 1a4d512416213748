using System.Diagnostics;
using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;

namespace Kvasir.Test.Support;

/// <summary>
/// Loads damaged files and holds what must then be true: the file loads and every byte of it can be reached, or one
/// <see cref="KvasirException"/> names it on one line; in little time and memory either way.
/// </summary>
internal sealed class DamageProbe : IDisposable
{
    private const long AllocationLimitBytes = 4 << 20;
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(5);

    public TempFolder Folder { get; } = new();

    public int Loaded { get; private set; }

    public int Refused { get; private set; }

    /// <summary>Values that lengths, counts, offsets and sizes are set to.</summary>
    public static ulong[] Extremes { get; } =
    [
        0, 1, 2, 3, 7, 8, 9, 10, 12, 13, 31, 32, 33, 64, 65, 255, 65535, 65536, 100_000_000, 100_000_001,
        int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 32, 1UL << 60, long.MaxValue, 1UL << 63, ulong.MaxValue - 7, ulong.MaxValue,
    ];

    public void Gguf(byte[] content, string damage)
    {
        Folder.Write("tiny.gguf", content);
        LoadGguf(damage);
    }

    /// <summary>The same of the file that was last tried whole, with another beginning as long as the one before it: what follows is megabytes.</summary>
    public void GgufBeginning(ReadOnlySpan<byte> beginning, string damage)
    {
        using (var file = File.OpenHandle(Folder.File("tiny.gguf"), FileMode.Open, FileAccess.Write))
            RandomAccess.Write(file, beginning, 0);
        LoadGguf(damage);
    }

    /// <summary>Loads the folder as it lies there; <paramref name="fileName"/> is the damaged file.</summary>
    public void LoadFolder(string fileName, string damage) => Probe(fileName, damage, () =>
    {
        using var weights = TestModels.LoadFolder(Folder.Path, out _);
        _ = GenerationDefaults.FromFolder(Folder.Path);
        Touch(weights);
    });

    public void Dispose() => Folder.Dispose();

    private void LoadGguf(string damage) => Probe("tiny.gguf", damage, () =>
    {
        using var file = Kvasir.Files.Gguf.Open(Folder.File("tiny.gguf"));
        foreach (var key in file.Metadata.Keys)
            TouchKey(file.Metadata, key, damage);
        var config = ModelFamilies.Read(file);
        using var weights = Weights.Load(file, config, TestModels.AsStored);
        Touch(weights);
    });

    private void Probe(string fileName, string damage, Action load)
    {
        var clock = Stopwatch.StartNew();
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            load();
            Loaded++;
        }
        catch (KvasirException exception)
        {
            AssertClear(exception, fileName, damage);
            Refused++;
        }
        catch (Exception exception) when (exception is not Xunit.Sdk.XunitException)
        {
            Assert.Fail($"{damage}: {exception}");
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        Assert.True(allocated < AllocationLimitBytes, $"{damage}: {allocated} bytes were allocated");
        Assert.True(clock.Elapsed < TimeLimit, $"{damage}: took {clock.Elapsed}");
    }

    private static void TouchKey(GgufMetadata metadata, string key, string damage)
    {
        try
        {
            Read(metadata, key);
        }
        catch (KvasirException exception)
        {
            AssertClear(exception, "tiny.gguf", damage);
        }
    }

    private static object? Read(GgufMetadata metadata, string key)
    {
        var type = metadata.Describe(key)!;
        var isFloat = type.EndsWith("F32", StringComparison.Ordinal) || type.EndsWith("F64", StringComparison.Ordinal);
        if (metadata.IsArray(key))
            return type.EndsWith("String", StringComparison.Ordinal) ? metadata.Strings(key) : isFloat ? metadata.Numbers(key) : metadata.Integers(key);
        return type switch
        {
            "String" => metadata.String(key),
            "Bool" => metadata.Boolean(key),
            _ => isFloat ? metadata.Number(key) : metadata.Integer(key),
        };
    }

    private static void AssertClear(KvasirException exception, string fileName, string damage)
    {
        Assert.True(exception.Message.Contains(fileName, StringComparison.Ordinal), $"{damage}: {exception.Message}");
        Assert.True(exception.Message.Length < 1000 && !exception.Message.Contains('\n', StringComparison.Ordinal), $"{damage}: {exception.Message}");
    }

    private static void Touch(Weights weights)
    {
        Touch(weights.Embedding);
        Touch(weights.Output);
        foreach (var layer in weights.Layers)
        {
            foreach (var matrix in (ReadOnlySpan<WeightMatrix>)[layer.Query, layer.Key, layer.Value, layer.Output, layer.Gate, layer.Up, layer.Down])
                Touch(matrix);
        }
    }

    // Outside the mapped file the process would not survive this. Counting looks at every byte, many at a time: of some families it is megabytes.
    private static void Touch(WeightMatrix matrix)
    {
        var zeros = 0L;
        for (var row = 0; row < matrix.Rows; row++)
            zeros += matrix.Row(row).Count((byte)0);
        Assert.True(zeros >= 0);
    }
}

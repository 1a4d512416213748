using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Test.Support;

namespace Kvasir.Test.Models;

/// <summary>Weights that are more than they may take of memory: what is computed with them, and what they take.</summary>
public sealed class LayerWindowTest
{
    private static readonly ModelOptions Stored = new() { Repack = false };

    [Theory]
    [InlineData("stories260K")]
    [InlineData("folder")]
    [InlineData("needle")]
    public void TokensAreThoseOfWeightsInMemory(string name)
    {
        var path = name == "folder" ? TestModels.StoriesFolder : name;
        using var whole = Model.Load(path, Stored);
        using var streamed = Model.Load(path, Stored with { MemoryBytes = LeastBytes(path) });
        Assert.Null(whole.Weights.Streamed);
        Assert.InRange(streamed.Weights.Streamed!.LayerCount, 4, whole.Config.LayerCount);
        Assert.Equal(Answers(whole), Answers(streamed));
        // Each step read every layer once, whoever was in it, and the first two of one that never came.
        Assert.InRange(streamed.Weights.Streamed.BytesRead / streamed.Weights.Streamed.StepBytes, 38, 43);
    }

    [Fact]
    public void LayersThatStayArePackedAndThoseBetweenComeAsStored()
    {
        using var whole = Model.Load("needle");
        var least = LeastBytes("needle");
        var layer = ((whole.Weights.Bytes - least) / 4) + (128 << 10);
        using var streamed = Model.Load("needle", new ModelOptions { MemoryBytes = least + (2 * layer) });
        Assert.Equal(4, streamed.Weights.Streamed!.LayerCount);
        Assert.InRange(streamed.Weights.ResidentBytes, 1, least + (2 * layer));
        Assert.Equal(Answers(whole), Answers(streamed));
    }

    [Fact]
    public void EnginesOfOneModelTakeTurns()
    {
        using var whole = Model.Load("stories260K", Stored);
        using var streamed = Model.Load("stories260K", Stored with { MemoryBytes = LeastBytes("stories260K") });
        var expected = Answers(whole);
        var results = new string[3];
        Parallel.For(0, results.Length, new ParallelOptions { MaxDegreeOfParallelism = 3 }, i => results[i] = Answers(streamed));
        Assert.All(results, answers => Assert.Equal(expected, answers));
    }

    [Fact]
    public void APassThatWasLeftBeginsAnew()
    {
        using var whole = Model.Load("needle", Stored);
        using var streamed = Model.Load("needle", Stored with { MemoryBytes = LeastBytes("needle") });
        var window = streamed.Weights.Window!;
        // Seed of the walk; a pass may be left behind any layer.
        var random = new Random(20);
        for (var pass = 0; pass < 20; pass++)
        {
            var end = random.Next(1, whole.Config.LayerCount + 1);
            window.Enter();
            for (var layer = 0; layer < end; layer++)
            {
                window.Require(layer);
                var (expected, came) = (whole.Weights.Layers[layer], streamed.Weights.Layers[layer]);
                Assert.True(Bytes(expected.Query.Data).SequenceEqual(Bytes(came.Query.Data)), $"pass {pass}, layer {layer}");
                Assert.True(Bytes(expected.Down.Data).SequenceEqual(Bytes(came.Down.Data)), $"pass {pass}, layer {layer}");
                if (layer + 1 < end)
                    window.Release(layer);
            }

            window.Leave();
        }
    }

    [Fact]
    public void ResidentBytesStayUnderWhatIsAllowed()
    {
        if (!OperatingSystem.IsLinux())
            return;
        using var folder = new TempFolder();
        foreach (var file in Directory.GetFiles(ModelFolder.Locate("needle")))
            File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
        var least = LeastBytes(folder.Path);
        using var streamed = Model.Load(folder.Path, Stored with { MemoryBytes = least });
        Answers(streamed);
        var (mapped, window) = (MappedBytes(Path.Combine(folder.Path, "model.safetensors")), streamed.Weights.Window!.Bytes);
        // Of norms, and of what the system maps around them.
        Assert.InRange(mapped + window, 1, least + (1 << 20));
        Assert.True(streamed.Weights.Bytes > least + (3 << 20), $"{streamed.Weights.Bytes} and {least} tell nothing");
    }

    [Fact]
    public void AFileThatIsCutEndsTheAnswerAndNothingElse()
    {
        using var folder = new TempFolder();
        foreach (var file in Directory.GetFiles(ModelFolder.Locate("needle")))
            File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
        using var streamed = Model.Load(folder.Path, Stored with { MemoryBytes = LeastBytes(folder.Path) });
        var file0 = Path.Combine(folder.Path, "model.safetensors");
        var content = File.ReadAllBytes(file0);
        using (var stream = new FileStream(file0, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            stream.SetLength(4096);
        var window = streamed.Weights.Window!;
        var problem = Assert.Throws<KvasirException>(() => window.Require(0));
        Assert.Contains("layer 0", problem.Message, StringComparison.Ordinal);
        Assert.Contains("the file ends", problem.Message, StringComparison.Ordinal);
        using (var stream = new FileStream(file0, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            stream.Write(content);
        window.Require(0);
        Assert.True(window.IsReady(0));
    }

    [Fact]
    public void TooLittleIsSaidWithWhatIsNeeded()
    {
        var least = LeastBytes("needle");
        var problem = Assert.Throws<KvasirException>(() => Model.Load("needle", Stored with { MemoryBytes = least - 1 }));
        Assert.Equal(KvasirError.BadOption, problem.Error);
        Assert.Contains($"{least - 1} bytes", problem.Message, StringComparison.Ordinal);
        Assert.Contains($"{least} at least", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatCannotBeReadLayerByLayerIsRefused()
    {
        var options = Stored with { MemoryBytes = LeastBytes("needle") };
        Assert.Contains("draft", Refusal(() => Model.Load("needle", options with { DraftWeights = true })), StringComparison.Ordinal);
        Assert.Contains("narrower", Refusal(() => Model.Load("needle", options with { KvRank = 32 })), StringComparison.Ordinal);
        Assert.Contains("no file", Refusal(() => Model.Synthetic("llama3.2-1b:6", options: Stored with { MemoryBytes = 1 << 20 })), StringComparison.Ordinal);

        static string Refusal(Action load)
        {
            var problem = Assert.Throws<KvasirException>(load);
            Assert.Equal(KvasirError.Unsupported, problem.Error);
            return problem.Message;
        }
    }

    [Theory]
    [InlineData(32, 10, 100, 420, 0)]
    [InlineData(32, 10, 100, 417, 4)]
    [InlineData(32, 10, 100, 390, 6)]
    [InlineData(32, 10, 100, 130, 32)]
    [InlineData(5, 10, 0, 40, 4)]
    [InlineData(3, 10, 0, 29, -1)]
    public void AsManyLayersStayAsThereIsRoomFor(int layers, long layerMib, long otherMib, long budgetMib, int read)
    {
        long[] bytes = [.. Enumerable.Repeat((layerMib << 20) - (64 << 10), layers)];
        var shares = LayerShares.Of(bytes, otherMib << 20, budgetMib << 20);
        Assert.Equal(read, shares?.ReadCount ?? -1);
        if (shares is null)
        {
            Assert.True(LayerShares.LeastBytes(bytes, otherMib << 20) > budgetMib << 20);
            return;
        }

        Assert.InRange(shares.ResidentBytes(bytes) + (otherMib << 20), 0, budgetMib << 20);
        // Evenly: between two that are read lie as many that stay, or one more or less.
        var places = Enumerable.Range(0, layers).Where(layer => shares.IsRead[layer]).ToArray();
        var gaps = places.Zip(places.Skip(1), static (before, after) => after - before).ToArray();
        Assert.True(gaps.Length == 0 || gaps.Max() - gaps.Min() <= 1);
    }

    private static ReadOnlySpan<byte> Bytes(NativeView view) => view.Span(0, (int)view.Bytes);

    private static long LeastBytes(string path) => StreamedAnswers.LeastBytes(path);

    private static string Answers(Model model) => StreamedAnswers.Of(model);

    private static long MappedBytes(string path)
    {
        var (bytes, isOfFile) = (0L, false);
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.Contains('-', StringComparison.Ordinal) && char.IsAsciiHexDigitLower(line[0]) && !line.Contains("kB", StringComparison.Ordinal))
                isOfFile = line.EndsWith(path, StringComparison.Ordinal);
            else if (isOfFile && line.StartsWith("Rss:", StringComparison.Ordinal))
                bytes += ResidentMemory.KibibytesOf(line, "Rss:") ?? 0;
        }

        return bytes;
    }
}

using System.Text.Json;
using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Models.Streaming;
using Kvasir.Test.Support;

namespace Kvasir.Test.Models.Streaming;

/// <summary>Experts that are more than weights may take of memory: what is computed with them, which of them stay, and what happens where they cannot be read.</summary>
public sealed class ExpertWindowTest
{
    private static readonly GoldenLogitsTable Table = GoldenLogitsTable.Committed;
    private static readonly ModelOptions Stored = new() { Repack = false };

    // Rows of a prompt choose all experts of a layer, of which there are two places at least.
    [Theory]
    [InlineData("qwen3moe-f32")]
    [InlineData("qwen3moe-q4_k")]
    [InlineData("granitemoe-shared-f32")]
    [InlineData("gemma4-moe-f32")]
    [InlineData("hf-qwen3moe-f32")]
    [InlineData("hf-mixtral-f32")]
    [InlineData("hf-gemma4-moe-f32")]
    public void TokensAreThoseOfWeightsInMemory(string name)
    {
        using var files = new RandomModel(Case(name), Table);
        using var whole = Model.Load(files.Path, Stored);
        var (expected, least) = (StreamedAnswers.Of(whole), StreamedAnswers.LeastBytes(files.Path));
        foreach (var bytes in (long[])[least, least + ((whole.Weights.Bytes - least) / 2)])
        {
            using var streamed = Model.Load(files.Path, Stored with { MemoryBytes = bytes });
            Assert.Equal(expected, StreamedAnswers.Of(streamed));
            var figures = streamed.Weights.Streamed!;
            Assert.InRange(figures.ExpertPlaces, 2 * whole.Config.LayerCount, figures.ExpertCount - 1);
            Assert.InRange(figures.ExpertsThere, 1, figures.ExpertsChosen - 1);
            Assert.InRange(figures.BytesRead, whole.Weights.Experts!.Bytes, long.MaxValue);
            Assert.Equal(0, streamed.Weights.Experts!.MappedBytes);
        }
    }

    [Fact]
    public void EnginesOfOneModelTakeTurns()
    {
        using var files = new RandomModel(Case("qwen3moe-f32"), Table);
        using var whole = Model.Load(files.Path, Stored);
        using var streamed = Model.Load(files.Path, Stored with { MemoryBytes = StreamedAnswers.LeastBytes(files.Path) });
        var expected = StreamedAnswers.Of(whole);
        var results = new string[3];
        Parallel.For(0, results.Length, new ParallelOptions { MaxDegreeOfParallelism = 3 }, i => results[i] = StreamedAnswers.Of(streamed));
        Assert.All(results, answers => Assert.Equal(expected, answers));
    }

    [Fact]
    public void StepsAllocateNothing()
    {
        using var files = new RandomModel(Case("qwen3moe-f32"), Table);
        using var streamed = Model.Load(files.Path, Stored with { MemoryBytes = StreamedAnswers.LeastBytes(files.Path) });
        using var engine = new Engine(streamed, new EngineOptions { Threads = 1, KvMemoryBytes = 16 << 20 });
        var sequences = Enumerable.Range(0, 3).Select(i => new Sequence([5, 9, 11 + i], Generation.Greedy(80))).ToArray();
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        for (var step = 0; step < 20; step++)
            engine.Step();
        var read = streamed.Weights.Streamed!.BytesRead;
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var step = 0; step < 40; step++)
            engine.Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(streamed.Weights.Streamed.BytesRead > read, "nothing was read meanwhile");
    }

    // Passes of any choice, told ahead rightly, wrongly or not at all, some of them left behind any layer or in the midst of one.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void EachThatWasChosenIsGivenOutOnceAsItIsStored(int seed)
    {
        using var files = new RandomModel(Case("qwen3moe-f32"), Table);
        using var whole = Model.Load(files.Path, Stored);
        using var streamed = Model.Load(files.Path, Stored with { MemoryBytes = StreamedAnswers.LeastBytes(files.Path) + (700 << 10) });
        var (random, window, count) = (new Random(seed), streamed.Weights.ExpertWindow!, whole.Config.Layers[0].Experts!.Count);
        for (var pass = 0; pass < 200; pass++)
        {
            window.Enter();
            for (var layer = 0; layer < whole.Config.LayerCount && random.Next(8) > 0; layer++)
            {
                var chosen = Some(random, count);
                window.Begin(layer, chosen);
                if (layer + 1 < whole.Config.LayerCount && random.Next(3) > 0)
                    window.Foresee(layer + 1, Some(random, count));
                var (given, isLeft) = (new List<int>(), false);
                while (!isLeft && window.Next() is { IsEmpty: false } there)
                {
                    foreach (var expert in there)
                        AssertSame(whole.Weights.Layers[layer].Experts!, streamed.Weights.Layers[layer].Experts!, expert, $"seed {seed}, pass {pass}, layer {layer}");
                    given.AddRange(there);
                    isLeft = random.Next(20) == 0;
                }

                Assert.True(isLeft || given.Order().SequenceEqual(chosen.Order()), $"seed {seed}, pass {pass}: {string.Join(' ', given)} of {string.Join(' ', chosen)}");
            }

            window.Leave();
        }
    }

    [Fact]
    public void WhoIsChosenMostStays()
    {
        using var files = new RandomModel(Case("olmoe-f32"), Table);
        using var whole = Model.Load(files.Path, Stored);
        var (least, experts) = (StreamedAnswers.LeastBytes(files.Path), whole.Config.Layers[0].Experts!.Count);
        using var streamed = Model.Load(files.Path, Stored with { MemoryBytes = least + ((whole.Weights.Bytes - least) / 3) });
        var window = streamed.Weights.ExpertWindow!;
        var places = streamed.Weights.Streamed!.ExpertPlaces / whole.Config.LayerCount;
        Assert.InRange(places, 3, experts - 2);
        // Two of them at every step, each of the others in turn: an order by last use would keep those of the last steps.
        for (var step = 0; step < 100; step++)
        {
            var there = streamed.Weights.Streamed.ExpertsThere;
            window.Begin(0, [0, 1, 2 + (step % (experts - 2))]);
            if (step >= 20)
                Assert.InRange(streamed.Weights.Streamed.ExpertsThere - there, 2, 3);
            while (!window.Next().IsEmpty)
            {
            }
        }
    }

    [Fact]
    public void AFileThatIsCutEndsTheStepAndNothingElse()
    {
        using var files = new RandomModel(Case("hf-qwen3moe-f32"), Table);
        using var whole = Model.Load(files.Path, Stored);
        var least = StreamedAnswers.LeastBytes(files.Path);
        using var folder = new TempFolder();
        foreach (var file in Directory.GetFiles(files.Path))
            File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
        using var streamed = Model.Load(folder.Path, Stored with { MemoryBytes = least });
        var window = streamed.Weights.ExpertWindow!;
        var weights = Directory.GetFiles(folder.Path, "*.safetensors").ToDictionary(static file => file, File.ReadAllBytes);
        foreach (var file in weights.Keys)
            Write(file, static stream => stream.SetLength(4096));
        for (var attempt = 0; attempt < 3; attempt++)
        {
            window.Begin(1, [3, 0, 2]);
            var problem = Assert.Throws<KvasirException>(() => window.Next().Length);
            Assert.Equal(KvasirError.BadFile, problem.Error);
            Assert.Matches("^expert [023] of layer 1 could not be read: .*the file ends", problem.Message);
        }

        foreach (var (file, content) in weights)
            Write(file, stream => stream.Write(content));
        window.Begin(1, [3, 0, 2]);
        var left = 3;
        while (window.Next() is { IsEmpty: false } there)
        {
            left -= there.Length;
            foreach (var expert in there)
                AssertSame(whole.Weights.Layers[1].Experts!, streamed.Weights.Layers[1].Experts!, expert, "mended");
        }

        Assert.Equal(0, left);

        static void Write(string path, Action<FileStream> write)
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            write(stream);
        }
    }

    [Fact]
    public void WhatIsPutTogetherAtLoadIsRefused()
    {
        using var files = new RandomModel(Case("hf-gpt-oss-f32"), Table);
        var problem = Assert.Throws<KvasirException>(() => Model.Load(files.Path, Stored with { MemoryBytes = 1 << 16 }));
        Assert.Equal(KvasirError.Unsupported, problem.Error);
        Assert.Contains("a GGUF file of it", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TooLittleIsSaidWithWhatIsNeeded()
    {
        using var files = new RandomModel(Case("qwen3moe-f32"), Table);
        var least = StreamedAnswers.LeastBytes(files.Path);
        var problem = Assert.Throws<KvasirException>(() => Model.Load(files.Path, Stored with { MemoryBytes = least - 1 }));
        Assert.Equal(KvasirError.BadOption, problem.Error);
        Assert.Contains($"{least} at least, for what stays and two experts of each layer", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3, 8, 10, 59, -1)]
    [InlineData(3, 8, 10, 60, 6)]
    [InlineData(3, 8, 10, 109, 10)]
    [InlineData(3, 8, 10, 1000, 24)]
    [InlineData(2, 1, 10, 20, 2)]
    public void AsManyHavePlacesAsThereIsRoomFor(int layers, int experts, long bytes, long budget, int places)
    {
        var shares = ExpertShares.Of([.. Enumerable.Repeat((bytes, experts), layers)], budget);
        Assert.Equal(places, shares?.Slots.Sum() ?? -1);
        Assert.True(shares is null || shares.Slots.Max() - shares.Slots.Min() <= 1);
    }

    private static int[] Some(Random random, int count)
    {
        var all = Enumerable.Range(0, count).ToArray();
        random.Shuffle(all);
        return all[..random.Next(1, count + 1)];
    }

    private static void AssertSame(ExpertWeights expected, ExpertWeights came, int expert, string where)
    {
        Assert.True(Bytes(expected.Gate[expert].Data).SequenceEqual(Bytes(came.Gate[expert].Data)), $"gate of {expert}, {where}");
        Assert.True(Bytes(expected.Up[expert].Data).SequenceEqual(Bytes(came.Up[expert].Data)), $"up of {expert}, {where}");
        Assert.True(Bytes(expected.Down[expert].Data).SequenceEqual(Bytes(came.Down[expert].Data)), $"down of {expert}, {where}");
    }

    private static ReadOnlySpan<byte> Bytes(NativeView view) => view.Span(0, (int)view.Bytes);

    // Where experts are smaller than blocks of a file, nothing is saved by leaving some of them there: these are wider.
    private static GoldenLogitsCase Case(string name)
    {
        const int Times = 6;
        var own = Table.Cases.Single(c => c.Name == name);
        return name switch
        {
            "qwen3moe-f32" => Wider("qwen3moe.expert_feed_forward_length", 40),
            "granitemoe-shared-f32" => Wider("granitemoe.feed_forward_length", 40),
            "olmoe-f32" => Wider("olmoe.feed_forward_length", 33),
            "hf-qwen3moe-f32" => Wider("\"moe_intermediate_size\": 40", 40),
            _ => own,
        };

        GoldenLogitsCase Wider(string key, int width) => own with
        {
            Metadata = own.Metadata is null ? null : [.. own.Metadata.Select(entry => entry[0].GetString() == key
                ? [entry[0], entry[1], JsonSerializer.SerializeToElement(Times * width)] : entry)],
            Config = own.Config?.Replace(key, key.Replace($"{width}", $"{Times * width}", StringComparison.Ordinal), StringComparison.Ordinal),
            Tensors = [.. own.Tensors.Select(tensor => tensor.Name.Contains("exp", StringComparison.Ordinal) && !tensor.Name.Contains("shexp", StringComparison.Ordinal)
                ? tensor with { Shape = Array.ConvertAll(tensor.Shape, size => size == width ? Times * width : size), First = Times * tensor.First, Run = 0, Stride = 0 }
                : tensor)],
        };
    }
}

using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Models;

/// <summary>Small random models of every kind, against logits that llama.cpp or a float64 reference gave (tools/golden-logits).</summary>
public sealed class GoldenLogitsTest(ITestOutputHelper output)
{
    private static readonly GoldenLogitsTable Table = GoldenLogitsTable.Committed;

    public static TheoryData<string> Names => [.. Table.Cases.Select(c => c.Name)];

    // The expected logits belong to these very bytes.
    [Theory, MemberData(nameof(Names))]
    [Trait("Needs", "Minutes")]
    public void GeneratedModelsAreTheMeasuredOnes(string name)
    {
        var golden = Table.Cases.Single(c => c.Name == name);
        using var model = new RandomModel(golden, Table);
        Assert.Equal(golden.Sha256.OrderBy(p => p.Key), model.Digests().OrderBy(p => p.Key));
    }

    [Theory, MemberData(nameof(Names))]
    [Trait("Needs", "Seconds")]
    public void StoredWeightsAndTheirProductsGiveTheGoldenLogits(string name)
    {
        var golden = Table.Cases.Single(c => c.Name == name);
        using var model = new RandomModel(golden, Table);
        using var weights = golden.Format == "gguf" ? TestModels.LoadGguf(model.Path, out var config) : TestModels.LoadFolder(model.Path, out config);
        AssertGolden(golden, new GoldenLogitsForward(config, weights).Logits(golden.Tokens));
    }

    // Chunks of 16, then a token at a time: every row must come out as if the model had read the text at once.
    [Theory, MemberData(nameof(Names))]
    public void TheEngineGivesTheGoldenLogits(string name)
    {
        var golden = Table.Cases.Single(c => c.Name == name);
        using var model = new RandomModel(golden, Table);
        AssertGolden(golden, GoldenLogitsEngine.LogitsOf(model.Path, golden.Tokens, KvFormat.F32, promptCount: 26, chunkTokens: 16));
    }

    public static TheoryData<string> TwinNames => [.. Table.Cases.Where(c => c.Twin is not null).Select(c => c.Name)];

    // One model, written twice: other names, joined or apart, rows in another order.
    [Theory, MemberData(nameof(TwinNames))]
    [Trait("Needs", "Seconds")]
    public void BothContainersOfAModelAgreeTokenForToken(string name)
    {
        var folder = Table.Cases.Single(c => c.Name == name);
        var file = Table.Cases.Single(c => c.Name == folder.Twin);
        Assert.Equal(file.Tokens, folder.Tokens);
        var (ours, theirs) = (LogitsOf(folder), LogitsOf(file));
        Assert.Equal(theirs.Select(Best), ours.Select(Best));
        for (var i = 0; i < ours.Length; i++)
            Assert.True(ours[i].Zip(theirs[i], (a, b) => Math.Abs(a - b)).Max() < 1e-4f * theirs[i].Max(Math.Abs), $"{name}: logits differ at position {i}");
    }

    private static float[][] LogitsOf(GoldenLogitsCase golden)
    {
        using var model = new RandomModel(golden, Table);
        return GoldenLogitsEngine.LogitsOf(model.Path, golden.Tokens, KvFormat.F32, promptCount: 26, chunkTokens: 16);
    }

    private void AssertGolden(GoldenLogitsCase golden, float[][] logits)
    {
        var expected = golden.Logits();
        Assert.Equal(expected.Length, logits.Length);
        var (worst, errorSum, sum) = (0.0, 0.0, 0.0);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i].Length, logits[i].Length);
            var error = expected[i].Zip(logits[i], (e, l) => ((double)l - e) * ((double)l - e)).Sum();
            var square = expected[i].Sum(e => (double)e * e);
            worst = Math.Max(worst, Math.Sqrt(error / square));
            (errorSum, sum) = (errorSum + error, sum + square);
        }
        var misses = Enumerable.Range(0, expected.Length).Where(i => Best(expected[i]) != Best(logits[i])).ToArray();
        var whole = Math.Sqrt(errorSum / sum);
        output.WriteLine($"{golden.Name}: error {whole:e1}, worst position {worst:e1}, tolerance {golden.Tolerance}, other argmax at [{string.Join(' ', misses)}]");
        Assert.True(whole < golden.Tolerance, $"{golden.Name}: relative error {whole:e2} is not below {golden.Tolerance}");
        Assert.True(worst < 2 * golden.Tolerance, $"{golden.Name}: relative error {worst:e2} at a position is not below twice {golden.Tolerance}");
        Assert.Empty(misses);
    }

    private static int Best(float[] row) => Array.IndexOf(row, row.Max());
}
